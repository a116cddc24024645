//! Loading sample data into sandbox clusters: written down first, done in the background, taken up again
//! after a restart.

use portolan_api_types::Problem;
use portolan_auth::Action;
use portolan_model::{ClusterState, JobId, ProjectId};
use portolan_store::StoreError;
use portolan_store::sample_loads::{self, SampleLoad, SampleLoadState};

use super::update::{refuse_attached, refuse_paused};
use super::{SYSTEM, cluster_in, note, refuse_deleting};
use crate::access::project_in;
use crate::{Caller, Control, ControlError, HostError};

const WAIT_MS: u64 = 500;
/// Tries of one load while the cluster does not answer.
const TRIES_MAX: u32 = 20;

impl Control {
    /// Asks for sample data in a cluster.
    ///
    /// # Errors
    /// `FEATURE_UNSUPPORTED` for an attached cluster, `CANNOT_UPDATE_PAUSED_CLUSTER`,
    /// `CLUSTER_ALREADY_REQUESTED_DELETION`, `CLUSTER_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn request_sample_load(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
    ) -> Result<SampleLoad, ControlError> {
        let (id, now_ms) = (JobId::new(self.runtime.object_id()), self.runtime.now_ms());
        let load = self
            .store
            .run_tx("control.sample_loads.request", |tx| {
                Box::pin(async move {
                    let action = Action::ClusterAdminister;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let stored = cluster_in(tx, &witness, cluster_name).await?;
                    refuse_attached(&stored, "loading sample data into attached clusters")?;
                    refuse_deleting(&stored)?;
                    refuse_paused(&stored)?;
                    let load = SampleLoad {
                        id,
                        cluster_id: stored.cluster.id,
                        cluster_name: stored.cluster.name.clone(),
                        state: SampleLoadState::Working,
                        error: None,
                        created_at: now_ms,
                        ended_at: None,
                    };
                    sample_loads::insert(tx, &witness, &load).await?;
                    note(tx, caller, &stored.cluster, "SAMPLE_DATASET_LOAD_REQUESTED").await?;
                    Ok::<_, ControlError>(load)
                })
            })
            .await?;
        self.load_sample(load.clone());
        Ok(load)
    }

    /// How far a load is.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn get_sample_load(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: JobId,
    ) -> Result<SampleLoad, ControlError> {
        self.store
            .read_tx("control.sample_loads.get", |tx| {
                Box::pin(async move {
                    let action = Action::ClusterAdminister;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let found = sample_loads::fetch(tx, &witness, id).await?;
                    let what = || format!("Sample dataset load with id {id}");
                    found.ok_or_else(|| Problem::resource_not_found(what()).into())
                })
            })
            .await
    }

    /// Goes on with loads that the end of the process cut off.
    pub(super) async fn resume_sample_loads(&self) -> Result<(), ControlError> {
        let open: Result<_, StoreError> = self
            .store
            .read_tx("control.sample_loads.open", |tx| Box::pin(sample_loads::working(tx, &SYSTEM)))
            .await;
        for load in open? {
            self.load_sample(load);
        }
        Ok(())
    }

    fn load_sample(&self, load: SampleLoad) {
        let control = self.clone();
        self.runtime.spawn("cluster.sample", async move {
            let mut tries = 0;
            loop {
                let ended = match control.load_once(&load, tries).await {
                    Ok(Some(error)) => control.end_load(load.id, error).await,
                    Ok(None) => Ok(false),
                    Err(error) => Err(error),
                };
                match ended {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(load = %load.id, %error, "sample data is not loaded yet");
                    }
                }
                tries += 1;
                control.runtime.sleep_ms(WAIT_MS).await;
            }
        });
    }

    /// One try. `None`: later; otherwise it is over, with what the client is told of a failure.
    async fn load_once(
        &self,
        load: &SampleLoad,
        tries: u32,
    ) -> Result<Option<Option<String>>, ControlError> {
        let over = |error: &str| Ok(Some(Some(error.to_owned())));
        let _turn = self.turns.of(load.cluster_id).await;
        let Some(stored) = self.stored_cluster(load.cluster_id).await? else {
            return over("The cluster was deleted.");
        };
        match stored.cluster.state {
            ClusterState::Deleting => return over("The cluster is being deleted."),
            ClusterState::Creating => return Ok(None),
            ClusterState::Idle | ClusterState::Updating => {}
        }
        if stored.life.paused {
            return over("The cluster was paused.");
        }
        match self.clusters.load_sample(&stored.cluster).await {
            Ok(()) => Ok(Some(None)),
            Err(HostError::Refused(why)) => over(&why),
            Err(error) if tries >= TRIES_MAX => {
                tracing::error!(load = %load.id, %error, "sample data could not be loaded");
                over("The cluster did not take the documents.")
            }
            Err(error) => Err(ControlError::internal(error)),
        }
    }

    async fn end_load(&self, id: JobId, error: Option<String>) -> Result<bool, ControlError> {
        let error = error.as_deref();
        let ended: Result<_, StoreError> = self
            .store
            .run_tx("control.sample_loads.end", |tx| {
                Box::pin(sample_loads::end(tx, &SYSTEM, id, error))
            })
            .await;
        ended?;
        Ok(true)
    }
}
