//! Tests of the API over its router, in process: real store, real credentials, hosts in memory. The
//! files mirror the paths of the API.

mod access_lists;
mod access_matrix;
mod credentials;
mod declared;
mod events;
mod groups;
mod groups_access_list;
mod groups_clusters;
mod groups_clusters_online_archives;
mod groups_data_federation;
mod groups_database_users;
mod groups_limits;
mod groups_migrate;
mod groups_query_logs;
mod groups_service_accounts;
mod groups_settings;
mod hostile;
mod live_migrations;
mod oauth;
mod openapi;
mod orgs;
mod orgs_api_keys;
mod orgs_link_tokens;
mod orgs_service_accounts;
mod orgs_users;
mod paths;
mod plain;
mod portolan_groups_clusters;
mod protocol;
mod rate_limits;
mod world;
