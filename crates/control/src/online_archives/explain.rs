//! Why an archive is where it is, put together from the control state alone: it answers also when
//! cluster and storage do not.

use portolan_api_types::explain::{ExplainView, LastRunView};
use portolan_auth::Action;
use portolan_model::{ArchiveId, ArchiveState, ProjectId};
use portolan_store::archives::StoredArchive;
use portolan_store::jobs::ArchiveJob;
use portolan_store::leases::{self, LeaseKey};
use portolan_store::moves::Move;
use portolan_store::{Page, Tx, jobs, moves, operations, quarantine, runs, upkeep};

use super::archive_in;
use crate::access::project_in;
use crate::{Caller, Control, ControlError};

/// Files that are named.
const QUARANTINED_MAX: usize = 100;

impl Control {
    /// Why an archive is where it is.
    ///
    /// # Errors
    /// Those of [`Control::get_archive`].
    pub async fn explain_archive(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        cluster_name: &str,
        id: ArchiveId,
    ) -> Result<ExplainView, ControlError> {
        let now_ms = self.runtime.now_ms();
        self.store
            .read_tx("control.archives.explain", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (_, stored) = archive_in(tx, &witness, cluster_name, id).await?;
                    explain(tx, stored, now_ms).await
                })
            })
            .await
    }
}

async fn explain(
    tx: &mut Tx<'_>,
    stored: StoredArchive,
    now_ms: i64,
) -> Result<ExplainView, ControlError> {
    let archive = &stored.archive;
    let (cluster_id, namespace) = (archive.cluster_id, archive.namespace.clone());
    let key = LeaseKey { cluster_id, namespace };
    let job = jobs::get(tx, archive.id).await?;
    let open = moves::unfinished(tx, &key).await?;
    let open = open.into_iter().find(|item| item.archive_id == archive.id);
    let last = runs::list(tx, archive.id, Page::new(1, 0)).await?.items.pop();
    let waiting = last.as_ref().and_then(|run| run.waiting_for.as_deref());
    let kept_up = upkeep::get(tx, archive.id).await?;
    let queued = operations::unfinished(tx, archive.id).await?.len();
    let quarantined = quarantine::list(tx, archive.id).await?;
    let lease = leases::read(tx, &key).await?;
    let window_open = archive.schedule.allows(now_ms);
    Ok(ExplainView {
        state: archive.state,
        because: because(&stored, job.as_ref(), (open.as_ref(), waiting), window_open)
            + &damage(quarantined.len()),
        next_look_at: job.as_ref().map(|job| job.due_at),
        failures: job.as_ref().map_or(0, |job| job.failures),
        run_requested: job.as_ref().is_some_and(|job| job.run_requested),
        create_index: job.as_ref().and_then(|job| job.create_index.clone()),
        last_error: job.and_then(|job| job.last_error),
        window_open,
        lease: lease.map(|lease| (lease.holder, lease.epoch, lease.released)),
        open_move: open.map(|item| {
            let state = item.state.as_str();
            (item.seq, state, item.done + 1, item.batches, item.closed_because)
        }),
        last_run: last.map(|run| LastRunView {
            phase: run.phase,
            error: run.error,
            waiting_for: run.waiting_for,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }),
        upkeep: kept_up.map(|upkeep| (upkeep.due_at, upkeep.last_error)),
        hold: stored.hold,
        operations: i64::try_from(queued).unwrap_or(i64::MAX),
        quarantined: quarantined
            .into_iter()
            .take(QUARANTINED_MAX)
            .map(|file| (file.path, file.problem, file.found_at))
            .collect(),
    })
}

/// A sentence about damaged files, if there are any.
fn damage(files: usize) -> String {
    match files {
        0 => String::new(),
        1 => " One of its files is damaged and is left alone.".to_owned(),
        _ => format!(" {files} of its files are damaged and are left alone."),
    }
}

/// One sentence for people.
fn because(
    stored: &StoredArchive,
    job: Option<&ArchiveJob>,
    (open, waiting): (Option<&Move>, Option<&str>),
    window_open: bool,
) -> String {
    let error = job.and_then(|job| job.last_error.as_deref());
    if let Some(why) = waiting {
        return format!("Its run waits for the cluster: {why}.");
    }
    if let Some(item) = open.filter(|_| stored.archive.state.suspend_reason().is_none()) {
        let (seq, state) = (item.seq, item.state.as_str());
        let failed = error.map_or_else(String::new, |why| format!(" The last run failed: {why}."));
        return format!(
            "Move {seq} is {state}; it is finished before anything else happens.{failed}"
        );
    }
    let next_waits = job.and_then(|job| job.waiting_for.as_deref());
    if let (true, Some(why)) = (stored.archive.state.is_active(), next_waits) {
        return format!("Its next run waits for the cluster: {why}.");
    }
    match (stored.archive.state, error) {
        (ArchiveState::Suspended(reason), error) => {
            let detail = error.unwrap_or("see the log");
            format!("Suspended, {}: {detail}. See `archive resume`.", reason.as_str())
        }
        (ArchiveState::Paused, _) => "Paused; set `paused` to false to let it run.".to_owned(),
        (ArchiveState::Pausing, _) => "A run ends, then it is paused.".to_owned(),
        (ArchiveState::Orphaned, _) => {
            "Its collection is gone or was replaced; what it holds can be read. See `archive reattach`."
                .to_owned()
        }
        (ArchiveState::Deleted, _) => "Deleted.".to_owned(),
        (_, Some(error)) => format!("The last look failed: {error}. It is repeated."),
        (ArchiveState::Archiving, None) => "A run is under way.".to_owned(),
        (_, None) if !window_open => "It waits for the window of its schedule.".to_owned(),
        (ArchiveState::Pending, None) => "It waits for its first run.".to_owned(),
        (ArchiveState::Idle, None) => {
            "Too little is cold, or nothing; it is looked at again.".to_owned()
        }
    }
}
