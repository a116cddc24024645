//! An endpoint: a wire backend that reads, and says by name what it does not do.

use std::sync::Arc;

use async_trait::async_trait;
use portolan_model::ClusterId;
use portolan_runtime::Runtime;
use portolan_wire::{
    Account, Backend, Command, CommandContext, CommandError, Identity, Reply, Topology, codes,
};

use crate::{Catalog, commands, returned};

/// MongoDB version whose behaviour the endpoints follow.
const SERVER_VERSION: &str = "7.0.14";

/// What an endpoint shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointMode {
    /// What was moved out of the cluster.
    Archive,
    /// The cluster and what was moved out of it, as one.
    ClusterAndArchive,
}

/// Bounds of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Life of a query, idle time between batches included.
    pub life_ms: u64,
    /// Memory for the identities that the cluster part returned.
    pub identities_bytes: usize,
    /// The same for all queries of the endpoint together.
    pub identities_bytes_together: usize,
    /// Memory of a sort.
    pub sort_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            life_ms: 6 * 60 * 60 * 1_000,
            identities_bytes: 256 * 1024 * 1024,
            identities_bytes_together: 512 * 1024 * 1024,
            sort_bytes: 100 * 1024 * 1024,
        }
    }
}

/// A read-only endpoint of one cluster.
pub struct Endpoint {
    pub(crate) mode: EndpointMode,
    pub(crate) cluster_id: ClusterId,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) runtime: Runtime,
    pub(crate) limits: Limits,
    pub(crate) identities_bytes: returned::Shared,
}

impl Endpoint {
    /// An endpoint as a backend for [`portolan_wire::Server`].
    #[expect(clippy::new_ret_no_self, reason = "an endpoint is only ever used as a backend")]
    pub fn new(
        mode: EndpointMode,
        cluster_id: ClusterId,
        catalog: Arc<dyn Catalog>,
        runtime: Runtime,
    ) -> Arc<dyn Backend> {
        Arc::new(Self::with_limits(mode, cluster_id, catalog, runtime, Limits::default()))
    }

    pub(crate) fn with_limits(
        mode: EndpointMode,
        cluster_id: ClusterId,
        catalog: Arc<dyn Catalog>,
        runtime: Runtime,
        limits: Limits,
    ) -> Self {
        let identities_bytes = returned::Shared::default();
        Self { mode, cluster_id, catalog, runtime, limits, identities_bytes }
    }
}

/// Commands that write or administer: refused by name.
const WRITES: &[&str] = &[
    "insert",
    "update",
    "delete",
    "findAndModify",
    "findandmodify",
    "bulkWrite",
    "create",
    "drop",
    "dropDatabase",
    "createIndexes",
    "dropIndexes",
    "renameCollection",
    "collMod",
    "mapReduce",
    "commitTransaction",
    "abortTransaction",
    "createUser",
    "updateUser",
    "dropUser",
];

#[async_trait]
impl Backend for Endpoint {
    fn identity(&self) -> Identity {
        Identity {
            server_version: SERVER_VERSION.into(),
            topology: Topology::Standalone,
            data_lake: true,
            read_only: true,
            test_commands: false,
        }
    }

    async fn account(&self, database: &str, name: &str) -> Result<Option<Account>, CommandError> {
        Ok(self.catalog.account(database, name).await?)
    }

    async fn run(&self, context: &CommandContext, command: Command) -> Result<Reply, CommandError> {
        if WRITES.contains(&command.name.as_str()) {
            return Err(read_only(&command.name));
        }
        commands::run(self, context, command).await
    }
}

fn read_only(name: &str) -> CommandError {
    let message = format!(
        "{name} is not possible here: this endpoint is read-only; connect to the cluster itself"
    );
    CommandError::new(codes::ILLEGAL_OPERATION, message)
}
