-- Cleaning up.

-- +goose Up
-- Deployments that are gone, of which there may still be targets and journal.
CREATE TABLE removed_deployment (
    deployment_id TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;
-- Has another application a revision with the same bundle?
CREATE INDEX revision_object ON revision (s3_bucket, s3_key) WHERE s3_bucket <> '';
CREATE INDEX revision_key ON revision (key);
-- Which revisions of an application are out of use for longest?
CREATE INDEX revision_active ON revision (application_id, (CASE WHEN registered_at > last_used_at THEN registered_at ELSE last_used_at END), number);
