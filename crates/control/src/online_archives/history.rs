//! What an archive is beyond the Admin API: its exact state, its guard level, its runs.

use portolan_api_types::own_api::{RunDocumentView, RunView, Totals};
use portolan_api_types::{Page, Paging, Problem};
use portolan_auth::Action;
use portolan_model::{ArchiveId, EpochMs, GuardLevel, Hold, JobId, OnlineArchive, ProjectId};
use portolan_store::runs::{self, ArchiveRun};
use portolan_store::{StoreError, Tx, jobs};

use super::archive_in;
use crate::access::project_in;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError};

/// An archive with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveDetails {
    /// The archive.
    pub archive: OnlineArchive,
    /// Guard level of its cluster.
    pub level: GuardLevel,
    /// Guard level when it was made.
    pub level_at_creation: GuardLevel,
    /// Sums over its runs.
    pub totals: Totals,
    /// A hold on everything in it.
    pub hold: Option<Hold>,
    /// When its expiration rule was set last.
    pub expiry_set_at: Option<EpochMs>,
    /// When the archiver looks at it next; `None` when it does not.
    pub next_look_at: Option<EpochMs>,
    /// What went wrong last, until a look succeeds.
    pub last_error: Option<String>,
}

impl Control {
    /// One archive with all that is known of it.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`].
    pub async fn archive_details(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<ArchiveDetails, ControlError> {
        self.store
            .read_tx("control.archives.details", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (cluster, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    let job = jobs::get(tx, id).await?;
                    let waits = stored.archive.state.is_active();
                    Ok::<_, ControlError>(ArchiveDetails {
                        level: cluster.cluster.level,
                        level_at_creation: stored.level,
                        hold: stored.hold,
                        expiry_set_at: stored.expiry_set_at,
                        totals: totals(tx, id).await?,
                        next_look_at: job.as_ref().filter(|_| waits).map(|job| job.due_at),
                        last_error: job.and_then(|job| job.last_error),
                        archive: stored.archive,
                    })
                })
            })
            .await
    }

    /// The runs of an archive, newest first; one under way shows how far it is.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`].
    pub async fn list_runs(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        paging: Paging,
    ) -> Result<Page<RunView>, ControlError> {
        let now_ms = self.runtime.now_ms();
        self.store
            .read_tx("control.runs.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    archive_in(tx, &witness, cluster_name, id).await?;
                    let listed = runs::list(tx, id, store_page(paging)).await?;
                    Ok(api_page(listed.map(|run| run_view(run, now_ms))))
                })
            })
            .await
    }

    /// One run, and a page of the documents that it names.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`], and `RESOURCE_NOT_FOUND` for the run.
    pub async fn get_run(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
        (run_id, paging): (JobId, Paging),
    ) -> Result<(RunView, Page<RunDocumentView>), ControlError> {
        let now_ms = self.runtime.now_ms();
        self.store
            .read_tx("control.runs.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    archive_in(tx, &witness, cluster_name, id).await?;
                    let run = runs::get(tx, id, run_id).await.map_err(|error| match error {
                        StoreError::Missing { .. } => {
                            Problem::resource_not_found(format!("Run with id {run_id}")).into()
                        }
                        other => ControlError::from(other),
                    })?;
                    let named = runs::documents(tx, run_id, store_page(paging)).await?;
                    let named = api_page(named.map(document_view));
                    Ok::<_, ControlError>((run_view(run, now_ms), named))
                })
            })
            .await
    }
}

async fn totals(tx: &mut Tx<'_>, id: ArchiveId) -> Result<Totals, ControlError> {
    let all = runs::list(tx, id, portolan_store::Page::ALL).await?;
    let mut totals = Totals::default();
    for run in all.items {
        totals.documents += run.documents_moved;
        totals.bytes_read += run.bytes_read;
        totals.bytes_stored += run.bytes_stored;
        totals.files += run.files;
        totals.runs += i64::from(run.ended_at.is_some());
    }
    Ok(totals)
}

fn run_view(mut run: ArchiveRun, now_ms: EpochMs) -> RunView {
    let rates = rates(&run, now_ms);
    if run.ended_at.is_none() && run.phase_since > 0 {
        // The phase that it is in counts until now.
        let phase = run.phase.clone();
        run.enter(&phase, now_ms);
    }
    RunView {
        id: run.id.to_string(),
        level: run.level.as_str(),
        phase: run.phase,
        counts: vec![
            ("bytesRead", run.bytes_read),
            ("bytesStored", run.bytes_stored),
            ("documentsDeleted", run.documents_deleted),
            ("documentsKept", run.documents_kept),
            ("documentsMoved", run.documents_moved),
            ("documentsRead", run.documents_read),
            ("documentsSkipped", run.documents_skipped),
            ("documentsVanished", run.documents_vanished),
            ("files", run.files),
            ("moves", run.moves),
            ("waitedMs", run.waited_ms),
        ],
        waiting_for: run.waiting_for,
        error: run.error,
        started_at: run.started_at,
        ended_at: run.ended_at,
        rates,
        phases: run.phases,
    }
}

/// Documents moved and bytes read in a second, with one decimal.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
fn rates(run: &ArchiveRun, now_ms: EpochMs) -> (f64, f64) {
    let ms = run.ended_at.unwrap_or(now_ms).saturating_sub(run.started_at).max(1);
    let rate = |count: i64| (count as f64 * 10_000.0 / ms as f64).round() / 10.0;
    (rate(run.documents_moved), rate(run.bytes_read))
}

fn document_view(document: runs::RunDocument) -> RunDocumentView {
    RunDocumentView {
        kind: document.kind.as_str(),
        document: document.document,
        reason: document.reason,
    }
}
