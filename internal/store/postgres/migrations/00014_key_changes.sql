-- +goose Up
-- At most one row: how often any access key was changed, so that who remembers keys can ask whether it still may.
CREATE TABLE key_change (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
