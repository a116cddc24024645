//! What operators do with archives beyond the Admin API: run now, hold and release, take a deletion
//! back, see what would expire and what there is.

use portolan_api_types::operators::{RedactDraft, RestoreDraft};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{
    ArchiveId, ArchiveState, ArchiveStatistics, ExpiryPreview, Hold, JobId, Namespace,
    OnlineArchive, ProjectId,
};
use portolan_store::archives::StoredArchive;
use portolan_store::endpoints::EndpointRole;
use portolan_store::operations::{self, Operation, OperationKind};
use portolan_store::{Tx, archives, jobs, moves};

use super::{archive_in, note, rules, way_out};
use crate::access::project_in;
use crate::clusters::{cluster_in, refuse_deleting};
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, HostError};

impl Control {
    /// Makes an archive run at once: whatever its schedule says and however little there is to move.
    ///
    /// # Errors
    /// `ONLINE_ARCHIVE_NOT_ACTIVE` for an archive that is not active, and those of [`Control::get_archive`].
    pub async fn run_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<OnlineArchive, ControlError> {
        let archive = self
            .store
            .run_tx("control.archives.run", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    if !stored.archive.state.is_active() {
                        let state = stored.archive.state;
                        let detail = format!("The archive is {state}; {}.", way_out(state));
                        let code = ErrorCode::OnlineArchiveNotActive;
                        return Err(Problem::new(code, detail).into());
                    }
                    jobs::request_run(tx, id).await?;
                    note(tx, caller, &stored.archive, "ONLINE_ARCHIVE_RUN_REQUESTED").await?;
                    Ok::<_, ControlError>(stored.archive)
                })
            })
            .await?;
        self.archives.wake().await;
        Ok(archive)
    }

    /// Places a hold on everything that an archive holds: nothing in it expires, is removed or is
    /// deleted while it stands. Answered when the archive's table says so, too.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`]; `SERVICE_UNAVAILABLE` when the table could not be written:
    /// the hold then stands in the control database, and repeating the request completes it.
    pub async fn hold_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        reason: String,
    ) -> Result<(OnlineArchive, Hold), ControlError> {
        let placed_by = caller.principal.actor.to_string();
        let hold = Hold { reason, placed_by, placed_at: self.runtime.now_ms() };
        let change = Some(hold.clone());
        let archive = self.set_hold(caller, project_id, (cluster_name, id), change).await?;
        Ok((archive, hold))
    }

    /// Takes a hold back.
    ///
    /// # Errors
    /// Those of [`Control::hold_archive`].
    pub async fn release_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<OnlineArchive, ControlError> {
        self.set_hold(caller, project_id, (cluster_name, id), None).await
    }

    async fn set_hold(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        (cluster_name, id): (&str, ArchiveId),
        hold: Option<Hold>,
    ) -> Result<OnlineArchive, ControlError> {
        let hold = &hold;
        let archive = self
            .store
            .run_tx("control.archives.hold", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, mut stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    if stored.hold.is_some() || hold.is_some() {
                        stored.hold.clone_from(hold);
                        stored.rules_version += 1;
                        archives::update(tx, &witness, &stored).await?;
                    }
                    let event = match hold {
                        Some(_) => "ONLINE_ARCHIVE_HOLD_PLACED",
                        None => "ONLINE_ARCHIVE_HOLD_RELEASED",
                    };
                    note(tx, caller, &stored.archive, event).await?;
                    Ok::<_, ControlError>(stored.archive)
                })
            })
            .await?;
        self.settle_rules(id).await?;
        Ok(archive)
    }

    /// Writes the rules of an archive into its table, before a change of them is acknowledged.
    pub(super) async fn settle_rules(&self, id: ArchiveId) -> Result<(), ControlError> {
        self.archives.write_rules(id).await.map_err(|error| {
            tracing::warn!(archive = %id, %error, "the rules were not written to the table");
            let detail = "The change is recorded, but the archive's table could not be written; \
                          repeat the request.";
            Problem::new(ErrorCode::ServiceUnavailable, detail).into()
        })
    }

    /// Takes the deletion of an archive back, inside its days of grace. It is paused afterwards. One that
    /// was deleted with its cluster goes on in the cluster that is named here.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` when there is no such deleted archive, `CONCURRENT_MODIFICATION` once its
    /// files are being removed, and those of [`Control::get_archive`].
    pub async fn undelete_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<OnlineArchive, ControlError> {
        let cluster = self.cluster_for_archive(caller, project_id, cluster_name).await?.cluster;
        let roles = [EndpointRole::Archive, EndpointRole::ClusterAndArchive];
        let ports = &self.find_ports(cluster.id, &roles).await?;
        let archive = self
            .store
            .run_tx("control.archives.undelete", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let archive = undelete(tx, &witness, cluster_name, id).await?;
                    for port in ports {
                        port.give(tx, archive.cluster_id).await?;
                    }
                    jobs::wake(tx, id).await?;
                    note(tx, caller, &archive, "ONLINE_ARCHIVE_UNDELETED").await?;
                    Ok::<_, ControlError>(archive)
                })
            })
            .await?;
        self.clusters.endpoints_changed(archive.cluster_id).await;
        Ok(archive)
    }

    /// Queues the return of archived documents to a cluster.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a filter or a collection that cannot be; those of
    /// [`Control::queue_operation`].
    pub async fn queue_restore(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        draft: RestoreDraft,
    ) -> Result<Operation, ControlError> {
        if let Some(filter) = &draft.filter {
            rules::check_any_filter("filter", filter, self.runtime.now_ms())?;
        }
        let archive = self.get_archive(caller, project_id, cluster_name, id).await?;
        let home = archive.namespace;
        let database = draft.database.as_deref().unwrap_or(&home.database);
        let collection = draft.collection.as_deref().unwrap_or(&home.collection);
        let target = Namespace::new(database, collection)
            .map_err(|error| Problem::validation("collName", error.to_string()))?;
        if OWN_DATABASES.contains(&target.database.as_str()) {
            let rule = "names a database that servers or Portolan keep for themselves";
            return Err(Problem::validation("dbName", rule).into());
        }
        let asked = (OperationKind::Restore, draft.request());
        self.queue_operation(caller, project_id, cluster_name, id, asked).await
    }

    /// Queues the removal of one document from all archives of a collection.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for an `_id` that none can be, `ONLINE_ARCHIVE_HELD` under a hold; those of
    /// [`Control::queue_operation`].
    pub async fn queue_redaction(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        draft: RedactDraft,
    ) -> Result<Operation, ControlError> {
        rules::check_id("_id", &draft.id)?;
        let asked = (OperationKind::Redact, draft.request());
        self.queue_operation(caller, project_id, cluster_name, id, asked).await
    }

    /// Queues work on an archive beside its runs. The same that is queued or under way already is given
    /// back instead; that it was asked for leaves an event all the same.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`].
    pub async fn queue_operation(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        (kind, request): (OperationKind, String),
    ) -> Result<Operation, ControlError> {
        let (fresh, now_ms) = (JobId::new(self.runtime.object_id()), self.runtime.now_ms());
        let fresh = &Operation::new(fresh, id, kind, request, now_ms);
        let queued = self
            .store
            .run_tx("control.operations.queue", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    if kind == OperationKind::Redact {
                        refuse_held(&stored)?;
                    }
                    if let Some(event) = requested(kind) {
                        note(tx, caller, &stored.archive, event).await?;
                    }
                    let unfinished = operations::unfinished(tx, id).await?;
                    // Asked for twice, it is done once.
                    let same = |it: &Operation| it.kind == kind && it.request == fresh.request;
                    if let Some(known) = unfinished.into_iter().find(same) {
                        return Ok(known);
                    }
                    operations::save(tx, fresh).await?;
                    Ok::<_, ControlError>(fresh.clone())
                })
            })
            .await?;
        self.archives.wake().await;
        Ok(queued)
    }

    /// What would expire: by the archive's own rule, or by one of `days` that is not set yet.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`], and those of reading the table.
    pub async fn preview_expiry(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        days: Option<i32>,
    ) -> Result<ExpiryPreview, ControlError> {
        self.readable(caller, project_id, cluster_name, id).await?;
        self.archives.preview_expiry(id, days).await.map_err(unreachable)
    }

    /// What an archive holds, from its table.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`], and those of reading the table.
    pub async fn archive_statistics(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<ArchiveStatistics, ControlError> {
        self.readable(caller, project_id, cluster_name, id).await?;
        self.archives.statistics(id).await.map_err(unreachable)
    }

    /// The work on an archive beside its runs, newest first.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`].
    pub async fn list_operations(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        paging: Paging,
    ) -> Result<Page<Operation>, ControlError> {
        self.store
            .read_tx("control.operations.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    archive_in(tx, &witness, cluster_name, id).await?;
                    Ok(api_page(operations::list(tx, id, store_page(paging)).await?))
                })
            })
            .await
    }

    /// One piece of that work.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`], and `RESOURCE_NOT_FOUND` for the operation.
    pub async fn get_operation(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        operation_id: JobId,
    ) -> Result<Operation, ControlError> {
        self.store
            .read_tx("control.operations.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    archive_in(tx, &witness, cluster_name, id).await?;
                    let found = operations::get(tx, id, operation_id).await?;
                    found.ok_or_else(|| {
                        let what = format!("Operation with id {operation_id}");
                        Problem::resource_not_found(what).into()
                    })
                })
            })
            .await
    }

    async fn readable(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<(), ControlError> {
        self.get_archive(caller, project_id, cluster_name, id).await.map(|_| ())
    }
}

/// Databases that no document returns to.
const OWN_DATABASES: [&str; 4] = ["admin", "config", "local", "portolan"];

/// The event of asking for work of a kind.
const fn requested(kind: OperationKind) -> Option<&'static str> {
    Some(match kind {
        OperationKind::Verify => "ONLINE_ARCHIVE_VERIFICATION_REQUESTED",
        OperationKind::Estimate => "ONLINE_ARCHIVE_ESTIMATE_REQUESTED",
        OperationKind::Restore => "ONLINE_ARCHIVE_RESTORE_REQUESTED",
        OperationKind::Redact => "ONLINE_ARCHIVE_REDACTION_REQUESTED",
        // Upkeep's own; nobody asks for them.
        OperationKind::Expiry | OperationKind::Compaction | OperationKind::CleanUp => return None,
    })
}

/// A hold blocks the deletion of what it stands on.
pub(crate) fn refuse_held(stored: &StoredArchive) -> Result<(), ControlError> {
    let Some(hold) = &stored.hold else { return Ok(()) };
    let id = stored.archive.id;
    let detail = format!("Online archive {id} is held ({}); release it first.", hold.reason);
    Err(Problem::new(ErrorCode::OnlineArchiveHeld, detail).with(id.to_string()).into())
}

async fn undelete(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    cluster_name: &str,
    id: ArchiveId,
) -> Result<OnlineArchive, ControlError> {
    let cluster = cluster_in(tx, witness, cluster_name).await?;
    refuse_deleting(&cluster)?;
    let cluster = cluster.cluster;
    let found = archives::fetch_deleted(tx, witness, cluster.id, id).await?;
    let missing = || Problem::resource_not_found(format!("Deleted online archive with id {id}"));
    let archive = found.ok_or_else(missing)?.archive;
    if archive.cluster_id != cluster.id && moves::has_unfinished(tx, id).await? {
        let detail = "A move of the archive is open, and the cluster that it empties is gone.";
        return Err(Problem::new(ErrorCode::ConcurrentModification, detail).into());
    }
    if !archives::undelete(tx, witness, id, &cluster).await? {
        let detail = "The files of the archive are being removed already.";
        return Err(Problem::new(ErrorCode::ConcurrentModification, detail).into());
    }
    let state = ArchiveState::Paused;
    let (cluster_id, cluster_name) = (cluster.id, cluster.name);
    Ok(OnlineArchive { state, deleted_at: None, cluster_id, cluster_name, ..archive })
}

/// The table or the cluster could not be read.
pub(super) fn unreachable(error: HostError) -> ControlError {
    match error {
        HostError::Unreachable(why) | HostError::Failed(why) => {
            tracing::warn!(%why, "an archive could not be looked at");
            let detail = "The archive's table or its cluster could not be read; try again later.";
            Problem::new(ErrorCode::ServiceUnavailable, detail).into()
        }
        HostError::Refused(why) => Problem::validation("archiveId", why).into(),
    }
}
