-- Users, their keys (the secrets are in access_key) and their policies.

-- +goose Up
CREATE TABLE user (
    account    TEXT NOT NULL,
    name       TEXT NOT NULL,
    folded     TEXT NOT NULL, -- the name in lower case
    path       TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    tags       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, name),
    UNIQUE (account, folded)
) WITHOUT ROWID;

CREATE TABLE user_key (
    account    TEXT NOT NULL,
    user       TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    inactive   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, user, id),
    FOREIGN KEY (account, user) REFERENCES user (account, name)
) WITHOUT ROWID;

CREATE INDEX user_key_inactive ON user_key (inactive, id) WHERE inactive = 1;

CREATE TABLE user_policy (
    account  TEXT NOT NULL,
    user     TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (account, user, name),
    FOREIGN KEY (account, user) REFERENCES user (account, name)
) WITHOUT ROWID;
