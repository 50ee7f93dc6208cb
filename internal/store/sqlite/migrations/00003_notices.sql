-- What others are told: the log of notices, and the messages that triggers still have to send.

-- +goose Up
CREATE TABLE notice (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account       TEXT    NOT NULL,
    deployment_id TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    doc           TEXT    NOT NULL -- deploy.Notice
);

CREATE TABLE delivery (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    notice_id     INTEGER REFERENCES notice (id), -- NULL: doc has the notice
    account       TEXT    NOT NULL,
    deployment_id TEXT    NOT NULL, -- empty: a test of the trigger
    destination   TEXT    NOT NULL,
    trigger_name  TEXT    NOT NULL,
    tries         INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    not_before    INTEGER,          -- NULL: an earlier delivery of the same deployment and destination goes first
    problem       TEXT    NOT NULL,
    doc           TEXT    NOT NULL
);
CREATE INDEX delivery_due ON delivery (not_before) WHERE not_before IS NOT NULL;
CREATE INDEX delivery_order ON delivery (deployment_id, destination, id);
CREATE INDEX delivery_notice ON delivery (notice_id) WHERE notice_id IS NOT NULL;

CREATE TABLE lost_delivery (
    id            INTEGER PRIMARY KEY, -- the delivery's
    account       TEXT    NOT NULL,
    deployment_id TEXT    NOT NULL,
    destination   TEXT    NOT NULL,
    trigger_name  TEXT    NOT NULL,
    tries         INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    lost_at       INTEGER NOT NULL,
    problem       TEXT    NOT NULL
);
CREATE INDEX lost_delivery_account ON lost_delivery (account, id);
CREATE INDEX lost_delivery_at ON lost_delivery (lost_at);

CREATE TABLE notice_cursor (
    name       TEXT    NOT NULL PRIMARY KEY,
    after      INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    since      INTEGER,
    not_before INTEGER
) WITHOUT ROWID;
