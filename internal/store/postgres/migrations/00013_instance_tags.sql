-- +goose Up
-- The tags of registered instances, by which instances are found; instance.tags is what counts.
CREATE TABLE instance_tag (
    account  TEXT COLLATE "C" NOT NULL,
    key      TEXT COLLATE "C" NOT NULL,
    value    TEXT COLLATE "C" NOT NULL,
    instance TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, key, instance)
);
CREATE INDEX instance_tag_pair ON instance_tag (account, key, value, instance);
CREATE INDEX instance_tag_value ON instance_tag (account, value, instance);

-- No text of PostgreSQL has zero bytes.
INSERT INTO instance_tag (account, key, value, instance)
    SELECT i.account, t.key, t.value, i.name FROM instance i, json_each_text(replace(i.tags, '\u0000', '\ufffd')::json) t WHERE i.deregistered_at IS NULL;
