//! Attaching an archive whose table is there and whose control rows are not: they are written again
//! from what the table tells. The archive is paused afterwards; a move that is open is closed by what
//! table and cluster say, and nothing more is deleted on its account.

use portolan_api_types::operators::AttachArchiveDraft;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{
    ArchiveDefinition, ArchiveState, Criteria, FoundTable, OnlineArchive, ProjectId, Schedule,
};
use portolan_store::archives::{self, StoredArchive};
use portolan_store::clusters::StoredCluster;
use portolan_store::endpoints::EndpointRole;
use portolan_store::moves::{self, Move};
use portolan_store::{Tx, jobs};

use super::{note, operators, rules};
use crate::access::project_in;
use crate::clusters::{GivenPort, cluster_in, refuse_deleting, refuse_flex};
use crate::{Caller, Control, ControlError, HostError};

const STORAGE: &str = "storage";

impl Control {
    /// Attaches the archive whose table lies behind a URI to a cluster. A table of another installation
    /// is taken from it, when the caller says so: its workers are fenced from then on. Repeating a
    /// request that broke off is harmless.
    ///
    /// # Errors
    /// A 400 that names the field, `ONLINE_ARCHIVE_ALREADY_EXISTS`, those of
    /// [`Control::create_archive`], `SERVICE_UNAVAILABLE` when the table cannot be read or written now.
    pub async fn attach_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        draft: AttachArchiveDraft,
    ) -> Result<OnlineArchive, ControlError> {
        let cluster = self.cluster_for_archive(caller, project_id, cluster_name).await?;
        let found = self.find(&draft.storage).await?;
        check_found(&found, &draft)?;
        let stored = &self.attached(&cluster, &found, &draft)?;
        let roles = [EndpointRole::Archive, EndpointRole::ClusterAndArchive];
        let ports = &self.find_ports(cluster.cluster.id, &roles).await?;
        self.admit_attached(caller, project_id, cluster_name, stored).await?;
        self.archives.take_table(cluster.cluster.id, &draft.storage).await.map_err(not_now)?;
        let (cluster_id, level) = (cluster.cluster.id, cluster.cluster.level);
        let moved = &moves::of_table(&found, cluster_id, level, &self.runtime);
        self.store
            .run_tx("control.archives.attach", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let cluster = cluster_in(tx, &witness, cluster_name).await?;
                    refuse_deleting(&cluster)?;
                    self.check_absent(tx, &witness, &cluster, stored).await?;
                    write(tx, caller, &witness, stored, moved, ports).await
                })
            })
            .await?;
        self.clusters.endpoints_changed(cluster.cluster.id).await;
        self.archives.wake().await;
        Ok(stored.archive.clone())
    }

    async fn find(&self, uri: &str) -> Result<FoundTable, ControlError> {
        self.archives.find_table(uri).await.map_err(not_now)
    }

    /// Whether the rows could be written now: asked before the table is touched.
    async fn admit_attached(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        stored: &StoredArchive,
    ) -> Result<(), ControlError> {
        self.store
            .read_tx("control.archives.attach", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let cluster = cluster_in(tx, &witness, cluster_name).await?;
                    refuse_flex(&cluster)?;
                    self.check_absent(tx, &witness, &cluster, stored).await
                })
            })
            .await
    }

    async fn check_absent(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        cluster: &StoredCluster,
        stored: &StoredArchive,
    ) -> Result<(), ControlError> {
        let id = stored.archive.id;
        if archives::exists(tx, witness, id).await? {
            let detail =
                format!("Online archive {id} is known here already; a deleted one is undeleted.");
            let problem = Problem::new(ErrorCode::OnlineArchiveAlreadyExists, detail);
            return Err(problem.with(id.to_string()).into());
        }
        self.check_conflicts(tx, witness, cluster, &stored.archive).await
    }

    fn attached(
        &self,
        cluster: &StoredCluster,
        found: &FoundTable,
        draft: &AttachArchiveDraft,
    ) -> Result<StoredArchive, ControlError> {
        let cluster = &cluster.cluster;
        let definition = self.definition(found, draft)?;
        let expiry = found.rules.expiry;
        let archive = OnlineArchive {
            id: found.archive_id,
            project_id: cluster.project_id,
            cluster_id: cluster.id,
            cluster_name: cluster.name.clone(),
            namespace: found.namespace.clone(),
            collection_type: definition.collection_type,
            criteria: definition.criteria,
            criteria_version: found.criteria_version,
            partition_fields: found.partition_fields.clone(),
            expire_after_days: expiry.map(|rule| rule.expire_after_days),
            region: definition.region,
            schedule: definition.schedule,
            state: ArchiveState::Paused,
            table_uri: draft.storage.clone(),
            created_at: definition.created_at,
            deleted_at: None,
        };
        Ok(StoredArchive {
            archive,
            level: cluster.level,
            expiry_set_at: expiry.map(|rule| rule.set_at),
            rules_version: found.rules.version,
            hold: found.rules.hold.clone(),
            purging_at: None,
        })
    }

    /// What the table says, or what the caller says of a table that does not.
    fn definition(
        &self,
        found: &FoundTable,
        draft: &AttachArchiveDraft,
    ) -> Result<ArchiveDefinition, ControlError> {
        if let Some(definition) = found.definition.clone() {
            return Ok(definition);
        }
        let criteria = match (&found.date, draft.expire_after_days, &draft.query) {
            (Some((field, format)), Some(expire_after_days), _) => {
                Criteria::Date { field: field.clone(), format: *format, expire_after_days }
            }
            (None, _, Some(query)) => Criteria::Custom { query: query.clone() },
            (date, ..) => {
                let field = if date.is_some() { "expireAfterDays" } else { "query" };
                let rule = "must be given: the table was written before tables told it";
                return Err(Problem::validation(field, rule).into());
            }
        };
        let now_ms = self.runtime.now_ms();
        rules::check_criteria(&criteria, now_ms)?;
        Ok(ArchiveDefinition {
            collection_type: portolan_model::CollectionType::default(),
            criteria,
            region: portolan_model::DataProcessRegion::default(),
            schedule: Schedule::Default,
            created_at: now_ms,
        })
    }
}

fn check_found(found: &FoundTable, draft: &AttachArchiveDraft) -> Result<(), ControlError> {
    if !found.ours && !draft.take_over {
        let rule = "must be true for a table of another installation: its workers are fenced, and \
                    it can archive there no more";
        return Err(Problem::validation("takeOver", rule).into());
    }
    if let Some(version) = found.foreign {
        let why = format!("another engine changed the table in version {version}");
        return Err(Problem::invalid_attribute(STORAGE, why).into());
    }
    Ok(())
}

fn not_now(error: HostError) -> ControlError {
    match error {
        HostError::Refused(why) => Problem::invalid_attribute(STORAGE, why).into(),
        other => operators::unreachable(other),
    }
}

/// Archive, moves, ports of its endpoints, event, audit outcome.
async fn write(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    stored: &StoredArchive,
    moved: &[Move],
    ports: &[GivenPort],
) -> Result<(), ControlError> {
    archives::insert(tx, witness, stored).await?;
    if stored.hold.is_some() {
        archives::update(tx, witness, stored).await?;
    }
    for item in moved {
        moves::save(tx, item).await?;
    }
    for port in ports {
        port.give(tx, stored.archive.cluster_id).await?;
    }
    jobs::wake(tx, stored.archive.id).await?;
    note(tx, caller, &stored.archive, "ONLINE_ARCHIVE_ATTACHED").await
}
