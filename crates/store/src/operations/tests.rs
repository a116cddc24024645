//! Tests of operations and upkeep.

use portolan_model::GuardLevel;

use super::*;
use crate::archives::tests::archive;
use crate::jobs::ArchiveJob;
use crate::leases::LeaseKey;
use crate::moves::{self, Move};
use crate::runs::{self, ArchiveRun};
use crate::tests::fixture::{House, system};
use crate::tests::{in_tx, on_each_database};
use crate::upkeep::{self, Upkeep};
use crate::{archives, jobs};

const ARCHIVE: ArchiveId = ArchiveId::new([1; 12]);

fn operation(id: u8, kind: OperationKind) -> Operation {
    Operation::new(JobId::new([id; 12]), ARCHIVE, kind, "{\"a\":1}".into(), i64::from(id))
}

on_each_database! {
    async fn operations_are_queued_worked_on_and_listed(store) {
        let (first, second) =
            (&operation(1, OperationKind::Verify), &operation(2, OperationKind::Restore));
        let mut third = operation(3, OperationKind::Expiry);
        third.state = OperationState::Running;
        let third = &third;
        in_tx!(store, tx => {
            for item in [second, first, third] {
                save(tx, item).await?;
            }
            Ok::<_, StoreError>(())
        })
        .expect("stored");
        let done = &Operation {
            state: OperationState::Done,
            progress: "{\"documents\":5}".into(),
            ended_at: Some(9),
            ..first.clone()
        };
        let unfinished = in_tx!(store, tx => {
            save(tx, done).await?;
            waiting(tx, &system(), i64::MAX).await
        })
        .expect("stored");
        let ids: Vec<_> = unfinished.iter().map(|item| item.id).collect();
        // The third is no work that somebody asked for.
        assert_eq!(ids, [second.id]);
        let (found, listed) = in_tx!(store, tx => {
            end_interrupted(tx, ARCHIVE, OperationKind::Expiry).await?;
            Ok::<_, StoreError>((get(tx, ARCHIVE, done.id).await?, list(tx, ARCHIVE, Page::ALL).await?))
        })
        .expect("stored");
        let found = found.expect("it is there");
        assert_eq!(Operation { updated_at: 0, ..found }, Operation { updated_at: 0, ..done.clone() });
        assert_eq!(listed.items[0].error.as_deref(), Some("interrupted"));
        assert_eq!((listed.items.len(), listed.items[0].state), (3, OperationState::Failed));
        let left = in_tx!(store, tx => {
            forget(tx, ARCHIVE).await?;
            list(tx, ARCHIVE, Page::ALL).await
        })
        .expect("stored");
        assert!(left.items.is_empty());
    }

    async fn an_operation_that_could_not_begin_comes_last(store) {
        let (first, second) =
            (&operation(1, OperationKind::Restore), &operation(2, OperationKind::Verify));
        in_tx!(store, tx => {
            save(tx, first).await?;
            save(tx, second).await
        })
        .expect("stored");
        store.runtime().sleep_ms(2).await;
        let waiting = in_tx!(store, tx => {
            save(tx, first).await?;
            waiting(tx, &system(), 0).await
        })
        .expect("stored");
        assert_eq!(waiting.iter().map(|item| item.id).collect::<Vec<_>>(), [second.id, first.id]);
    }

    async fn only_the_newest_worker_writes_an_operation(store) {
        let item = &operation(1, OperationKind::Verify);
        let (first, none) = in_tx!(store, tx => {
            save(tx, item).await?;
            Ok::<_, StoreError>((claim(tx, item.id, 0).await?, claim(tx, item.id, 0).await?))
        })
        .expect("claimed");
        let first = &first.expect("it was free");
        assert_eq!((first.claim, first.state, none), (1, OperationState::Running, None));
        // Silent for too long, it is taken by another worker, which ends it.
        let second = in_tx!(store, tx => claim(tx, item.id, i64::MAX).await);
        let second = Operation { state: OperationState::Done, ..second.expect("read").expect("free") };
        let second = &second;
        let written = in_tx!(store, tx => {
            let late = save_claimed(tx, first).await?;
            let done = save_claimed(tx, second).await?;
            Ok::<_, StoreError>((late, done, save_claimed(tx, first).await?))
        });
        assert_eq!(written, Ok((false, true, false)));
        let found = in_tx!(store, tx => get(tx, ARCHIVE, item.id).await).expect("read");
        assert_eq!(found.expect("it is there").state, OperationState::Done);
    }

    async fn an_operation_that_failed_waits_for_its_time(store) {
        let item = &operation(1, OperationKind::Verify);
        let later = store.runtime().now_ms() + 3_600_000;
        let taken = in_tx!(store, tx => {
            save(tx, item).await?;
            let taken = claim(tx, item.id, 0).await?.expect("it was free");
            let state = OperationState::Queued;
            let back = Operation { state, failures: 1, not_before: later, ..taken };
            assert!(save_claimed(tx, &back).await?);
            let waiting = waiting(tx, &system(), i64::MAX).await?;
            Ok::<_, StoreError>((waiting, claim(tx, item.id, i64::MAX).await?))
        });
        assert_eq!(taken, Ok((vec![], None)));
    }

    async fn upkeep_is_due_while_its_archive_is_looked_after(store) {
        let house = &House::build(&store, 'a').await;
        let stored = &archive(1, house.project_id);
        let id = stored.archive.id;
        in_tx!(store, tx => archives::insert(tx, &house.project(), stored).await).expect("new");
        let due = in_tx!(store, tx => upkeep::due(tx, &system(), 0).await).expect("read");
        assert_eq!(due.iter().map(|one| one.archive_id).collect::<Vec<_>>(), [id]);
        let one = &Upkeep { archive_id: id, due_at: 7, failures: 2, last_error: Some("x".into()) };
        let (early, due) = in_tx!(store, tx => {
            upkeep::save(tx, one).await?;
            let early = upkeep::due(tx, &system(), 6).await?;
            Ok::<_, StoreError>((early, upkeep::due(tx, &system(), 7).await?))
        })
        .expect("stored");
        assert_eq!((early, due), (vec![], vec![one.clone()]));
        in_tx!(store, tx => archives::delete(tx, &house.project(), id).await).expect("deleted");
        assert_eq!(in_tx!(store, tx => upkeep::due(tx, &system(), 7).await), Ok(vec![]));
        in_tx!(store, tx => upkeep::forget(tx, id).await).expect("forgotten");
        assert_eq!(in_tx!(store, tx => upkeep::get(tx, id).await), Ok(None));
    }

    async fn archives_are_counted_by_state(store) {
        let house = &House::build(&store, 'a').await;
        let stored = &archive(1, house.project_id);
        in_tx!(store, tx => archives::insert(tx, &house.project(), stored).await).expect("new");
        let job = &ArchiveJob {
            archive_id: stored.archive.id,
            due_at: 9,
            interval_ms: 1,
            failures: 3,
            last_error: None,
            level: None,
            purged_at: None,
            run_requested: false,
            create_index: Some("x".into()),
            full_windows: 3,
            cold: Some(jobs::Cold { documents: 5, bytes: 70 }),
            waiting_for: None,
        };
        let standing = in_tx!(store, tx => {
            jobs::save(tx, job).await?;
            save(tx, &operation(1, OperationKind::Verify)).await?;
            jobs::standing(tx, &system()).await
        })
        .expect("counted");
        let state = stored.archive.state;
        let figures = jobs::StateFigures {
            state,
            archives: 1,
            failing: 1,
            without_index: 1,
            full_windows: 1,
            unfinished: 0,
            due: 1,
            due_at_min: Some(9),
            cold: jobs::Cold { documents: 5, bytes: 70 },
        };
        let expected = jobs::Standing {
            states: vec![figures.clone()],
            operations: 1,
            in_moves: 0,
            failing_upkeep: 0,
        };
        assert_eq!(standing, expected);
        let id = stored.archive.id;
        let (cluster_id, namespace) = (stored.archive.cluster_id, &stored.archive.namespace);
        let key = &LeaseKey { cluster_id, namespace: namespace.clone() };
        let run = &ArchiveRun::begin(JobId::new([8; 12]), id, GuardLevel::L1, 0);
        let standing = in_tx!(store, tx => {
            let open = Move::new(JobId::new([9; 12]), (id, run.id), key.clone(), (1, 1), 0);
            moves::save(tx, &Move { documents: 12, ..open }).await?;
            runs::save(tx, run).await?;
            let upkeep = Upkeep { archive_id: id, due_at: 0, failures: 1, last_error: None };
            upkeep::save(tx, &upkeep).await?;
            jobs::standing(tx, &system()).await
        })
        .expect("counted");
        // What a run works on does not wait for one.
        let worked_on =
            jobs::StateFigures { unfinished: 1, due: 0, due_at_min: None, ..figures };
        let expected = jobs::Standing {
            states: vec![worked_on],
            operations: 1,
            in_moves: 12,
            failing_upkeep: 1,
        };
        assert_eq!(standing, expected);
    }
}
