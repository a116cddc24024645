//! What the archiver asks of the process that hosts it.

use std::sync::Arc;

use async_trait::async_trait;
use portolan_cluster::{Cluster, ClusterError};
use portolan_lake::{LakeError, Location};
use portolan_model::ClusterId;

/// The way to clusters and storage.
#[async_trait]
pub trait Outside: Send + Sync + 'static {
    /// The live cluster of that id, dialled if need be.
    async fn cluster(&self, id: ClusterId) -> Result<Arc<dyn Cluster>, ClusterError>;

    /// Whether the cluster is paused: its archives wait, and nothing is wrong.
    async fn is_paused(&self, _id: ClusterId) -> bool {
        false
    }

    /// The storage location that holds the table behind a URI.
    ///
    /// # Errors
    /// [`LakeError::Invalid`] when no location holds it.
    fn location(&self, table_uri: &str) -> Result<Location, LakeError>;

    /// Whether this process can work on archives of that cluster in that table. One that cannot leaves
    /// them to the replica that can, without counting a failure.
    async fn reaches(&self, _cluster: ClusterId, _table_uri: &str) -> bool {
        true
    }
}
