//! What the control plane asks of the process that hosts it: run sandbox clusters, dial users' own
//! clusters, keep the read endpoints in step, wake the archiver, dial other instances.
//!
//! The binary implements these traits over `sandbox`, `cluster`, `federation` and `archiver`; the
//! control plane itself opens no socket and knows no table. [`fake`] is the in-memory stand-in for
//! tests.

pub mod fake;

use std::ops::RangeInclusive;

use async_trait::async_trait;
use portolan_api_types::cluster::ServerArgs;
use portolan_api_types::link_token::LinkToken;
use portolan_cluster::{CollectionInfo, Probe};
use portolan_model::{
    Acceptance, ArchiveId, ArchiveStatistics, Cluster, ClusterId, DataProcessRegion, ExpiryPreview,
    FoundTable, Namespace,
};
use portolan_security::SecretString;

/// Why a host could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The cluster refused, or the address policy or the connection string's check did: trying again
    /// does not help.
    #[error("{0}")]
    Refused(String),
    /// The cluster did not answer; it may later.
    #[error("{0}")]
    Unreachable(String),
    /// The host itself failed: a port in use, a full disk.
    #[error("{0}")]
    Failed(String),
}

/// What a sandbox cluster's server obeys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSettings {
    /// Process arguments.
    pub arguments: ServerArgs,
    /// Whether TLS before 1.3 is refused, where the listeners speak TLS.
    pub tls13_only: bool,
}

/// Runs and reaches clusters.
#[async_trait]
pub trait ClusterHost: Send + Sync + 'static {
    /// Starts a sandbox cluster on its port, or lets one that runs obey these settings; whether it was
    /// started.
    ///
    /// # Errors
    /// [`HostError::Failed`] when it cannot be started.
    async fn start_sandbox(
        &self,
        cluster: &Cluster,
        settings: &ServerSettings,
    ) -> Result<bool, HostError>;

    /// Loads the sample documents into a cluster that runs here; harmless to repeat.
    ///
    /// # Errors
    /// [`HostError::Refused`] when other documents are in the way, [`HostError::Unreachable`] and
    /// [`HostError::Failed`] when it may work later.
    async fn load_sample(&self, cluster: &Cluster) -> Result<(), HostError>;

    /// Bytes of a sandbox cluster's data on disk; `None` when this host cannot tell.
    async fn data_bytes(&self, _cluster: ClusterId) -> Option<u64> {
        None
    }

    /// Stops a sandbox cluster, and removes its data for good when `remove_data` is set; idempotent.
    ///
    /// # Errors
    /// [`HostError::Failed`] when its data cannot be removed.
    async fn stop_sandbox(&self, cluster: ClusterId, remove_data: bool) -> Result<(), HostError>;

    /// Dials the cluster behind a connection string and finds out what its deletes can guarantee.
    ///
    /// # Errors
    /// [`HostError`] when the string or an address is refused or nobody answers.
    async fn probe(&self, uri: &SecretString) -> Result<Probe, HostError>;

    /// Finds out what a cluster that is known by now can do; `None` when this host cannot tell.
    ///
    /// # Errors
    /// [`HostError`] when nobody answers.
    async fn probe_cluster(&self, _cluster: &Cluster) -> Result<Option<Probe>, HostError> {
        Ok(None)
    }

    /// What the cluster knows of a collection; `None` when it has none of that name.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] when the cluster does not answer.
    async fn collection(
        &self,
        cluster: &Cluster,
        namespace: &Namespace,
    ) -> Result<Option<CollectionInfo>, HostError>;

    /// The cluster's read endpoints came, went or must forget what they know.
    async fn endpoints_changed(&self, cluster: ClusterId);

    /// The host name that clients dial for sandbox clusters and endpoints.
    fn advertised_host(&self) -> String;

    /// The addresses that this name stands for; none when it does not resolve.
    async fn advertised_addresses(&self) -> Vec<std::net::IpAddr> {
        self.advertised_host().parse().into_iter().collect()
    }

    /// The version that sandbox clusters offer, such as `7.0.14`.
    fn sandbox_version(&self) -> String;

    /// Whether those listeners speak TLS.
    fn listens_with_tls(&self) -> bool;

    /// The ports that sandbox clusters and endpoints may be given.
    fn port_range(&self) -> RangeInclusive<u16>;

    /// Whether a listener could be opened on the port just now.
    async fn port_is_free(&self, port: u16) -> bool;
}

/// Knows where archives are stored and who moves their documents.
#[async_trait]
pub trait ArchiveHost: Send + Sync + 'static {
    /// There is new work: the archiver looks for it at once.
    async fn wake(&self);

    /// The URI of the table of a new archive, from the storage location that serves the region. It is
    /// fixed at creation and never derived again.
    ///
    /// # Errors
    /// [`HostError::Refused`] when no location serves the region.
    fn table_uri(
        &self,
        archive: ArchiveId,
        region: &DataProcessRegion,
    ) -> Result<String, HostError>;

    /// Writes hold and expiration rule of an archive into its table, as the control state has them
    /// now; without a table there is nothing to write.
    ///
    /// # Errors
    /// [`HostError::Failed`] when the table could not be written.
    async fn write_rules(&self, archive: ArchiveId) -> Result<(), HostError>;

    /// What of an archive would expire: by its own rule, or by one of `days`.
    ///
    /// # Errors
    /// [`HostError::Failed`] when the table could not be read.
    async fn preview_expiry(
        &self,
        archive: ArchiveId,
        days: Option<i32>,
    ) -> Result<ExpiryPreview, HostError>;

    /// What the table behind a URI tells of its archive.
    ///
    /// # Errors
    /// [`HostError::Refused`] when there is none, [`HostError::Failed`] when it could not be read.
    async fn find_table(&self, uri: &str) -> Result<FoundTable, HostError>;

    /// Looks again for what suspended an archive, and makes so what its operator accepts.
    ///
    /// # Errors
    /// [`HostError::Refused`] naming what he does not accept, [`HostError::Unreachable`] while somebody works
    /// on its collection, [`HostError::Failed`].
    async fn resume(&self, archive: ArchiveId, accepted: &Acceptance) -> Result<(), HostError>;

    /// Writes into an archive's table which collection it belongs to from now on; its UUID, and whether it
    /// is another one than before, which `other` must say.
    ///
    /// # Errors
    /// [`HostError::Refused`] for a collection that it cannot be, [`HostError::Unreachable`] while somebody
    /// works on it, [`HostError::Failed`].
    async fn reattach(
        &self,
        archive: ArchiveId,
        to: &Namespace,
        other: bool,
    ) -> Result<(Option<[u8; 16]>, bool), HostError>;

    /// How long the files of a deleted archive stay; `None`: nobody here removes them.
    fn deleted_grace_ms(&self) -> Option<i64>;

    /// Makes the table behind a URI that of this installation.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] while somebody works on its collection, [`HostError::Failed`].
    async fn take_table(&self, cluster: ClusterId, uri: &str) -> Result<(), HostError>;

    /// What an archive holds, from its table.
    ///
    /// # Errors
    /// [`HostError::Failed`] when the table could not be read.
    async fn statistics(&self, archive: ArchiveId) -> Result<ArchiveStatistics, HostError>;
}

/// What is asked of another instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkCall {
    /// PUT with this JSON.
    Put(String),
    /// DELETE.
    Delete,
}

impl LinkCall {
    /// The HTTP method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Put(_) => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What another instance answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body, or its beginning.
    pub body: String,
}

/// Dials other instances: the ones that link tokens name, and hosts that run migrations. Addresses are
/// judged like those of clusters.
#[async_trait]
pub trait LinkHost: Send + Sync + 'static {
    /// Calls the instance that made the token, with the token's key.
    ///
    /// # Errors
    /// [`HostError::Refused`] when the address is not allowed, [`HostError::Unreachable`] when nobody
    /// answers.
    async fn call(
        &self,
        link: &LinkToken,
        call: LinkCall,
        path: &str,
    ) -> Result<LinkAnswer, HostError>;

    /// Whether somebody listens at `host:port`.
    ///
    /// # Errors
    /// As [`LinkHost::call`].
    async fn reach(&self, host: &str) -> Result<(), HostError>;
}
