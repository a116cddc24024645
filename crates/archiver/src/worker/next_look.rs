//! When to look at an archive again.

use portolan_model::{ArchiveEvent, ArchiveId, GuardLevel};
use portolan_store::jobs::{ArchiveJob, Cold};

use super::Shared;
use crate::load::Hindrance;
use crate::{ArchiverError, ArchiverOptions};

/// Distance between looks at an archive that waits for its window or its collection.
pub(super) const WAITING_MS: i64 = 60_000;

/// What a look came to.
pub(super) enum Look {
    Ran {
        documents: i64,
        level: GuardLevel,
        left: Option<Cold>,
    },
    Quiet(Cold),
    Resting,
    Waiting,
    /// The cluster may not be burdened now.
    Hindered(Hindrance),
    Orphaned,
    Busy,
    /// Its table is being removed, or is gone.
    Purged,
}

/// When to look next, and what else happens to the archive.
pub(super) fn next_look(
    mut job: ArchiveJob,
    ended: Result<Look, ArchiverError>,
    shared: &Shared,
) -> (ArchiveJob, Option<ArchiveEvent>) {
    let (options, now_ms) = (&shared.options, shared.runtime.now_ms());
    let wait_ms;
    let mut event = None;
    job.waiting_for = None;
    match ended {
        Ok(look) => {
            (job.failures, job.last_error) = (0, None);
            job.run_requested &= matches!(look, Look::Busy | Look::Waiting | Look::Hindered(_));
            wait_ms = after(&mut job, &look, options);
            if let Look::Hindered(why) = look {
                job.waiting_for = Some(why.to_string());
                shared.metrics.waited(why.reason(), wait_ms.unsigned_abs());
            }
            event = matches!(look, Look::Orphaned).then_some(ArchiveEvent::CollectionLost);
        }
        Err(ArchiverError::Stopping) => wait_ms = 0,
        Err(error) => {
            job.failures += 1;
            job.last_error = Some(error.to_string());
            wait_ms = backoff_ms(job.failures, options);
            event = suspension(&error, job.archive_id);
        }
    }
    job.due_at = now_ms.saturating_add(wait_ms);
    (job, event)
}

/// The event of an error that suspends this archive.
pub(super) fn suspension(error: &ArchiverError, id: ArchiveId) -> Option<ArchiveEvent> {
    match error {
        ArchiverError::Suspended { archive_id, reason, .. } if *archive_id == id => {
            Some(ArchiveEvent::Suspended(*reason))
        }
        _ => None,
    }
}

fn after(job: &mut ArchiveJob, look: &Look, options: &ArchiverOptions) -> i64 {
    match look {
        Look::Ran { documents, level, left } => {
            job.level = Some(*level);
            job.cold = *left;
            job.full_windows = match left {
                Some(cold) if cold.documents > 0 => job.full_windows + 1,
                Some(_) => 0,
                None => job.full_windows,
            };
            job.interval_ms =
                if *documents > 0 { options.interval_ms } else { longer(job, options) };
            job.interval_ms
        }
        Look::Quiet(cold) => {
            job.cold = Some(*cold);
            job.full_windows = 0;
            job.interval_ms = longer(job, options);
            job.interval_ms
        }
        Look::Resting => {
            job.interval_ms = longer(job, options);
            job.interval_ms
        }
        Look::Waiting | Look::Orphaned => {
            // A window that opens begins with the shortest distance.
            job.interval_ms = options.interval_ms;
            WAITING_MS.min(options.interval_ms)
        }
        Look::Hindered(_) => WAITING_MS.min(options.interval_ms),
        // Never asked for: whoever has the lease, or purged, sets the next look.
        Look::Busy | Look::Purged => job.interval_ms,
    }
}

/// The distance between looks grows by one step each time there was too little to move.
fn longer(job: &ArchiveJob, options: &ArchiverOptions) -> i64 {
    job.interval_ms.saturating_add(options.interval_ms).min(options.interval_max_ms)
}

pub(super) fn backoff_ms(failures: i64, options: &ArchiverOptions) -> i64 {
    options.backoff_after(failures)
}
