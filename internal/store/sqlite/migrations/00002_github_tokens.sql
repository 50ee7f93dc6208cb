-- +goose Up
CREATE TABLE github_token (
    account    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    sealed     BLOB    NOT NULL, -- package auth seals it; the key is not here
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) WITHOUT ROWID;
