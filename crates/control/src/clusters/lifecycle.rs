//! Starting and stopping clusters, beside the requests that asked for it.
//!
//! Both go on after a restart: [`Control::resume_clusters`] finds what was cut off by its state.

use portolan_model::{Cluster, ClusterKind, ClusterState, ServerVersion};
use portolan_store::clusters::{self, ProbedFacts};
use portolan_store::endpoints;

use super::SYSTEM;
use crate::{Control, ControlError, HostError};

const BACKOFF_FIRST_MS: u64 = 500;
const BACKOFF_MAX_MS: u64 = 60_000;

impl Control {
    /// Finishes creations and deletions that the end of the process cut off.
    ///
    /// # Errors
    /// The store's.
    pub async fn resume_clusters(&self) -> Result<(), ControlError> {
        let all = self
            .store
            .read_tx("control.clusters.resume", |tx| Box::pin(clusters::list_all(tx, &SYSTEM)))
            .await?;
        for stored in all {
            match stored.cluster.state {
                ClusterState::Creating => self.bring_up(stored.cluster),
                ClusterState::Deleting => self.take_down(stored.cluster),
                ClusterState::Idle | ClusterState::Updating => {}
            }
        }
        Ok(())
    }

    /// Starts a sandbox cluster in the background, as often as it takes.
    pub(crate) fn bring_up(&self, cluster: Cluster) {
        let control = self.clone();
        self.runtime.spawn("cluster.start", async move {
            let mut wait_ms = BACKOFF_FIRST_MS;
            while let Err(error) = control.start_once(&cluster).await {
                tracing::warn!(cluster = %cluster.id, %error, "the cluster did not start");
                if !control.is_still(&cluster, ClusterState::Creating).await {
                    return;
                }
                control.runtime.sleep_ms(wait_ms).await;
                wait_ms = (wait_ms * 2).min(BACKOFF_MAX_MS);
            }
        });
    }

    async fn start_once(&self, cluster: &Cluster) -> Result<(), ControlError> {
        self.clusters.start_sandbox(cluster).await.map_err(ControlError::internal)?;
        let facts = self.facts_of(cluster).await.map_err(ControlError::internal)?;
        let facts = &facts;
        let state = self
            .store
            .run_tx("control.clusters.started", |tx| {
                Box::pin(async move {
                    let current = clusters::fetch(tx, &SYSTEM, cluster.id).await?;
                    let state = current.map(|stored| stored.cluster.state);
                    if state != Some(ClusterState::Creating) {
                        return Ok(state);
                    }
                    if let Some(facts) = facts {
                        clusters::set_facts(tx, &SYSTEM, cluster.id, facts).await?;
                    }
                    clusters::set_state(tx, &SYSTEM, cluster.id, ClusterState::Idle).await?;
                    Ok::<_, ControlError>(Some(ClusterState::Idle))
                })
            })
            .await?;
        if matches!(state, None | Some(ClusterState::Deleting)) {
            // Deleted meanwhile, and perhaps stopped before it was started here.
            self.clusters.stop_sandbox(cluster.id, true).await.map_err(ControlError::internal)?;
        }
        Ok(())
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

    async fn is_still(&self, cluster: &Cluster, state: ClusterState) -> bool {
        let id = cluster.id;
        let found = self
            .store
            .read_tx("control.clusters.state", |tx| Box::pin(clusters::fetch(tx, &SYSTEM, id)))
            .await;
        // When the store does not answer, nothing is known: go on.
        found.map_or(true, |found| found.is_some_and(|stored| stored.cluster.state == state))
    }

    /// Stops a cluster and removes what is left of it, in the background, as often as it takes.
    pub(crate) fn take_down(&self, cluster: Cluster) {
        let control = self.clone();
        self.runtime.spawn("cluster.stop", async move {
            let mut wait_ms = BACKOFF_FIRST_MS;
            while let Err(error) = control.stop_once(&cluster).await {
                tracing::warn!(cluster = %cluster.id, %error, "the cluster was not removed");
                if !control.is_still(&cluster, ClusterState::Deleting).await {
                    return;
                }
                control.runtime.sleep_ms(wait_ms).await;
                wait_ms = (wait_ms * 2).min(BACKOFF_MAX_MS);
            }
        });
    }

    async fn stop_once(&self, cluster: &Cluster) -> Result<(), ControlError> {
        let is_sandbox = matches!(cluster.kind, ClusterKind::Sandbox { .. });
        let stopped = self.clusters.stop_sandbox(cluster.id, is_sandbox).await;
        stopped.map_err(ControlError::internal)?;
        self.store
            .run_tx("control.clusters.removed", |tx| {
                Box::pin(async move {
                    clusters::remove(tx, &SYSTEM, cluster.id).await?;
                    endpoints::release(tx, &SYSTEM, cluster.id).await?;
                    Ok::<_, ControlError>(())
                })
            })
            .await?;
        self.clusters.endpoints_changed(cluster.id).await;
        Ok(())
    }
}
