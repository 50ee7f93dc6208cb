-- +goose Up
-- The tags of registered instances, by which instances are found; instance.tags is what counts.
CREATE TABLE instance_tag (
    account  TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    instance TEXT NOT NULL,
    PRIMARY KEY (account, key, instance)
) WITHOUT ROWID;
CREATE INDEX instance_tag_pair ON instance_tag (account, key, value, instance);
CREATE INDEX instance_tag_value ON instance_tag (account, value, instance);

INSERT INTO instance_tag (account, key, value, instance)
    SELECT i.account, t.key, t.value, i.name FROM instance i, json_each(i.tags) t WHERE i.deregistered_at IS NULL;
