//! The use cases, one file per resource.
//!
//! Each checks the caller against the policy table, the limits, and the state of what it changes,
//! and writes the change, its event and the outcome of its audit row in one transaction. What is not
//! here: HTTP (`admin-api` parses and converts) and SQL (`store`).

mod access;
mod access_lists;
mod addresses;
mod api_keys;
mod bootstrap;
mod caller;
mod clusters;
mod data_federation;
mod database_users;
mod error;
mod events;
mod hosts;
mod link_tokens;
mod live_exports;
mod live_migrations;
mod members;
mod migrate;
mod network;
mod online_archives;
mod org_delegation;
mod org_invitations;
mod org_settings;
mod organizations;
mod paging;
mod people;
mod place;
mod previews;
mod project_api_keys;
mod project_delete;
mod project_invitations;
mod project_limits;
mod project_service_accounts;
mod project_settings;
mod project_teams;
mod project_users;
mod projects;
mod query_logs;
mod service_accounts;
mod sessions;
mod team_members;
mod teams;
mod trail;
mod users;

use std::sync::Arc;

use portolan_model::Limits;
use portolan_runtime::Runtime;
use portolan_store::Store;

pub use addresses::ClusterAddresses;
pub use api_keys::NewKey;
pub use bootstrap::{Bootstrapped, Founding};
pub use caller::Caller;
pub use clusters::{FoundCluster, ProjectClusters, Turns, server_settings};
pub use data_federation::{FoundQueryLimit, FoundTenant};
pub use error::ControlError;
pub use events::EventQuery;
pub use hosts::*;
pub use network::APPLIED_MS;
pub use online_archives::ArchiveDetails;
pub use org_invitations::{InviteKey, OrgInvite};
pub use organizations::CreatedOrg;
pub use people::Person;
pub use place::Place;
pub use previews::{DeletePreview, MovePreview};
pub use project_invitations::ProjectInvite;
pub use project_limits::FoundLimit;
pub use project_users::FoundProjectUser;
pub use projects::FoundProject;
pub use query_logs::{LogOwner, LogWindow, QueryLogReader};
pub use service_accounts::{MadeSecret, NewAccount};
pub use sessions::{Admitted, CredentialUse, IssuedToken, Login, RecordedUse};
pub use users::{RoleChange, UserQuery};

/// What every use case needs. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    /// The control state.
    pub store: Store,
    /// Time, randomness, ids.
    pub runtime: Runtime,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// Starts, stops and probes clusters.
    pub clusters: Arc<dyn ClusterHost>,
    /// Makes and removes the tables of archives, and wakes the archiver.
    pub archives: Arc<dyn ArchiveHost>,
    /// Dials other instances.
    pub links: Arc<dyn LinkHost>,
    /// The address under which clients reach the API, without a trailing slash.
    pub public_url: Arc<str>,
    /// One change of a cluster at a time.
    pub turns: Turns,
}
