//! The ways out for archives that wait for their operator: a suspended one is resumed when he accepts what
//! is found, an orphaned one is given a collection. Either is paused afterwards.

use portolan_api_types::operators::ReattachDraft;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{
    Acceptance, ArchiveEvent, ArchiveId, ArchiveState, Namespace, OnlineArchive, ProjectId,
};
use portolan_store::archives::StoredArchive;
use portolan_store::events::EventScope;
use portolan_store::leases::LeaseKey;
use portolan_store::{Tx, archives, jobs, moves, restore_holds};

use super::{about, archive_in, operators, way_out};
use crate::access::project_in;
use crate::{Caller, Control, ControlError, HostError, trail};

impl Control {
    /// Looks again for what suspended an archive, and releases it when nothing is wrong any more or the
    /// caller accepts by name what is. A move that is open is closed afterwards, and nothing more is deleted
    /// for it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` on `accept` naming what is found; `ONLINE_ARCHIVE_NOT_ACTIVE` for an archive that
    /// is not suspended; those of [`Control::get_archive`]; `SERVICE_UNAVAILABLE` when cluster or table
    /// cannot be reached or somebody works on the collection.
    pub async fn resume_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        accepted: Acceptance,
    ) -> Result<OnlineArchive, ControlError> {
        let suspended = |state: ArchiveState| state.suspend_reason().is_some();
        let place = (project_id, cluster_name, id);
        self.check_waiting(caller, place, suspended, "suspended").await?;
        let resumed = self.archives.resume(id, &accepted).await;
        resumed.map_err(|error| refused("accept", error))?;
        let archive = self
            .store
            .run_tx("control.archives.resume", |tx| {
                let accepted = &accepted;
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, mut stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    let reason = stored.archive.state.suspend_reason();
                    let released = stored.archive.state.next(ArchiveEvent::Released);
                    stored.archive.state =
                        released.map_err(|_| not_waiting(&stored, "suspended"))?;
                    archives::update(tx, &witness, &stored).await?;
                    jobs::wake(tx, id).await?;
                    let mut target = about(&stored.archive);
                    target.extend(reason.map(|reason| ("reason", reason.as_str().to_owned())));
                    let names: Vec<_> = accepted.reasons.iter().map(|it| it.as_str()).collect();
                    target.push(("accepted", names.join(",")));
                    target.extend(accepted.level.map(|level| ("level", level.to_string())));
                    note(tx, caller, &stored.archive, "ONLINE_ARCHIVE_RESUMED", &target).await?;
                    Ok::<_, ControlError>(stored.archive)
                })
            })
            .await?;
        self.archives.wake().await;
        Ok(archive)
    }

    /// Gives an orphaned archive a collection of its cluster: its own under another name, or another one
    /// when the caller says so.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` on `collName` for a collection that it cannot be;
    /// `NAMESPACE_HAS_ONLINE_ARCHIVE` when another archive holds rows of another collection;
    /// `ONLINE_ARCHIVE_NOT_ACTIVE` for an archive that is not orphaned; otherwise those of
    /// [`Control::resume_archive`].
    pub async fn reattach_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        draft: ReattachDraft,
    ) -> Result<OnlineArchive, ControlError> {
        let orphaned = |state: ArchiveState| state == ArchiveState::Orphaned;
        let place = (project_id, cluster_name, id);
        let from = self.check_waiting(caller, place, orphaned, "orphaned").await?;
        let database = draft.database.as_deref().unwrap_or(&from.database);
        let collection = draft.collection.as_deref().unwrap_or(&from.collection);
        let to = &Namespace::new(database, collection)
            .map_err(|error| Problem::validation("collName", error.to_string()))?;
        if draft.other_collection {
            self.check_alone(caller, place, to).await?;
        }
        let placed = self.archives.reattach(id, to, draft.other_collection).await;
        let (uuid, other) = placed.map_err(|error| refused("collName", error))?;
        let archive = self
            .store
            .run_tx("control.archives.reattach", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    let archive = write(tx, &witness, stored, to, (uuid, other)).await?;
                    let mut target = about(&archive);
                    target.push(("otherCollection", other.to_string()));
                    note(tx, caller, &archive, "ONLINE_ARCHIVE_REATTACHED", &target).await?;
                    Ok::<_, ControlError>(archive)
                })
            })
            .await?;
        self.clusters.endpoints_changed(archive.cluster_id).await;
        self.archives.wake().await;
        Ok(archive)
    }

    /// Whether the archive waits for this; its collection.
    async fn check_waiting(
        &self,
        caller: &Caller,
        (project_id, cluster_name, id): (ProjectId, &str, ArchiveId),
        waits: fn(ArchiveState) -> bool,
        what: &'static str,
    ) -> Result<Namespace, ControlError> {
        self.store
            .read_tx("control.archives.waiting", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    if !waits(stored.archive.state) {
                        return Err(not_waiting(&stored, what));
                    }
                    Ok::<_, ControlError>(stored.archive.namespace)
                })
            })
            .await
    }

    /// Rows of two collections may have the same `_id`: no other archive may hold rows of that one.
    async fn check_alone(
        &self,
        caller: &Caller,
        (project_id, cluster_name, id): (ProjectId, &str, ArchiveId),
        to: &Namespace,
    ) -> Result<(), ControlError> {
        self.store
            .read_tx("control.archives.alone", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (cluster, _) = archive_in(tx, &witness, cluster_name, id).await?;
                    let there =
                        archives::on_namespace(tx, &witness, cluster.cluster.id, to).await?;
                    if there.iter().all(|stored| stored.archive.id == id) {
                        return Ok(());
                    }
                    let detail = format!("Another online archive holds documents of {to}.");
                    let code = ErrorCode::NamespaceHasOnlineArchive;
                    Err(Problem::new(code, detail).with(to.to_string()).into())
                })
            })
            .await
    }
}

/// The collection, what the journal knows of it, and PAUSED. The fence of another collection knows nothing
/// of the moves until now.
async fn write(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    stored: StoredArchive,
    to: &Namespace,
    (uuid, other): (Option<[u8; 16]>, bool),
) -> Result<OnlineArchive, ControlError> {
    let id = stored.archive.id;
    if !archives::reattach(tx, witness, id, to).await? {
        return Err(not_waiting(&stored, "orphaned"));
    }
    let archive = stored.archive;
    moves::pin(tx, id, uuid).await?;
    let key = |namespace: &Namespace| LeaseKey {
        cluster_id: archive.cluster_id,
        namespace: namespace.clone(),
    };
    if other {
        moves::unfence(tx, id).await?;
    } else {
        restore_holds::copy(tx, &key(&archive.namespace), &key(to)).await?;
    }
    jobs::wake(tx, id).await?;
    Ok(OnlineArchive { namespace: to.clone(), state: ArchiveState::Paused, ..archive })
}

fn not_waiting(stored: &StoredArchive, what: &str) -> ControlError {
    let state = stored.archive.state;
    let detail = format!("The archive is {state}, and not {what}; {}.", way_out(state));
    Problem::new(ErrorCode::OnlineArchiveNotActive, detail).into()
}

fn refused(field: &'static str, error: HostError) -> ControlError {
    match error {
        HostError::Refused(why) => Problem::validation(field, why).into(),
        other => operators::unreachable(other),
    }
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    archive: &OnlineArchive,
    type_name: &str,
    target: &[(&'static str, String)],
) -> Result<(), ControlError> {
    let scope = EventScope::Project(archive.project_id);
    Ok(trail::note(tx, caller, scope, type_name, target).await?)
}
