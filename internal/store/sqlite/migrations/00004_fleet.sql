-- The Auto Scaling groups whose instances the server starts by itself.

-- +goose Up
CREATE TABLE fleet_group (
    account TEXT NOT NULL,
    name    TEXT NOT NULL,
    doc     BLOB NOT NULL, -- the driver's own
    PRIMARY KEY (account, name)
) WITHOUT ROWID;

CREATE TABLE fleet_instance (
    account     TEXT NOT NULL,
    name        TEXT NOT NULL,
    fleet_group TEXT NOT NULL,
    doc         BLOB NOT NULL,
    PRIMARY KEY (account, name),
    FOREIGN KEY (account, fleet_group) REFERENCES fleet_group (account, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX fleet_instance_group ON fleet_instance (account, fleet_group, name);
