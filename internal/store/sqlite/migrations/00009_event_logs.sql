-- What scripts write while lifecycle events run, beside the deployments and gone with them.

-- +goose Up
CREATE TABLE event_log (
    deployment_id TEXT    NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    target_id     TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    event         TEXT    NOT NULL,
    next          INTEGER NOT NULL, -- number of the line that comes next
    received      INTEGER NOT NULL, -- bytes
    head          INTEGER NOT NULL, -- bytes of the beginning, which stays
    tail          INTEGER NOT NULL, -- bytes of the end, which is cut at its beginning
    tail_from     INTEGER NOT NULL, -- first chunk of the end; 0: there is none
    left_out      INTEGER NOT NULL, -- lines between the two
    PRIMARY KEY (deployment_id, target_id, attempt)
) WITHOUT ROWID;

-- doc is last, so that a row is passed over without it.
CREATE TABLE event_log_chunk (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment_id TEXT    NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    target_id     TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    event         TEXT    NOT NULL,
    first         INTEGER NOT NULL,
    lines         INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    lost          INTEGER NOT NULL,
    doc           TEXT    NOT NULL
);
-- Reading on: a deployment, and one of its targets. The id is in every index.
CREATE INDEX event_log_chunk_deployment ON event_log_chunk (deployment_id);
CREATE INDEX event_log_chunk_target ON event_log_chunk (deployment_id, target_id);
