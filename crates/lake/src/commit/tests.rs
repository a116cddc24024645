//! Tests of the commit loop: whatever is answered, a change is made once or not at all.

use portolan_runtime::{Fate, FaultPlan};

use super::*;
use crate::change::STAGED_MS_MAX;
use crate::tests::{Fixture, append, confirm, fence, orders, spec, token};
use crate::{StageRequest, Staged};

async fn staged(table: &Table, seq: i64, epoch: i64) -> Staged {
    let staged =
        table.stage(StageRequest::new(seq, epoch, 0), orders(seq as i32 * 100, 10)).await.unwrap();
    table.verify(&staged).await.unwrap();
    staged
}

#[tokio::test]
async fn a_lost_reply_commits_once() {
    for fixture in Fixture::everywhere(spec()).await {
        let plan = FaultPlan::parse("lake.commit=reply_lost@1,lake.commit=reply_lost@2").unwrap();
        let table = fixture.with_faults(plan).await;
        let done = table.commit(&fence(1)).await.unwrap();
        assert_eq!(done, Committed { version: 1, attempts: 1 });
        let move_1 = staged(&table, 1, 1).await;
        let done = table.commit(&append(1, 1, &move_1)).await.unwrap();
        assert_eq!(done, Committed { version: 2, attempts: 1 });
        let again = table.commit(&append(1, 1, &move_1)).await.unwrap();
        assert_eq!(again, Committed { version: 2, attempts: 0 });
        assert_eq!(fixture.rows().await.len(), 10);
    }
}

#[tokio::test]
async fn an_attempt_that_failed_is_made_again_and_in_the_end_unknown() {
    for fixture in Fixture::everywhere(spec()).await {
        let table =
            fixture.with_faults(FaultPlan::parse("lake.commit=fails_before").unwrap()).await;
        assert_eq!(table.commit(&fence(1)).await.unwrap().attempts, 2);
        let plan =
            (1..=20).fold(FaultPlan::none(), |p, n| p.with("lake.commit", n, Fate::FailsBefore));
        let table = fixture.with_faults(plan).await;
        assert!(matches!(table.commit(&fence(2)).await, Err(LakeError::Unknown(_))));
        assert_eq!(table.load().await.unwrap().fence, 1);
    }
}

#[tokio::test]
async fn a_fenced_worker_commits_nothing() {
    for fixture in Fixture::everywhere(spec()).await {
        let table = &fixture.table;
        table.commit(&fence(1)).await.unwrap();
        let move_1 = staged(table, 1, 1).await;
        table.commit(&fence(2)).await.unwrap();
        let refused = table.commit(&append(1, 1, &move_1)).await;
        assert!(matches!(refused, Err(LakeError::Fenced { fence: 2, epoch: 1 })));
        let refused = table.commit(&fence(1)).await;
        assert!(matches!(refused, Err(LakeError::Fenced { .. })));
        // The same number with another token is somebody else.
        let twin = Change::Fence { epoch: 2, token: "another".into() };
        assert!(matches!(table.commit(&twin).await, Err(LakeError::Fenced { fence: 2, epoch: 2 })));
        assert_eq!(table.commit(&fence(2)).await.unwrap().attempts, 0);
        assert!(fixture.rows().await.is_empty());
    }
}

#[tokio::test]
async fn a_commit_delayed_past_a_takeover_is_refused() {
    for fixture in Fixture::everywhere(spec()).await {
        fixture.table.commit(&fence(1)).await.unwrap();
        let move_1 = staged(&fixture.table, 1, 1).await;
        let late = fixture.with_faults(FaultPlan::parse("lake.commit=delayed:300").unwrap()).await;
        let change = append(1, 1, &move_1);
        let successor = fence(2);
        let (late, taken) = tokio::join!(late.commit(&change), fixture.table.commit(&successor));
        taken.unwrap();
        assert!(matches!(late, Err(LakeError::Fenced { fence: 2, epoch: 1 })));
        let version = fixture.table.load().await.unwrap();
        assert_eq!((version.number, version.committed, version.files.len()), (2, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_fences_the_highest_stays() {
    for fixture in Fixture::everywhere(spec()).await {
        let tables = [
            fixture.with_faults(FaultPlan::none()).await,
            fixture.with_faults(FaultPlan::none()).await,
            fixture.with_faults(FaultPlan::none()).await,
        ];
        let changes = [fence(1), fence(2), fence(3)];
        let (a, b, c) = tokio::join!(
            tables[0].commit(&changes[0]),
            tables[1].commit(&changes[1]),
            tables[2].commit(&changes[2])
        );
        c.unwrap();
        for lower in [a, b] {
            assert!(lower.is_ok() || matches!(lower, Err(LakeError::Fenced { .. })));
        }
        let version = fixture.table.load().await.unwrap();
        assert_eq!((version.fence, version.fence_token), (3, Some(token(3))));
    }
}

#[tokio::test]
async fn one_open_move_at_a_time_and_numbers_rise() {
    for fixture in Fixture::everywhere(spec()).await {
        let table = &fixture.table;
        table.commit(&fence(1)).await.unwrap();
        fixture.append(5, orders(0, 10)).await;
        let next = staged(table, 6, 1).await;
        let open = table.commit(&append(6, 1, &next)).await;
        assert!(matches!(open, Err(LakeError::OpenMove { committed: 5, confirmed: 0, seq: 6 })));
        let wrong = table.commit(&confirm(6, 1, vec![], vec![])).await;
        assert!(matches!(wrong, Err(LakeError::OpenMove { .. })));
        table.commit(&confirm(5, 1, vec![], vec![])).await.unwrap();
        assert_eq!(table.commit(&confirm(5, 1, vec![], vec![])).await.unwrap().attempts, 0);
        let below = staged(table, 4, 1).await;
        let lower = table.commit(&append(4, 1, &below)).await;
        assert!(matches!(lower, Err(LakeError::OpenMove { .. })));
        table.commit(&append(6, 1, &next)).await.unwrap();
    }
}

#[tokio::test]
async fn another_engines_removal_stops_us_until_it_is_adopted() {
    let fixture = Fixture::new(spec()).await;
    let table = &fixture.table;
    table.commit(&fence(1)).await.unwrap();
    let move_1 = fixture.append(1, orders(0, 10)).await;
    let before = table.load().await.unwrap();
    let path = &move_1.files[0].path;
    let entry = format!(
        "{{\"remove\":{{\"path\":\"{path}\",\"dataChange\":true,\"deletionTimestamp\":1}}}}"
    );
    std::fs::write(fixture.path("_delta_log/00000000000000000003.json"), entry).unwrap();

    let version = table.load().await.unwrap();
    assert_eq!((version.number, version.foreign), (3, Some(3)));
    let stopped = table.commit(&confirm(1, 1, vec![], vec![])).await;
    assert!(matches!(stopped, Err(LakeError::ForeignWriter { version: 3 })));
    let stopped = table.check_present(&move_1.files).await;
    assert!(matches!(stopped, Err(LakeError::ForeignWriter { version: 3 })));
    table.commit(&Change::Adopt { epoch: 1, token: token(1) }).await.unwrap();
    let gone = table.commit(&confirm(1, 1, before.files, vec![])).await;
    assert!(matches!(gone, Err(LakeError::InputGone { .. })));
    let gone = table.check_present(&move_1.files).await;
    assert!(matches!(gone, Err(LakeError::InputGone { .. })));
    table.commit(&confirm(1, 1, vec![], vec![])).await.unwrap();
    let fresh = fixture.with_faults(FaultPlan::none()).await.load().await.unwrap();
    assert_eq!((fresh.foreign, fresh.confirmed), (None, 1));
}

#[tokio::test]
async fn a_rewrite_is_found_by_its_id() {
    for fixture in Fixture::everywhere(spec()).await {
        let table = &fixture.table;
        table.commit(&fence(1)).await.unwrap();
        fixture.archive(1, orders(0, 10)).await;
        let version = table.load().await.unwrap();
        let drop = [(1, crate::identity(&orders(0, 1)[0]))].into_iter().collect();
        let staged = table.rewrite_without(&version, &version.files, &drop).await.unwrap();
        table.verify(&staged).await.unwrap();
        let (removes, adds) = (version.files.clone(), staged.files.clone());
        let change = Change::Rewrite {
            id: "r-1".into(),
            epoch: 1,
            token: token(1),
            removes,
            adds,
            supersedes: true,
        };
        assert_eq!(table.commit(&change).await.unwrap().attempts, 1);
        assert_eq!(table.commit(&change).await.unwrap().attempts, 0);
        assert_eq!(fixture.rows().await.len(), 9);
    }
}

#[tokio::test]
async fn old_files_and_missing_objects_are_refused() {
    let fixture = Fixture::new(spec()).await;
    let table = &fixture.table;
    table.commit(&fence(1)).await.unwrap();
    let mut old = staged(table, 1, 1).await;
    old.files[0].staged_at_ms -= STAGED_MS_MAX + 1;
    assert!(matches!(table.commit(&append(1, 1, &old)).await, Err(LakeError::Stale(_))));
    let move_1 = fixture.append(1, orders(0, 10)).await;
    std::fs::remove_file(fixture.path(&move_1.files[0].path)).unwrap();
    assert!(matches!(table.check_present(&move_1.files).await, Err(LakeError::Missing(_))));
    std::fs::write(fixture.path(&move_1.files[0].path), "short").unwrap();
    assert!(matches!(table.check_present(&move_1.files).await, Err(LakeError::Unverified(_))));
}
