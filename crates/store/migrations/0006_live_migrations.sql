-- Live migrations: what clients see of one, validations, and links between organizations of two instances.

ALTER TABLE live_migrations ADD COLUMN migration_hosts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE live_migrations ADD COLUMN ready_for_cutover BIGINT NOT NULL DEFAULT 0;
ALTER TABLE live_migrations ADD COLUMN lag_time_s BIGINT;
ALTER TABLE live_migrations ADD COLUMN cutover_requested_at BIGINT;

-- Here is the destination: organizations elsewhere that registered themselves through the link of ours.
-- They go with the link.
CREATE TABLE live_sources (
    org_id TEXT NOT NULL REFERENCES link_tokens (org_id) ON DELETE CASCADE,
    source_org_id TEXT NOT NULL,
    source_org_name TEXT NOT NULL,
    -- What it offers (JSON).
    projects TEXT NOT NULL,
    synced_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, source_org_id)
);

-- Here is the source: the link of an organization of ours to one elsewhere.
CREATE TABLE live_exports (
    org_id TEXT PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    -- The sealed link token: it holds a key of the other organization.
    token_sealed {{BLOB}} NOT NULL,
    created_at BIGINT NOT NULL,
    -- When the other side was last told what there is.
    synced_at BIGINT NOT NULL
);

CREATE TABLE live_validations (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    source_project_id TEXT NOT NULL,
    status TEXT NOT NULL,
    error_message TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX live_validations_by_project ON live_validations (project_id, created_at);
