//! Control state in SQLite or PostgreSQL: one file per resource.
//!
//! All SQL of Portolan is here, written once for both databases. Each file owns the tables that its
//! header describes and offers functions on a [`Tx`]; [`Store::run_tx`] runs them in a transaction of
//! its own. Functions that touch what belongs to a tenant take an [`portolan_auth::Authorized`] and
//! read the tenant from it; only look-ups that authentication itself needs take none. What is not
//! here: rules (they live in `control`) and the move protocol (`archiver`).
//!
//! Conventions of the tables: ids are TEXT (24 hexadecimal digits), times BIGINT milliseconds since
//! the epoch, booleans BIGINT 0 or 1, lists and objects JSON as TEXT, secrets sealed by the key ring
//! for their table, row and column.

mod catalog;
mod connection;
mod dialect;
mod error;
mod in_memory;
mod memory;
mod migrate;
mod open;
mod page;
mod plans;
mod row;
mod sealed;
mod transactions;
mod tx;
mod value;
mod writers;

pub mod access_lists;
pub mod access_tokens;
pub mod api_keys;
pub mod archives;
pub mod audit;
pub mod backup;
pub mod cluster_homes;
pub mod clusters;
pub mod database_users;
pub mod endpoints;
pub mod events;
pub mod instance;
pub mod invitations;
pub mod jobs;
pub mod leases;
pub mod link_tokens;
pub mod live_links;
pub mod live_validations;
pub mod moves;
pub mod network_entries;
pub mod operations;
pub mod org_delegation;
pub mod organizations;
pub mod principals;
pub mod project_move;
pub mod project_settings;
pub mod project_users;
pub mod projects;
pub mod quarantine;
pub mod query_limits;
pub mod query_log;
pub mod restore_holds;
mod roles;
pub mod runs;
pub mod sample_loads;
pub mod scratch;
pub mod service_accounts;
pub mod teams;
pub mod traces;
pub mod upkeep;
pub mod users;

pub use dialect::Dialect;
pub use error::{ErrorKind, StoreError};
pub use migrate::newest as newest_schema;
pub use open::{KeySource, Store, version_of};
pub use page::{Listed, Page};
pub use roles::Assignment;
pub use row::{FromRow, Row};
pub use sealed::Resealed;
pub use tx::Tx;
pub use value::{ToValue, Value, in_list};

#[cfg(test)]
mod tests;
