//! Bringing clusters to what is wanted of them, beside the requests that asked for it: start, stop,
//! restart, other settings, removal.
//!
//! What is wanted stands in the store; a cluster is CREATING, UPDATING or DELETING until it is so.
//! [`Control::resume_clusters`] therefore finds after a restart what was cut off.

use portolan_api_types::cluster::{ServerArgs, minimum_tls};
use portolan_auth::Actor;
use portolan_model::{Cluster, ClusterId, ClusterKind, ClusterState, ServerVersion};
use portolan_store::clusters::{self, ProbedFacts, StoredCluster};
use portolan_store::events::{self, EventScope, NewEvent};
use portolan_store::{StoreError, Tx, archives, endpoints, jobs};

use super::SYSTEM;
use crate::{Control, ControlError, HostError, ServerSettings};

const BACKOFF_FIRST_MS: u64 = 500;
const BACKOFF_MAX_MS: u64 = 60_000;

/// How a sandbox cluster's server is to be run.
#[must_use]
pub fn server_settings(stored: &StoredCluster) -> ServerSettings {
    ServerSettings {
        arguments: ServerArgs::of(&stored.life.process_args_json),
        tls13_only: minimum_tls(&stored.settings_json) == "TLS1_3",
    }
}

/// What running a cluster as wanted came to.
#[derive(Default)]
struct Outcome {
    /// What a probe found out.
    facts: Option<ProbedFacts>,
    /// It did not run before.
    started: bool,
}

impl Control {
    /// Goes on with changes, deletions and loads that the end of the process cut off.
    ///
    /// # Errors
    /// The store's.
    pub async fn resume_clusters(&self) -> Result<(), ControlError> {
        let all = self
            .store
            .read_tx("control.clusters.resume", |tx| Box::pin(clusters::list_all(tx, &SYSTEM)))
            .await
            .map_err(|error: StoreError| error)?;
        for stored in all {
            if stored.cluster.state != ClusterState::Idle {
                self.settle(stored.cluster.id);
            }
        }
        self.resume_sample_loads().await
    }

    /// Brings a cluster to what is wanted of it in the background, as often as it takes.
    pub(crate) fn settle(&self, id: ClusterId) {
        let control = self.clone();
        self.runtime.spawn("cluster.settle", async move {
            let mut wait_ms = BACKOFF_FIRST_MS;
            loop {
                match control.settle_once(id).await {
                    Ok(true) => return,
                    // Something else was asked for meanwhile.
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(cluster = %id, %error, "the cluster is not as wanted yet");
                        control.runtime.sleep_ms(wait_ms).await;
                        wait_ms = (wait_ms * 2).min(BACKOFF_MAX_MS);
                    }
                }
            }
        });
    }

    /// Whether there is nothing left to do.
    async fn settle_once(&self, id: ClusterId) -> Result<bool, ControlError> {
        let _turn = self.turns.of(id).await;
        let Some(stored) = self.stored_cluster(id).await? else { return Ok(true) };
        match stored.cluster.state {
            ClusterState::Idle => Ok(true),
            ClusterState::Deleting => self.take_down(&stored.cluster).await.map(|()| true),
            ClusterState::Creating | ClusterState::Updating => self.carry_out(&stored).await,
        }
    }

    pub(super) async fn stored_cluster(
        &self,
        id: ClusterId,
    ) -> Result<Option<StoredCluster>, ControlError> {
        let found: Result<_, StoreError> = self
            .store
            .read_tx("control.clusters.stored", |tx| Box::pin(clusters::fetch(tx, &SYSTEM, id)))
            .await;
        Ok(found?)
    }

    async fn carry_out(&self, stored: &StoredCluster) -> Result<bool, ControlError> {
        let outcome = match stored.cluster.kind {
            ClusterKind::Sandbox { .. } => {
                self.run_as_wanted(stored).await.map_err(ControlError::internal)?
            }
            // Of an attached cluster only what is written down changes.
            ClusterKind::Attached(_) => Outcome::default(),
        };
        let (settled, outcome) = (stored, &outcome);
        let done = self
            .store
            .run_tx("control.clusters.settled", |tx| {
                Box::pin(async move { write_settled(tx, settled, outcome).await })
            })
            .await?;
        if done && outcome.started {
            self.archives.wake().await;
        }
        Ok(done)
    }

    async fn run_as_wanted(&self, stored: &StoredCluster) -> Result<Outcome, HostError> {
        let cluster = &stored.cluster;
        if stored.life.paused {
            self.clusters.stop_sandbox(cluster.id, false).await?;
            return Ok(Outcome::default());
        }
        if stored.life.restart_wanted {
            self.clusters.stop_sandbox(cluster.id, false).await?;
        }
        let started = self.clusters.start_sandbox(cluster, &server_settings(stored)).await?;
        let unknown = cluster.version.is_none();
        let facts = if started || unknown { self.facts_of(cluster).await? } else { None };
        Ok(Outcome { facts, started })
    }

    async fn facts_of(&self, cluster: &Cluster) -> Result<Option<ProbedFacts>, HostError> {
        let probe = self.clusters.probe_cluster(cluster).await?;
        Ok(probe.map(|probe| ProbedFacts {
            version: ServerVersion(probe.version),
            level: probe.level,
            level_reasons: probe.reasons,
            time_series: probe.time_series,
        }))
    }

    /// Stops a cluster and removes what is left of it.
    async fn take_down(&self, cluster: &Cluster) -> Result<(), ControlError> {
        let is_sandbox = matches!(cluster.kind, ClusterKind::Sandbox { .. });
        let stopped = self.clusters.stop_sandbox(cluster.id, is_sandbox).await;
        stopped.map_err(ControlError::internal)?;
        self.store
            .run_tx("control.clusters.removed", |tx| {
                Box::pin(async move {
                    clusters::remove(tx, &SYSTEM, cluster.id).await?;
                    endpoints::release(tx, &SYSTEM, cluster.id).await?;
                    note_done(tx, cluster, "CLUSTER_DELETED").await?;
                    Ok::<_, ControlError>(())
                })
            })
            .await?;
        self.turns.forget(cluster.id);
        self.clusters.endpoints_changed(cluster.id).await;
        Ok(())
    }
}

/// IDLE, what was found out, the event, and archives that waited; unless something else was asked for.
async fn write_settled(
    tx: &mut Tx<'_>,
    stored: &StoredCluster,
    outcome: &Outcome,
) -> Result<bool, ControlError> {
    let cluster = &stored.cluster;
    if let Some(facts) = &outcome.facts {
        clusters::set_facts(tx, &SYSTEM, cluster.id, facts).await?;
    }
    if !clusters::settle(tx, &SYSTEM, cluster.id, stored.life.change).await? {
        return Ok(false);
    }
    let created = cluster.state == ClusterState::Creating;
    let event = if created { "CLUSTER_READY" } else { "CLUSTER_UPDATE_COMPLETED" };
    note_done(tx, cluster, event).await?;
    if outcome.started {
        for waiting in archives::work::list_of_cluster(tx, &SYSTEM, cluster.id).await? {
            jobs::wake(tx, waiting.archive.id).await?;
        }
    }
    Ok(true)
}

/// Records what Portolan itself finished.
async fn note_done(
    tx: &mut Tx<'_>,
    cluster: &Cluster,
    type_name: &'static str,
) -> Result<(), StoreError> {
    let target = [("clusterId", cluster.id.to_string()), ("clusterName", cluster.name.clone())];
    let event = NewEvent {
        type_name,
        scope: EventScope::Project(cluster.project_id),
        actor: &Actor::System { reason: "clusters" },
        remote_address: None,
        target: &target,
    };
    events::insert(tx, &event).await?;
    Ok(())
}
