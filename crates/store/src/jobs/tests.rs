//! Tests of jobs.

use super::*;
use crate::tests::{in_tx, on_each_database};

fn job(id: u8) -> ArchiveJob {
    ArchiveJob {
        archive_id: ArchiveId::new([id; 12]),
        due_at: i64::from(id) * 1_000,
        interval_ms: 300_000,
        failures: 2,
        last_error: Some("the cluster said “no”".into()),
        level: Some(GuardLevel::L1),
        purged_at: None,
        run_requested: false,
        create_index: None,
        full_windows: 0,
        cold: None,
        waiting_for: None,
    }
}

on_each_database! {
    async fn jobs_are_read_back_as_written(store) {
        let (one, two) = (&job(1), &job(2));
        in_tx!(store, tx => {
            save(tx, one).await?;
            save(tx, two).await
        })
        .expect("two jobs");
        let changed = &ArchiveJob {
            due_at: i64::MAX,
            failures: 0,
            last_error: None,
            level: None,
            purged_at: Some(7),
            run_requested: true,
            create_index: Some("db.c.createIndex({ at: 1 })".into()),
            full_windows: 2,
            cold: Some(Cold { documents: 3, bytes: 4 }),
            waiting_for: Some("lag 12 s".into()),
            ..one.clone()
        };
        in_tx!(store, tx => save(tx, changed).await).expect("changed");
        let id = one.archive_id;
        assert_eq!(in_tx!(store, tx => get(tx, id).await), Ok(Some(changed.clone())));
        let absent = ArchiveId::new([3; 12]);
        assert_eq!(in_tx!(store, tx => get(tx, absent).await), Ok(None));
        let id = two.archive_id;
        assert_eq!(in_tx!(store, tx => get(tx, id).await), Ok(Some(two.clone())));
    }

    async fn waking_makes_due_and_is_noticed_each_time(store) {
        let one = &job(1);
        let id = one.archive_id;
        in_tx!(store, tx => save(tx, one).await).expect("a job");
        let mut seen = vec![one.due_at];
        for _ in 0..3 {
            in_tx!(store, tx => wake(tx, id).await).expect("woken");
            let job = in_tx!(store, tx => get(tx, id).await).expect("read").expect("a job");
            assert!(job.due_at <= 0 && !seen.contains(&job.due_at), "{seen:?}");
            seen.push(job.due_at);
        }
        let absent = ArchiveId::new([3; 12]);
        assert_eq!(in_tx!(store, tx => wake(tx, absent).await), Ok(()));
        assert_eq!(in_tx!(store, tx => get(tx, absent).await), Ok(None));
    }

    async fn a_requested_run_is_due_at_once_and_remembered(store) {
        let one = &job(1);
        let id = one.archive_id;
        in_tx!(store, tx => save(tx, one).await).expect("a job");
        in_tx!(store, tx => request_run(tx, id).await).expect("requested");
        let asked = in_tx!(store, tx => get(tx, id).await).expect("read").expect("a job");
        assert_eq!(asked, ArchiveJob { due_at: 0, run_requested: true, ..one.clone() });
        let absent = ArchiveId::new([3; 12]);
        let refused = in_tx!(store, tx => request_run(tx, absent).await);
        assert!(refused.is_err(), "there is no job to write it into");
    }
}
