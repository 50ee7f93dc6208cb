-- How the built-in load balancer was asked to share requests out between environments.

-- +goose Up
ALTER TABLE registration ADD COLUMN environment TEXT NOT NULL DEFAULT '';

-- An empty environment: nothing is shared out. The row stays for its generation.
CREATE TABLE split (
    target_group TEXT    NOT NULL PRIMARY KEY,
    environment  TEXT    NOT NULL,
    percent      INTEGER NOT NULL,
    generation   INTEGER NOT NULL
) WITHOUT ROWID;
