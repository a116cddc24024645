//! The handlers, one file per resource. Each exports its operations as `routes()`, one line per
//! operation, and each handler parses, calls one use case, and converts.

pub(crate) mod access_lists;
pub(crate) mod api_keys;
pub(crate) mod clusters;
pub(crate) mod control_plane;
pub(crate) mod data_federation;
pub(crate) mod database_users;
pub(crate) mod events;
pub(crate) mod link_tokens;
pub(crate) mod live_migrations;
pub(crate) mod migrate;
pub(crate) mod network;
pub(crate) mod online_archives;
pub(crate) mod org_invitations;
pub(crate) mod organization_settings;
pub(crate) mod organizations;
pub(crate) mod own_api;
pub(crate) mod people;
pub(crate) mod previews;
pub(crate) mod project_api_keys;
pub(crate) mod project_invitations;
pub(crate) mod project_limits;
pub(crate) mod project_service_accounts;
pub(crate) mod project_settings;
pub(crate) mod project_teams;
pub(crate) mod project_users;
pub(crate) mod projects;
pub(crate) mod query_logs;
pub(crate) mod rate_limits;
pub(crate) mod service_accounts;
pub(crate) mod system_status;
pub(crate) mod teams;
pub(crate) mod users;
