-- Times are whole nanoseconds since 1970 in UTC; NULL is "never". Documents are JSON text.

-- +goose Up
CREATE TABLE application (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    platform   TEXT    NOT NULL,
    tags       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account, name)
);

CREATE TABLE config (
    account TEXT NOT NULL,
    name    TEXT NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (account, name)
);

-- The members after created_at are written by deployments only.
CREATE TABLE deployment_group (
    id                  TEXT    NOT NULL PRIMARY KEY,
    account             TEXT    NOT NULL,
    application_id      TEXT    NOT NULL REFERENCES application (id) ON DELETE CASCADE,
    name                TEXT    NOT NULL,
    config              TEXT    NOT NULL, -- as in settings
    settings            TEXT    NOT NULL,
    tags                TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    environment         TEXT    NOT NULL DEFAULT '',
    target_revision     TEXT,
    target_revision_key BLOB,
    last_successful     TEXT,
    last_attempted      TEXT,
    UNIQUE (application_id, name)
);
-- DeleteConfig: is it in use?
CREATE INDEX deployment_group_config ON deployment_group (account, config);
-- RevisionGroups, and revisions listed by whether they are deployed.
CREATE INDEX deployment_group_revision ON deployment_group (application_id, target_revision_key, name);

-- number gives revisions of equal times an order that stays.
CREATE TABLE revision (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    account        TEXT    NOT NULL,
    application_id TEXT    NOT NULL REFERENCES application (id) ON DELETE CASCADE,
    key            BLOB    NOT NULL, -- of deploy.Revision; holds zero bytes
    s3_bucket      TEXT    NOT NULL,
    s3_key         TEXT    NOT NULL,
    location       TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    registered_at  INTEGER NOT NULL,
    first_used_at  INTEGER NOT NULL, -- 0: never
    last_used_at   INTEGER NOT NULL,
    UNIQUE (application_id, key)
);
-- The three orders of ListApplicationRevisions.
CREATE INDEX revision_registered ON revision (application_id, registered_at, number);
CREATE INDEX revision_first_used ON revision (application_id, first_used_at, number);
CREATE INDEX revision_last_used ON revision (application_id, last_used_at, number);

CREATE TABLE instance (
    account         TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    arn             TEXT    NOT NULL,
    iam_user_arn    TEXT    NOT NULL,
    iam_session_arn TEXT    NOT NULL,
    host            TEXT    NOT NULL, -- the one of the two that is set
    tags            TEXT    NOT NULL,
    registered_at   INTEGER NOT NULL,
    deregistered_at INTEGER,
    address         TEXT    NOT NULL,
    PRIMARY KEY (account, name)
);
-- A host's identity is one registered instance's.
CREATE UNIQUE INDEX instance_host ON instance (host) WHERE deregistered_at IS NULL;

-- Deployments refer to applications and groups by value: they outlive them.
CREATE TABLE deployment (
    id             TEXT    NOT NULL PRIMARY KEY,
    account        TEXT    NOT NULL,
    application_id TEXT    NOT NULL,
    group_id       TEXT    NOT NULL,
    external_id    TEXT    NOT NULL,
    config         TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    status         TEXT    NOT NULL, -- as in state
    version        INTEGER NOT NULL,
    wake_at        INTEGER,          -- as in state
    state          TEXT    NOT NULL
);
-- One unfinished deployment in a group. The literals must be those of the queries, or the index does not serve them.
CREATE UNIQUE INDEX deployment_active ON deployment (group_id)
    WHERE status IN ('Created', 'Queued', 'InProgress', 'Baking', 'Ready');
-- DeleteApplication and DeleteConfig: what is unfinished?
CREATE INDEX deployment_active_application ON deployment (application_id, id)
    WHERE status IN ('Created', 'Queued', 'InProgress', 'Baking', 'Ready');
CREATE INDEX deployment_active_config ON deployment (account, config)
    WHERE status IN ('Created', 'Queued', 'InProgress', 'Baking', 'Ready');
-- Lists, newest first: of an account, an application, a group; of all statuses and of one.
CREATE INDEX deployment_account ON deployment (account, created_at, id);
CREATE INDEX deployment_application ON deployment (application_id, created_at, id);
CREATE INDEX deployment_group_list ON deployment (group_id, created_at, id);
CREATE INDEX deployment_account_status ON deployment (account, status, created_at, id);
CREATE INDEX deployment_application_status ON deployment (application_id, status, created_at, id);
CREATE INDEX deployment_group_status ON deployment (group_id, status, created_at, id);
CREATE INDEX deployment_external ON deployment (external_id, created_at, id) WHERE external_id <> '';
CREATE INDEX deployment_wake ON deployment (wake_at, id) WHERE wake_at IS NOT NULL;

-- The part of a deployment that never changes, apart so that progress does not rewrite it.
CREATE TABLE deployment_spec (
    deployment_id TEXT NOT NULL PRIMARY KEY,
    spec          TEXT NOT NULL
);

-- status and due_at are kept here and not in doc, so that skipping ten thousand targets is one statement.
CREATE TABLE target (
    deployment_id TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    lane          TEXT    NOT NULL,
    rank          INTEGER NOT NULL,
    turn          INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    due_at        INTEGER,
    doc           TEXT    NOT NULL,
    UNIQUE (deployment_id, id)
);
-- Which targets may start next? Turn comes before rank: those that are through with a stage must not stand before those that wait for it.
CREATE INDEX target_candidate ON target (deployment_id, lane, turn, rank, id) WHERE status IN ('Pending', 'Ready');
CREATE INDEX target_due ON target (due_at, deployment_id, id) WHERE due_at IS NOT NULL;

CREATE TABLE effect (
    deployment_id TEXT NOT NULL,
    target_id     TEXT NOT NULL, -- empty: of the whole deployment
    kind          TEXT NOT NULL,
    doc           TEXT NOT NULL,
    PRIMARY KEY (deployment_id, target_id, kind)
) WITHOUT ROWID;

CREATE TABLE journal (
    deployment_id TEXT    NOT NULL,
    number        INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    target_id     TEXT    NOT NULL,
    event         TEXT    NOT NULL,
    from_status   TEXT    NOT NULL,
    to_status     TEXT    NOT NULL,
    text          TEXT    NOT NULL,
    PRIMARY KEY (deployment_id, number)
) WITHOUT ROWID;

CREATE TABLE access_key (
    id            TEXT    NOT NULL PRIMARY KEY,
    account       TEXT    NOT NULL,
    arn           TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    sealed_secret BLOB    NOT NULL, -- package auth seals it; the key is not here
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER,
    disabled      INTEGER NOT NULL
);
CREATE INDEX access_key_principal ON access_key (account, arn, id);

-- What the built-in load balancer was asked for last.
CREATE TABLE registration (
    target_group TEXT    NOT NULL,
    instance     TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    registered   INTEGER NOT NULL, -- 0: deregistered
    generation   INTEGER NOT NULL,
    PRIMARY KEY (target_group, instance)
) WITHOUT ROWID;

-- Ping writes here: only a write shows that the disk takes writes.
CREATE TABLE ping (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
);
