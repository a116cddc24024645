//! Following other replicas: what they create, delete and archive changes which listeners this process
//! must have open. A process that has its control state for itself is told by `control`.

use std::collections::HashSet;

use portolan_model::ClusterId;
use portolan_store::endpoints::{self, Endpoint, EndpointRole};
use portolan_store::{StoreError, cluster_homes};

use super::{Host, SYSTEM, is_ready};

/// How long another replica's change may go unnoticed.
const PAUSE_MS: u64 = 2_000;

impl Host {
    /// Looks again and again until the instance stops.
    pub(crate) async fn follow(&self) {
        loop {
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                () = self.inner.runtime.sleep_ms(PAUSE_MS) => {}
            }
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "cannot follow the other replicas");
            }
        }
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let clusters = self.stored_clusters().await?;
        let ready: HashSet<ClusterId> =
            clusters.iter().filter(|it| is_ready(it)).map(|it| it.cluster.id).collect();
        let known: HashSet<ClusterId> = clusters.iter().map(|it| it.cluster.id).collect();
        self.close_gone(&known).await;
        for id in self.clusters_to_open(&ready).await? {
            if let Err(error) = self.start_endpoints(id).await {
                tracing::error!(cluster = %id, error = format!("{error:#}"), "no read endpoints");
            }
        }
        self.remove_orphans().await
    }

    async fn close_gone(&self, known: &HashSet<ClusterId>) {
        let open: HashSet<ClusterId> =
            self.inner.endpoints.lock().await.keys().map(|(id, _)| *id).collect();
        for id in open.difference(known) {
            self.stop_endpoints(*id).await;
        }
        self.inner.connections.lock().await.retain(|id, _| known.contains(id));
    }

    /// The ready clusters that were given a read endpoint which is not open here.
    async fn clusters_to_open(
        &self,
        ready: &HashSet<ClusterId>,
    ) -> Result<HashSet<ClusterId>, StoreError> {
        let given: Vec<Endpoint> = self
            .inner
            .store
            .read_tx("host.follow", |tx| Box::pin(endpoints::list_all(tx, &SYSTEM)))
            .await?;
        let open = self.inner.endpoints.lock().await;
        let missing = given.iter().filter(|it| {
            it.role != EndpointRole::Cluster
                && ready.contains(&it.cluster_id)
                && !open.contains_key(&(it.cluster_id, it.role))
        });
        Ok(missing.map(|endpoint| endpoint.cluster_id).collect())
    }

    /// Another replica removed a sandbox cluster whose data lies here.
    async fn remove_orphans(&self) -> Result<(), StoreError> {
        let Some(home) = self.inner.home.clone() else { return Ok(()) };
        let orphans = self
            .inner
            .store
            .read_tx("host.orphans", |tx| {
                let home = &home;
                Box::pin(async move { cluster_homes::list_orphans(tx, &SYSTEM, home).await })
            })
            .await?;
        for id in orphans {
            if let Err(error) = portolan_control::ClusterHost::stop_sandbox(self, id, true).await {
                tracing::error!(cluster = %id, %error, "the data of a sandbox cluster stays");
            }
        }
        Ok(())
    }
}
