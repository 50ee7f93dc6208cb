-- Load balancers that run as processes of their own: which wish came when, and what each of them observes.

-- +goose Up
ALTER TABLE registration ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
CREATE INDEX registration_change ON registration (change);
ALTER TABLE split ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
CREATE INDEX split_change ON split (change);

-- At most one row, from the first time that a server had proxies on.
CREATE TABLE proxy_feed (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    installation  TEXT    NOT NULL,
    epoch         TEXT    NOT NULL,
    is_open       INTEGER NOT NULL, -- 0: wishes are kept without a change
    last_change   INTEGER NOT NULL, -- the row is also what lets one writer of wishes commit after the other
    reports       INTEGER NOT NULL,
    configuration TEXT    NOT NULL,
    digest        TEXT    NOT NULL
);

CREATE TABLE proxy (
    name       TEXT    NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    session    TEXT    NOT NULL, -- of the last report; empty: there was none
    sequence   INTEGER NOT NULL,
    applied    INTEGER NOT NULL,
    digest     TEXT    NOT NULL,
    first_seen INTEGER NOT NULL,
    seen       INTEGER NOT NULL
) WITHOUT ROWID;

-- What a proxy has of a target. An absent one has no row.
CREATE TABLE proxy_target (
    target_group TEXT NOT NULL,
    instance     TEXT NOT NULL,
    proxy        TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    PRIMARY KEY (target_group, instance, proxy)
) WITHOUT ROWID;
CREATE INDEX proxy_target_proxy ON proxy_target (proxy);
