-- Identity: the instance, organizations, projects, users, API keys, service accounts, their roles,
-- access lists and tokens, events and the audit trail. The headers of the files in src/ describe
-- the tables.

CREATE TABLE instance (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    installation_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE instance_secrets (
    name TEXT NOT NULL PRIMARY KEY,
    secret {{BLOB}} NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    skip_default_alerts_settings BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    api_access_list_required BIGINT NOT NULL,
    multi_factor_auth_required BIGINT NOT NULL,
    restrict_employee_access BIGINT NOT NULL,
    gen_ai_features_enabled BIGINT NOT NULL,
    streams_cross_group_enabled BIGINT NOT NULL,
    secret_validity_hours_max BIGINT,
    security_contact TEXT,
    operations_contact TEXT,
    session_absolute_s BIGINT,
    session_idle_s BIGINT
);

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    tags TEXT NOT NULL,
    with_default_alerts_settings BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    first_name TEXT,
    last_name TEXT,
    country TEXT,
    created_at BIGINT NOT NULL,
    last_auth_at BIGINT
);

CREATE TABLE org_members (
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status TEXT NOT NULL CHECK (status IN ('ACTIVE', 'PENDING')),
    joined_at BIGINT NOT NULL,
    invitation_created_at BIGINT,
    invitation_expires_at BIGINT,
    inviter_username TEXT,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX org_members_user ON org_members (user_id);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    public_key TEXT NOT NULL UNIQUE,
    ha1 {{BLOB}} NOT NULL,
    private_key_masked TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_address TEXT
);
CREATE INDEX api_keys_org ON api_keys (org_id);

CREATE TABLE service_accounts (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX service_accounts_org ON service_accounts (org_id);

CREATE TABLE service_account_secrets (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES service_accounts (id) ON DELETE CASCADE,
    secret_hash {{BLOB}} NOT NULL,
    masked TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX service_account_secrets_account ON service_account_secrets (account_id);

CREATE TABLE access_tokens (
    token_hash {{BLOB}} NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES service_accounts (id) ON DELETE CASCADE,
    secret_id TEXT NOT NULL REFERENCES service_account_secrets (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_account ON access_tokens (account_id);
CREATE INDEX access_tokens_secret ON access_tokens (secret_id);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

CREATE TABLE org_roles (
    principal_id TEXT NOT NULL,
    principal_kind TEXT NOT NULL CHECK (principal_kind IN ('USER', 'API_KEY', 'SERVICE_ACCOUNT')),
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (principal_id, org_id, role)
);
CREATE INDEX org_roles_org ON org_roles (org_id);

CREATE TABLE project_roles (
    principal_id TEXT NOT NULL,
    principal_kind TEXT NOT NULL CHECK (principal_kind IN ('USER', 'API_KEY', 'SERVICE_ACCOUNT')),
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (principal_id, project_id, role)
);
CREATE INDEX project_roles_project ON project_roles (project_id);

CREATE TABLE access_list_entries (
    owner_id TEXT NOT NULL,
    api_key_id TEXT REFERENCES api_keys (id) ON DELETE CASCADE,
    service_account_id TEXT REFERENCES service_accounts (id) ON DELETE CASCADE,
    cidr TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_address TEXT,
    use_count BIGINT NOT NULL,
    PRIMARY KEY (owner_id, cidr)
);
CREATE INDEX access_list_entries_key ON access_list_entries (api_key_id);
CREATE INDEX access_list_entries_account ON access_list_entries (service_account_id);

CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    type_name TEXT NOT NULL,
    org_id TEXT,
    project_id TEXT,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    remote_address TEXT,
    target TEXT NOT NULL
);
CREATE INDEX events_org ON events (org_id, created_at);
CREATE INDEX events_project ON events (project_id, created_at);

CREATE TABLE audit (
    request_id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    operation TEXT NOT NULL,
    resource TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    remote_address TEXT,
    outcome TEXT,
    outcome_at BIGINT,
    detail TEXT
);
CREATE INDEX audit_time ON audit (created_at);
CREATE INDEX audit_open ON audit (outcome, created_at);
