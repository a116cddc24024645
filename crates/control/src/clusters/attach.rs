//! Attaching a live cluster: check the connection string, dial it, find out what its deletes can
//! guarantee, keep it.

use portolan_api_types::Problem;
use portolan_api_types::cluster::default_settings;
use portolan_api_types::own_api::AttachDraft;
use portolan_auth::Action;
use portolan_cluster::Probe;
use portolan_model::{
    AttachedCluster, Cluster, ClusterId, ClusterKind, ClusterState, GuardLevel, ProjectId,
    ServerVersion,
};
use portolan_security::SecretString;
use portolan_security::mongo_uri::{self, CheckedUri};
use portolan_store::clusters::{self, ClusterLife, StoredCluster};
use serde_json::Value;

use super::{FoundCluster, note};
use crate::{Caller, Control, ControlError, HostError};

/// How long a cluster may take to answer a probe.
const PROBE_TIMEOUT_MS: u64 = 30_000;

const FIELD: &str = "connectionString";

impl Control {
    /// Attaches a live cluster. Nothing is kept of one that cannot be reached.
    ///
    /// # Errors
    /// A 400 that names `connectionString` or `writesQuiesced`, `DUPLICATE_CLUSTER_NAME`, 401 without
    /// the role, and the store's. No error repeats the connection string.
    pub async fn attach_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        draft: AttachDraft,
    ) -> Result<FoundCluster, ControlError> {
        let action = Action::ClusterCreate;
        self.check_new_cluster(caller, project_id, &draft.name, action).await?;
        let checked = mongo_uri::check(&draft.connection_string)
            .map_err(|refused| Problem::invalid_attribute(FIELD, refused.to_string()))?;
        let uri = &SecretString::new(draft.connection_string.clone());
        let probe = self.probe(uri).await?;
        if probe.level == GuardLevel::L0 && !draft.writes_quiesced {
            return Err(unguarded(&probe));
        }
        let stored = &self.new_attached(project_id, &draft, &checked, probe);
        self.store
            .run_tx("control.clusters.attach", |tx| {
                Box::pin(async move {
                    let cluster = &stored.cluster;
                    let witness =
                        self.admit_cluster(tx, caller, project_id, cluster, action).await?;
                    clusters::insert(tx, &witness, stored, Some(uri)).await?;
                    note(tx, caller, cluster, "CLUSTER_CREATED").await
                })
            })
            .await?;
        Ok(self.found_cluster(stored.clone()))
    }

    async fn probe(&self, uri: &SecretString) -> Result<Probe, ControlError> {
        let refuse = |why: String| ControlError::from(Problem::invalid_attribute(FIELD, why));
        match self.runtime.timeout_ms(PROBE_TIMEOUT_MS, self.clusters.probe(uri)).await {
            Ok(Ok(probe)) => Ok(probe),
            Ok(Err(HostError::Refused(why))) => Err(refuse(why)),
            Ok(Err(HostError::Unreachable(why))) => {
                Err(refuse(format!("the cluster cannot be reached: {why}")))
            }
            Ok(Err(error @ HostError::Failed(_))) => Err(ControlError::internal(error)),
            Err(late) => Err(refuse(format!("the cluster cannot be reached: {late}"))),
        }
    }

    fn new_attached(
        &self,
        project_id: ProjectId,
        draft: &AttachDraft,
        checked: &CheckedUri,
        probe: Probe,
    ) -> StoredCluster {
        let hosts = checked.hosts.iter().map(ToString::to_string).collect();
        let kind = AttachedCluster { hosts, writes_quiesced: draft.writes_quiesced };
        StoredCluster {
            cluster: Cluster {
                id: ClusterId::new(self.runtime.object_id()),
                project_id,
                name: draft.name.clone(),
                kind: ClusterKind::Attached(kind),
                state: ClusterState::Idle,
                version: Some(ServerVersion(probe.version)),
                level: probe.level,
                termination_protection_enabled: false,
                tags: Vec::new(),
                replication_specs_json: "[]".to_owned(),
                created_at: self.runtime.now_ms(),
            },
            level_reasons: probe.reasons,
            time_series: probe.time_series,
            settings_json: settings(probe.sharded).to_string(),
            life: ClusterLife::default(),
        }
    }
}

/// What an attached cluster shows of its settings.
fn settings(sharded: bool) -> Value {
    let mut settings = default_settings();
    if sharded {
        settings.insert("clusterType".to_owned(), Value::from("SHARDED"));
    }
    Value::Object(settings)
}

fn unguarded(probe: &Probe) -> ControlError {
    let reasons = probe.reasons.join("; ");
    let rule = format!(
        "must be true for a cluster of level L0 ({reasons}): state that documents that match an \
         archive's criteria are no longer written, because such a cluster cannot refuse to delete \
         a document that was changed meanwhile"
    );
    Problem::validation("writesQuiesced", rule).into()
}
