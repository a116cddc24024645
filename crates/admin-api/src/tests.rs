//! Tests of the API over its router, in process: real store, real credentials, hosts in memory. The
//! files mirror the paths of the API.

mod access_matrix;
mod groups;
mod groups_migrate;
mod oauth;
mod orgs;
mod orgs_api_keys;
mod orgs_service_accounts;
mod orgs_users;
mod plain;
mod protocol;
mod world;
