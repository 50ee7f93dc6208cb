-- Deployments that wait their turn or run beside their group's own, what groups know of their instances, and follow-up deployments.

-- +goose Up
-- active: has the group's turn; waiting: for it; beside: needs none.
ALTER TABLE deployment ADD COLUMN standing TEXT NOT NULL DEFAULT 'active';
-- The deployment whose revision this one brings to instances that joined meanwhile.
ALTER TABLE deployment ADD COLUMN root TEXT NOT NULL DEFAULT '';
DROP INDEX deployment_active;
CREATE UNIQUE INDEX deployment_active ON deployment (group_id)
    WHERE status IN ('Created', 'Queued', 'InProgress', 'Baking', 'Ready') AND standing = 'active';
CREATE INDEX deployment_waiting ON deployment (group_id, created_at, id) WHERE standing = 'waiting' AND status = 'Queued';
CREATE INDEX deployment_unfinished ON deployment (group_id, id) WHERE status IN ('Created', 'Queued', 'InProgress', 'Baking', 'Ready');
CREATE INDEX deployment_root ON deployment (root, created_at, id) WHERE root <> '';

CREATE TABLE instance_state (
    group_id TEXT NOT NULL REFERENCES deployment_group (id) ON DELETE CASCADE,
    instance TEXT NOT NULL,
    doc      TEXT NOT NULL, -- deploy.InstanceState
    PRIMARY KEY (group_id, instance)
) WITHOUT ROWID;
