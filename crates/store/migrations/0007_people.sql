-- People: invitations into organizations and projects, and teams. The headers of the files in src/
-- describe the tables.

ALTER TABLE users ADD COLUMN mobile_number TEXT;
ALTER TABLE org_members ADD COLUMN invitation_id TEXT;
ALTER TABLE org_members ADD COLUMN invited_through TEXT;
UPDATE org_members SET invitation_id = user_id WHERE status = 'PENDING';
CREATE INDEX org_members_invitation ON org_members (invitation_id);

CREATE TABLE project_invitations (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    roles TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    inviter_username TEXT NOT NULL,
    UNIQUE (project_id, user_id)
);
CREATE INDEX project_invitations_user ON project_invitations (user_id);

CREATE TABLE teams (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE team_members (
    team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);

CREATE TABLE team_roles (
    team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (team_id, project_id, role)
);
CREATE INDEX team_roles_project ON team_roles (project_id);
