//! The wire shapes of the Admin API: bodies, the error body and its codes, paging, links and dated
//! media types, with conversions to and from `model`.
//!
//! What is not here: routing, SQL, decisions. Requests are read through [`fields::Fields`], which
//! refuses what it does not know by name; answers are `serde_json` values whose keys the admin API
//! sorts when it writes them.

pub mod access_list;
pub mod api_key;
pub mod cluster;
pub mod control_plane;
pub mod data_federation;
pub mod database_user;
pub mod description;
pub mod error;
pub mod event;
pub mod explain;
pub mod fields;
pub mod flex;
pub mod invitation;
mod json;
pub mod link_token;
pub mod links;
pub mod live_migration;
pub mod names;
pub mod network;
pub mod online_archive;
pub mod operators;
pub mod org_delegation;
pub mod org_settings;
pub mod organization;
pub mod own_api;
pub mod paging;
pub mod person;
pub mod preview;
pub mod private_endpoint;
pub mod project;
pub mod project_limit;
pub mod project_settings;
pub mod sample_dataset;
pub mod service_account;
pub mod system_status;
pub mod tags;
pub mod team;
pub mod time;
pub mod user;
pub mod version;

pub use error::{ErrorCode, ErrorKind, FieldViolation, Problem};
pub use fields::{Fields, check_unwanted};
pub use links::Link;
pub use paging::{Page, Paging};
pub use version::{MediaType, VersionDate};

#[cfg(test)]
mod tests;
