-- Settings, limits and the IP access list of projects; what organizations allow delegated clients.

CREATE TABLE project_switches (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    PRIMARY KEY (project_id, name)
);

CREATE TABLE project_limits (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (project_id, name)
);

CREATE TABLE org_delegation (
    org_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    mcp_access TEXT,
    partner_access TEXT,
    refresh_token_idle_s BIGINT,
    refresh_token_max_s BIGINT
);

CREATE TABLE network_entries (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    cidr TEXT NOT NULL,
    comment TEXT,
    delete_after BIGINT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, cidr)
);
