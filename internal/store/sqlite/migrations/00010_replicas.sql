-- Several servers on one store: who lives, who answers for what, and what each has changed.

-- +goose Up
CREATE TABLE replica (
    name  TEXT    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX replica_until ON replica (until);

CREATE TABLE lease (
    name  TEXT    NOT NULL PRIMARY KEY,
    owner TEXT    NOT NULL, -- empty: nobody's
    epoch INTEGER NOT NULL, -- grows each time that it is taken
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX lease_owner ON lease (owner);

-- The feed of changes. There is always an entry, so that a reader knows where it stands.
CREATE TABLE change (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    replica   TEXT    NOT NULL,
    at        INTEGER NOT NULL, -- when it was written
    events_to INTEGER NOT NULL, -- the latest time of its events
    doc       TEXT    NOT NULL
);
INSERT INTO change (replica, at, events_to, doc) VALUES ('', 0, 0, '{}');

-- What all servers on the store must have the same of; package auth seals it, and the key is not here.
CREATE TABLE secret (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;
