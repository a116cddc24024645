//! What an operator is to be told of an archive: once when it becomes so, and once when it is over.

use portolan_store::archives::work::ArchiveAlert;
use portolan_store::jobs::ArchiveJob;

/// So many windows in a row that were too short are told (Atlas documentation, "Configure Online
/// Archive").
pub(crate) const FULL_WINDOWS: i64 = 3;

/// So many looks in a row at what is to expire that failed are told: one alone may be a storage that was
/// restarted.
const EXPIRY_FAILURES: i64 = 3;

/// What changed between two states of a job that somebody should know.
pub(crate) fn of_job<'a>(before: &ArchiveJob, now: &'a ArchiveJob) -> Vec<ArchiveAlert<'a>> {
    let index = match (before.create_index.is_some(), now.create_index.as_deref()) {
        (false, Some(line)) => Some(ArchiveAlert::IndexMissing(line)),
        (true, None) => Some(ArchiveAlert::IndexFound),
        _ => None,
    };
    let (full, still_full) =
        (before.full_windows >= FULL_WINDOWS, now.full_windows >= FULL_WINDOWS);
    let windows = match (full, still_full) {
        (false, true) => Some(ArchiveAlert::WindowsFull(now.full_windows)),
        (true, false) => Some(ArchiveAlert::UpToDate),
        _ => None,
    };
    index.into_iter().chain(windows).collect()
}

/// What changed between two looks at what is to expire.
pub(crate) fn of_upkeep(before: i64, now: i64) -> Option<ArchiveAlert<'static>> {
    match (before >= EXPIRY_FAILURES, now >= EXPIRY_FAILURES) {
        (false, true) => Some(ArchiveAlert::ExpiryFails(now)),
        (true, false) => Some(ArchiveAlert::ExpiryGoesOn),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::ArchiveId;

    use super::*;

    fn job(create_index: Option<&str>, full_windows: i64) -> ArchiveJob {
        ArchiveJob {
            archive_id: ArchiveId::new([1; 12]),
            due_at: 0,
            interval_ms: 0,
            failures: 0,
            last_error: None,
            level: None,
            purged_at: None,
            run_requested: false,
            create_index: create_index.map(str::to_owned),
            full_windows,
            cold: None,
            waiting_for: None,
        }
    }

    #[test]
    fn a_change_is_told_once() {
        use ArchiveAlert::{IndexFound, IndexMissing, UpToDate, WindowsFull};
        let told = |before: &ArchiveJob, now: &ArchiveJob, expected: &[ArchiveAlert<'_>]| {
            assert_eq!(of_job(before, now), expected, "{before:?} {now:?}");
        };
        told(&job(None, 0), &job(Some("i"), 0), &[IndexMissing("i")]);
        told(&job(Some("i"), 0), &job(Some("i"), 0), &[]);
        told(&job(Some("i"), 0), &job(None, 0), &[IndexFound]);
        told(&job(None, 1), &job(None, 2), &[]);
        told(&job(None, 2), &job(None, 3), &[WindowsFull(3)]);
        told(&job(None, 3), &job(None, 4), &[]);
        told(&job(None, 2), &job(None, 0), &[]);
        told(&job(Some("i"), 4), &job(None, 0), &[IndexFound, UpToDate]);
    }
    #[test]
    fn expiry_that_fails_again_and_again_is_told_once() {
        let told: Vec<_> =
            [0, 1, 2, 3, 4, 0, 1, 0].windows(2).map(|two| of_upkeep(two[0], two[1])).collect();
        let (fails, on) = (Some(ArchiveAlert::ExpiryFails(3)), Some(ArchiveAlert::ExpiryGoesOn));
        assert_eq!(told, [None, None, fails, None, on, None, None]);
    }
}
