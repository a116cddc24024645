//! Online archives: list, create, get, update, delete, and what the own API shows beyond that.
//!
//! Creation looks at the cluster before its transaction (is the collection capped?) and tells the
//! archiver after it; everything that is decided and written lies in one transaction between.

mod attach;
mod create;
mod explain;
mod history;
mod merge;
mod operators;
mod recover;
mod rules;

use portolan_api_types::online_archive::ArchivePatch;
use portolan_api_types::{Page, Paging, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{ArchiveId, ArchiveState, OnlineArchive, ProjectId};
use portolan_store::archives::StoredArchive;
use portolan_store::clusters::StoredCluster;
use portolan_store::events::EventScope;
use portolan_store::leases::{self, LeaseKey};
use portolan_store::{Tx, archives, jobs, moves};

pub use history::ArchiveDetails;
pub(crate) use operators::refuse_held;

use crate::access::project_in;
use crate::clusters::{cluster_in, refuse_flex};
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// The archives of a cluster, oldest first.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, `CLUSTER_NOT_FOUND`, and the store's.
    pub async fn list_archives(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        paging: Paging,
    ) -> Result<Page<OnlineArchive>, ControlError> {
        self.store
            .read_tx("control.archives.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let stored = cluster_in(tx, &witness, cluster_name).await?;
                    refuse_flex(&stored)?;
                    let cluster = stored.cluster;
                    let page = store_page(paging);
                    let listed = archives::list(tx, &witness, cluster.id, page).await?;
                    Ok(api_page(listed.map(|stored| stored.archive)))
                })
            })
            .await
    }

    /// One archive.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, `CLUSTER_NOT_FOUND`, `RESOURCE_NOT_FOUND`, and the store's.
    pub async fn get_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<OnlineArchive, ControlError> {
        self.store
            .read_tx("control.archives.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    Ok::<_, ControlError>(stored.archive)
                })
            })
            .await
    }

    /// Changes an archive: a merge, as clients send parts. See [`merge`].
    ///
    /// # Errors
    /// `ONLINE_ARCHIVE_CANNOT_MODIFY_FIELD`, `ONLINE_ARCHIVE_MUST_BE_ACTIVE_TO_PAUSE`,
    /// `NAMESPACE_HAS_ONLINE_ARCHIVE`, those of [`Control::get_archive`], and the store's.
    pub async fn update_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        patch: ArchivePatch,
    ) -> Result<OnlineArchive, ControlError> {
        let now_ms = self.runtime.now_ms();
        if let Some(query) = patch.criteria.as_ref().and_then(|change| change.query.as_deref()) {
            rules::check_filter(query, now_ms)?;
        }
        let patch = &patch;
        let merged = self
            .store
            .run_tx("control.archives.update", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (cluster, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    let merged = merge::merge(&stored, patch, now_ms)?;
                    if merged.resumed {
                        self.check_active_room(tx, &witness, &cluster, &stored.archive).await?;
                    }
                    write_update(tx, caller, &witness, &merged).await?;
                    Ok::<_, ControlError>(merged)
                })
            })
            .await?;
        if patch.expire_after_days.is_some() {
            self.settle_rules(id).await?;
        }
        if merged.wakes {
            self.archives.wake().await;
        }
        Ok(merged.stored.archive)
    }

    /// Deletes an archive: gone for clients at once, its files stay for the days of grace.
    ///
    /// # Errors
    /// `ONLINE_ARCHIVE_HELD`, those of [`Control::get_archive`], 401 without the role, and the store's.
    pub async fn delete_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<(), ControlError> {
        let cluster = self
            .store
            .run_tx("control.archives.delete", |tx| {
                Box::pin(async move {
                    let action = Action::ArchivesWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (cluster, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    refuse_held(&stored)?;
                    archives::delete(tx, &witness, id).await?;
                    take_lease_away(tx, &stored).await?;
                    note(tx, caller, &stored.archive, "ONLINE_ARCHIVE_DELETED").await?;
                    Ok::<_, ControlError>(cluster)
                })
            })
            .await?;
        self.clusters.endpoints_changed(cluster.cluster.id).await;
        self.archives.wake().await;
        Ok(())
    }
}

/// The archive and its cluster, inside a transaction.
async fn archive_in(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    cluster_name: &str,
    id: ArchiveId,
) -> Result<(StoredCluster, StoredArchive), ControlError> {
    let cluster = cluster_in(tx, witness, cluster_name).await?;
    refuse_flex(&cluster)?;
    let found = archives::fetch(tx, witness, cluster.cluster.id, id).await?;
    let missing = || Problem::resource_not_found(format!("Online archive with id {id}"));
    Ok((cluster, found.ok_or_else(missing)?))
}

async fn write_update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    merged: &merge::Merged,
) -> Result<(), ControlError> {
    let archive = &merged.stored.archive;
    archives::update(tx, witness, &merged.stored).await?;
    if merged.wakes {
        jobs::wake(tx, archive.id).await?;
    }
    for event in &merged.events {
        note(tx, caller, archive, event).await?;
    }
    Ok(())
}

/// Records an event of an archive and settles the audit row.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    archive: &OnlineArchive,
    type_name: &str,
) -> Result<(), ControlError> {
    let scope = EventScope::Project(archive.project_id);
    Ok(trail::note(tx, caller, scope, type_name, &about(archive)).await?)
}

/// What every event of an archive says of it.
pub(crate) fn about(archive: &OnlineArchive) -> Vec<(&'static str, String)> {
    vec![
        ("archiveId", archive.id.to_string()),
        ("clusterName", archive.cluster_name.clone()),
        ("namespace", archive.namespace.to_string()),
    ]
}

/// What lets an archive run that does not.
fn way_out(state: ArchiveState) -> &'static str {
    match state {
        ArchiveState::Pausing | ArchiveState::Paused => "set `paused` to false to let it run",
        ArchiveState::Suspended(_) => "see `archive explain` and `archive resume`",
        ArchiveState::Orphaned => "see `archive reattach`",
        ArchiveState::Deleted => "it can be undeleted while its files are there",
        ArchiveState::Pending | ArchiveState::Archiving | ArchiveState::Idle => {
            "it runs when its schedule says so, or by `archive run`"
        }
    }
}

/// A worker that moves documents for the archive must stop before the deletion is acknowledged.
async fn take_lease_away(tx: &mut Tx<'_>, stored: &StoredArchive) -> Result<(), ControlError> {
    let archive = &stored.archive;
    let at_work = matches!(archive.state, ArchiveState::Archiving | ArchiveState::Pausing);
    if at_work || moves::has_open(tx, archive.id).await? {
        let namespace = archive.namespace.clone();
        leases::revoke(tx, &LeaseKey { cluster_id: archive.cluster_id, namespace }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod attach_tests;
#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod recover_tests;
#[cfg(test)]
mod tests;
