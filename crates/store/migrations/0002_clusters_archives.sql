-- Clusters, their ports, database users, online archives, organization links.

CREATE TABLE clusters (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    port BIGINT,
    -- Sealed connection string of an attached cluster.
    uri_sealed {{BLOB}},
    hosts TEXT NOT NULL,
    writes_quiesced BIGINT NOT NULL,
    state TEXT NOT NULL,
    version TEXT,
    level TEXT NOT NULL,
    level_reasons TEXT NOT NULL,
    time_series BIGINT NOT NULL,
    termination_protection BIGINT NOT NULL,
    tags TEXT NOT NULL,
    replication_specs TEXT NOT NULL,
    -- What a client set and reads back, and what changes nothing here.
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- A port is given to one cluster and one role for life; it may be given again only long after.
CREATE TABLE endpoints (
    port BIGINT PRIMARY KEY,
    cluster_id TEXT NOT NULL,
    role TEXT NOT NULL,
    assigned_at BIGINT NOT NULL,
    released_at BIGINT
);
CREATE UNIQUE INDEX endpoints_by_cluster ON endpoints (cluster_id, role);

CREATE TABLE database_users (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    database_name TEXT NOT NULL,
    username TEXT NOT NULL,
    -- Sealed SCRAM credentials: stored and server keys, never a password.
    credentials_sealed {{BLOB}} NOT NULL,
    roles TEXT NOT NULL,
    scopes TEXT NOT NULL,
    labels TEXT NOT NULL,
    description TEXT,
    delete_after BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, database_name, username)
);

-- Outlives its cluster, and even its project, until its files are purged.
CREATE TABLE online_archives (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    cluster_name TEXT NOT NULL,
    database_name TEXT NOT NULL,
    collection_name TEXT NOT NULL,
    collection_type TEXT NOT NULL,
    criteria_type TEXT NOT NULL,
    date_field TEXT,
    date_format TEXT,
    criteria_days BIGINT,
    criteria_query TEXT,
    criteria_version BIGINT NOT NULL,
    partition_fields TEXT NOT NULL,
    expire_after_days BIGINT,
    expiry_set_at BIGINT,
    provider TEXT NOT NULL,
    region TEXT NOT NULL,
    schedule TEXT NOT NULL,
    state TEXT NOT NULL,
    suspend_reason TEXT,
    -- The cluster's guard level when the archive was made.
    level TEXT NOT NULL,
    table_uri TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX online_archives_by_cluster ON online_archives (cluster_id, created_at);

CREATE TABLE link_tokens (
    org_id TEXT PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    -- Whoever deletes the key deletes the link.
    api_key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    access_list_ips TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Live migrations as far as others must know of them: a running one holds its organization's link.
CREATE TABLE live_migrations (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX live_migrations_by_org ON live_migrations (org_id, status);
