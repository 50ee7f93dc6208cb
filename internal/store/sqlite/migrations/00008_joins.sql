-- Tokens with which hosts enrol.

-- +goose Up
CREATE TABLE join_token (
    account    TEXT NOT NULL,
    id         TEXT NOT NULL, -- of the access key
    name       TEXT NOT NULL, -- empty: any
    tags       TEXT NOT NULL,
    own_tags   INTEGER NOT NULL,
    replaces   INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    used       INTEGER NOT NULL CHECK (used BETWEEN 0 AND uses),
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) WITHOUT ROWID;
