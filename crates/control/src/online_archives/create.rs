//! Creating an archive.

use portolan_api_types::Problem;
use portolan_api_types::online_archive::ArchiveDraft;
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{ArchiveId, ArchiveState, OnlineArchive, ProjectId};
use portolan_store::archives::StoredArchive;
use portolan_store::clusters::StoredCluster;
use portolan_store::endpoints::EndpointRole;
use portolan_store::jobs::ArchiveJob;
use portolan_store::{Tx, archives, jobs};

use super::{note, rules};
use crate::access::project_in;
use crate::clusters::{GivenPort, cluster_in, refuse_deleting, refuse_flex};
use crate::{Caller, Control, ControlError, HostError};

/// First distance between two looks at a new archive (documentation, "Manage Online Archive": every
/// five minutes).
const FIRST_INTERVAL_MS: i64 = 5 * 60 * 1000;

impl Control {
    /// Creates an archive. Its first run starts as soon as the archiver is told, which is at once.
    ///
    /// # Errors
    /// `ONLINE_ARCHIVE_ALREADY_EXISTS`, `NAMESPACE_HAS_ONLINE_ARCHIVE`, `CLUSTER_NOT_FOUND`, a 400
    /// that names the field, 401 without the role, and the store's.
    pub async fn create_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        draft: ArchiveDraft,
    ) -> Result<OnlineArchive, ControlError> {
        let cluster = self.cluster_for_archive(caller, project_id, cluster_name).await?;
        rules::check_against_cluster(&draft, &cluster)?;
        rules::check_criteria(&draft.criteria, self.runtime.now_ms())?;
        self.check_collection(&cluster, &draft).await?;
        let stored = self.new_archive(&cluster, draft)?;
        let roles = [EndpointRole::Archive, EndpointRole::ClusterAndArchive];
        let ports = self.find_ports(cluster.cluster.id, &roles).await?;
        let (stored, ports) = (&stored, &ports);
        self.store
            .run_tx("control.archives.create", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let cluster = cluster_in(tx, &witness, cluster_name).await?;
                    refuse_flex(&cluster)?;
                    refuse_deleting(&cluster)?;
                    self.check_conflicts(tx, &witness, &cluster, &stored.archive).await?;
                    write_new(tx, caller, &witness, stored, ports).await
                })
            })
            .await?;
        self.clusters.endpoints_changed(cluster.cluster.id).await;
        self.archives.wake().await;
        Ok(stored.archive.clone())
    }

    pub(super) async fn cluster_for_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<StoredCluster, ControlError> {
        self.store
            .read_tx("control.archives.cluster", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let cluster = cluster_in(tx, &witness, name).await?;
                    refuse_flex(&cluster)?;
                    refuse_deleting(&cluster)?;
                    Ok::<_, ControlError>(cluster)
                })
            })
            .await
    }

    /// Asks the cluster what the collection is. A cluster that does not answer, or knows no such
    /// collection yet, stands in no archive's way: it stays PENDING.
    async fn check_collection(
        &self,
        cluster: &StoredCluster,
        draft: &ArchiveDraft,
    ) -> Result<(), ControlError> {
        let asked = self.clusters.collection(&cluster.cluster, &draft.namespace);
        match self.runtime.timeout_ms(rules::LOOK_TIMEOUT_MS, asked).await {
            Ok(Ok(Some(info))) => rules::check_kind(draft, &info),
            Ok(Err(error)) => {
                tracing::info!(%error, "the cluster could not be asked about a new archive");
                Ok(())
            }
            Ok(Ok(None)) | Err(_) => Ok(()),
        }
    }

    fn new_archive(
        &self,
        cluster: &StoredCluster,
        draft: ArchiveDraft,
    ) -> Result<StoredArchive, ControlError> {
        let cluster = &cluster.cluster;
        let (id, now_ms) = (ArchiveId::new(self.runtime.object_id()), self.runtime.now_ms());
        let region = draft.region.unwrap_or_default();
        let table_uri = self.archives.table_uri(id, &region).map_err(|error| match error {
            HostError::Refused(why) => Problem::invalid_attribute("dataProcessRegion", why).into(),
            other => ControlError::internal(other),
        })?;
        let archive = OnlineArchive {
            id,
            project_id: cluster.project_id,
            cluster_id: cluster.id,
            cluster_name: cluster.name.clone(),
            namespace: draft.namespace,
            collection_type: draft.collection_type,
            criteria: draft.criteria,
            criteria_version: 1,
            partition_fields: draft.partition_fields,
            expire_after_days: draft.expire_after_days,
            region,
            schedule: draft.schedule,
            state: if draft.paused { ArchiveState::Paused } else { ArchiveState::Pending },
            table_uri,
            created_at: now_ms,
            deleted_at: None,
        };
        let expiry_set_at = archive.expire_after_days.map(|_| now_ms);
        Ok(StoredArchive {
            archive,
            level: cluster.level,
            expiry_set_at,
            rules_version: 1,
            hold: None,
            purging_at: None,
        })
    }
}

/// Archive, ports of its endpoints, first job, event, audit outcome.
async fn write_new(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    stored: &StoredArchive,
    ports: &[GivenPort],
) -> Result<(), ControlError> {
    archives::insert(tx, witness, stored).await?;
    for port in ports {
        port.give(tx, stored.archive.cluster_id).await?;
    }
    let job = ArchiveJob {
        archive_id: stored.archive.id,
        due_at: stored.archive.created_at,
        interval_ms: FIRST_INTERVAL_MS,
        failures: 0,
        last_error: None,
        level: Some(stored.level),
        purged_at: None,
        run_requested: false,
        create_index: None,
        full_windows: 0,
        cold: None,
        waiting_for: None,
    };
    jobs::save(tx, &job).await?;
    note(tx, caller, &stored.archive, "ONLINE_ARCHIVE_CREATED").await?;
    if stored.archive.expire_after_days.is_some() {
        let event = "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_ENABLED";
        note(tx, caller, &stored.archive, event).await?;
    }
    Ok(())
}
