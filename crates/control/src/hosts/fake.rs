//! Hosts that keep everything in memory, for tests of the control plane and of the HTTP surface.
//! Nothing listens; what was asked is recorded. Nobody is linked unless a test says to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portolan_api_types::link_token::LinkToken;
use portolan_cluster::{CollectionInfo, Probe};
use portolan_model::{
    Acceptance, ArchiveId, ArchiveStatistics, Cluster, ClusterId, DataProcessRegion, ExpiryPreview,
    FoundTable, GuardLevel, Namespace, SuspendReason,
};
use portolan_security::SecretString;

use super::{ArchiveHost, ClusterHost, HostError, LinkAnswer, LinkCall, LinkHost, ServerSettings};

/// All hosts in one.
pub struct FakeHost {
    state: Mutex<State>,
    linked: Mutex<Option<Arc<dyn LinkHost>>>,
    ports: RangeInclusive<u16>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<ClusterId, u16>,
    starts: BTreeMap<ClusterId, u64>,
    settings: BTreeMap<ClusterId, ServerSettings>,
    samples: BTreeMap<ClusterId, u64>,
    sample: Option<HostError>,
    removed: BTreeSet<ClusterId>,
    collections: BTreeMap<Namespace, CollectionInfo>,
    busy_ports: BTreeSet<u16>,
    probe: Option<Result<Probe, HostError>>,
    start_fails: bool,
    wakes: u64,
    endpoint_changes: u64,
    rules_written: BTreeMap<ArchiveId, u64>,
    tables_fail: bool,
    wrong: Option<(SuspendReason, &'static str)>,
    tables: BTreeMap<String, FoundTable>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::with_ports(47_100..=47_299)
    }
}

impl FakeHost {
    /// A host with these ports to give.
    #[must_use]
    pub fn with_ports(ports: RangeInclusive<u16>) -> Self {
        Self { state: Mutex::default(), linked: Mutex::default(), ports }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who answers for other instances.
    pub fn link_to(&self, other: Arc<dyn LinkHost>) {
        *self.linked.lock().unwrap_or_else(PoisonError::into_inner) = Some(other);
    }

    fn linked(&self) -> Result<Arc<dyn LinkHost>, HostError> {
        let linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        linked.clone().ok_or_else(|| HostError::Unreachable("nobody is linked".to_owned()))
    }

    /// What the next probes answer.
    pub fn answer_probe(&self, answer: Result<Probe, HostError>) {
        self.state().probe = Some(answer);
    }

    /// Lets starting a sandbox cluster fail.
    pub fn fail_starts(&self, fails: bool) {
        self.state().start_fails = fails;
    }

    /// How often a cluster was started.
    #[must_use]
    pub fn starts(&self, cluster: ClusterId) -> u64 {
        self.state().starts.get(&cluster).copied().unwrap_or(0)
    }

    /// What a cluster's server was told last.
    #[must_use]
    pub fn settings(&self, cluster: ClusterId) -> Option<ServerSettings> {
        self.state().settings.get(&cluster).cloned()
    }

    /// Lets loads of sample data fail; `None` lets them work.
    pub fn answer_sample(&self, answer: Option<HostError>) {
        self.state().sample = answer;
    }

    /// How often sample data was loaded into a cluster.
    #[must_use]
    pub fn samples(&self, cluster: ClusterId) -> u64 {
        self.state().samples.get(&cluster).copied().unwrap_or(0)
    }

    /// Lets a table lie behind a URI.
    pub fn put_table(&self, uri: &str, found: FoundTable) {
        self.state().tables.insert(uri.to_owned(), found);
    }

    /// Lets writing to the tables of archives fail.
    pub fn fail_tables(&self, fails: bool) {
        self.state().tables_fail = fails;
    }

    /// What is found when an archive is to be resumed.
    pub fn find_wrong(&self, reason: SuspendReason, detail: &'static str) {
        self.state().wrong = Some((reason, detail));
    }

    /// How often the rules of an archive were written to its table.
    #[must_use]
    pub fn rules_written(&self, archive: ArchiveId) -> u64 {
        self.state().rules_written.get(&archive).copied().unwrap_or_default()
    }

    /// A collection that every cluster has.
    pub fn add_collection(&self, namespace: Namespace, info: CollectionInfo) {
        self.state().collections.insert(namespace, info);
    }

    /// A port that somebody else listens on.
    pub fn occupy_port(&self, port: u16) {
        self.state().busy_ports.insert(port);
    }

    /// Sandbox clusters that run, with their ports.
    #[must_use]
    pub fn running(&self) -> BTreeMap<ClusterId, u16> {
        self.state().running.clone()
    }

    /// Whether a cluster's data was removed.
    #[must_use]
    pub fn was_removed(&self, cluster: ClusterId) -> bool {
        self.state().removed.contains(&cluster)
    }

    /// How often the archiver was woken.
    #[must_use]
    pub fn wakes(&self) -> u64 {
        self.state().wakes
    }

    /// How often endpoints were told to look again.
    #[must_use]
    pub fn endpoint_changes(&self) -> u64 {
        self.state().endpoint_changes
    }
}

/// What a sandbox cluster would answer to a probe.
#[must_use]
pub fn sandbox_probe() -> Probe {
    Probe {
        version: "7.0.0".to_owned(),
        product: None,
        level: GuardLevel::L1,
        reasons: vec!["no transactions".to_owned()],
        sharded: false,
        time_series: false,
        transactions: false,
        collection_uuid: true,
        denied: false,
    }
}

#[async_trait]
impl ClusterHost for FakeHost {
    async fn start_sandbox(
        &self,
        cluster: &Cluster,
        settings: &ServerSettings,
    ) -> Result<bool, HostError> {
        let mut state = self.state();
        if state.start_fails {
            return Err(HostError::Failed("the disk is full".to_owned()));
        }
        let portolan_model::ClusterKind::Sandbox { port } = cluster.kind else { return Ok(false) };
        state.settings.insert(cluster.id, settings.clone());
        let started = state.running.insert(cluster.id, port).is_none();
        if started {
            *state.starts.entry(cluster.id).or_default() += 1;
        }
        Ok(started)
    }

    async fn load_sample(&self, cluster: &Cluster) -> Result<(), HostError> {
        let mut state = self.state();
        if let Some(error) = &state.sample {
            return Err(error.clone());
        }
        *state.samples.entry(cluster.id).or_default() += 1;
        Ok(())
    }

    async fn stop_sandbox(&self, cluster: ClusterId, remove_data: bool) -> Result<(), HostError> {
        let mut state = self.state();
        state.running.remove(&cluster);
        if remove_data {
            state.removed.insert(cluster);
        }
        Ok(())
    }

    async fn probe(&self, _uri: &SecretString) -> Result<Probe, HostError> {
        self.state().probe.clone().unwrap_or_else(|| Ok(sandbox_probe()))
    }

    async fn probe_cluster(&self, _cluster: &Cluster) -> Result<Option<Probe>, HostError> {
        Ok(Some(sandbox_probe()))
    }

    async fn collection(
        &self,
        _cluster: &Cluster,
        namespace: &Namespace,
    ) -> Result<Option<CollectionInfo>, HostError> {
        Ok(self.state().collections.get(namespace).cloned())
    }

    async fn endpoints_changed(&self, _cluster: ClusterId) {
        self.state().endpoint_changes += 1;
    }

    fn advertised_host(&self) -> String {
        "localhost".to_owned()
    }

    async fn advertised_addresses(&self) -> Vec<std::net::IpAddr> {
        vec![std::net::Ipv4Addr::LOCALHOST.into()]
    }

    fn sandbox_version(&self) -> String {
        "7.0.14".to_owned()
    }

    fn listens_with_tls(&self) -> bool {
        false
    }

    fn port_range(&self) -> RangeInclusive<u16> {
        self.ports.clone()
    }

    async fn port_is_free(&self, port: u16) -> bool {
        !self.state().busy_ports.contains(&port)
    }
}

#[async_trait]
impl ArchiveHost for FakeHost {
    async fn wake(&self) {
        self.state().wakes += 1;
    }

    fn table_uri(
        &self,
        archive: ArchiveId,
        region: &DataProcessRegion,
    ) -> Result<String, HostError> {
        if region.provider == portolan_model::CloudProvider::Gcp {
            return Err(HostError::Refused(format!(
                "no storage location serves {}",
                region.region
            )));
        }
        Ok(format!("memory:///archives/{archive}"))
    }

    async fn write_rules(&self, archive: ArchiveId) -> Result<(), HostError> {
        let mut state = self.state();
        if state.tables_fail {
            return Err(HostError::Failed("the storage is full".to_owned()));
        }
        *state.rules_written.entry(archive).or_default() += 1;
        Ok(())
    }

    async fn preview_expiry(
        &self,
        _archive: ArchiveId,
        _days: Option<i32>,
    ) -> Result<ExpiryPreview, HostError> {
        Ok(ExpiryPreview::default())
    }

    async fn find_table(&self, uri: &str) -> Result<FoundTable, HostError> {
        let found = self.state().tables.get(uri).cloned();
        found.ok_or_else(|| HostError::Refused(format!("there is no archive's table at {uri}")))
    }

    async fn resume(&self, _archive: ArchiveId, accepted: &Acceptance) -> Result<(), HostError> {
        let wrong = self.state().wrong;
        match wrong {
            Some((reason, detail)) if !accepted.covers(reason, GuardLevel::L2) => {
                Err(HostError::Refused(format!("{}: {detail}", reason.as_str())))
            }
            _ => Ok(()),
        }
    }

    async fn reattach(
        &self,
        _archive: ArchiveId,
        to: &Namespace,
        other: bool,
    ) -> Result<(Option<[u8; 16]>, bool), HostError> {
        let found = self.state().collections.get(to).cloned();
        let none = || HostError::Refused(format!("the cluster has no collection {to}"));
        Ok((found.ok_or_else(none)?.uuid, other))
    }

    fn deleted_grace_ms(&self) -> Option<i64> {
        Some(432_000_000)
    }

    async fn take_table(&self, _cluster: ClusterId, uri: &str) -> Result<(), HostError> {
        if let Some(found) = self.state().tables.get_mut(uri) {
            found.ours = true;
        }
        Ok(())
    }

    async fn statistics(&self, _archive: ArchiveId) -> Result<ArchiveStatistics, HostError> {
        Ok(ArchiveStatistics::default())
    }
}

#[async_trait]
impl LinkHost for FakeHost {
    async fn call(
        &self,
        link: &LinkToken,
        call: LinkCall,
        path: &str,
    ) -> Result<LinkAnswer, HostError> {
        self.linked()?.call(link, call, path).await
    }

    async fn reach(&self, host: &str) -> Result<(), HostError> {
        self.linked()?.reach(host).await
    }
}
