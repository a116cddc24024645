//! Tests of what clean-up may touch.

use portolan_model::{ArchiveRules, Hold};
use portolan_runtime::Runtime;

use super::*;
use crate::tests::{Fixture, fence, orders, spec, token};
use crate::{Change, StageRequest};

const DAY_MS: i64 = 86_400_000;

/// Clean-up with a day of grace, `days` after now by the store's clock.
async fn clean(fixture: &Fixture, epoch: i64, days: i64) -> Result<Leftovers, LakeError> {
    let now_ms = fixture.location.clock_ms(&Runtime::system()).await?;
    let token = token(epoch);
    fixture.table.remove_leftovers((epoch, &token), now_ms + days * DAY_MS, DAY_MS).await
}

#[test]
fn only_names_that_we_give_have_an_epoch() {
    assert_eq!(epoch_of("part-3-7-0123456789abcdef.parquet"), Some(7));
    assert_eq!(epoch_of("month=2024-01/part-3-7-0123456789abcdef.parquet"), Some(7));
    for foreign in [
        "part-00000-9d0b.snappy.parquet",
        "_delta_log/part-3-7-0123456789abcdef.parquet",
        "month=2024-01/x/part-3-7-0123456789abcdef.parquet",
        "part-3-7-0123456789abcdef-c000.parquet",
        "part-3-7-0123456789abcdef.json",
        "part-3-x-0123456789abcdef.parquet",
    ] {
        assert_eq!(epoch_of(foreign), None, "{foreign}");
    }
}

#[tokio::test]
async fn files_of_an_abandoned_move_go_once_the_fence_rose_and_the_grace_time_is_over() {
    let fixture = Fixture::new(spec()).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    fixture.archive(1, orders(0, 10)).await;
    let abandoned = fixture.table.stage(StageRequest::new(2, 1, 0), orders(50, 5)).await.unwrap();
    assert_eq!(clean(&fixture, 1, 5).await.unwrap(), Leftovers::default(), "its epoch may commit");
    fixture.table.commit(&fence(2)).await.unwrap();
    assert_eq!(clean(&fixture, 2, 0).await.unwrap(), Leftovers::default(), "it is too young");
    assert!(matches!(clean(&fixture, 1, 5).await, Err(LakeError::Fenced { .. })));
    let removed = clean(&fixture, 2, 5).await.unwrap();
    assert_eq!(removed.objects, abandoned.files.len() as u64);
    assert!(!fixture.path(&abandoned.files[0].path).exists());
    assert_eq!(fixture.rows().await.len(), 10);
}

#[tokio::test]
async fn files_that_left_the_table_stay_for_a_day_and_under_a_hold() {
    let fixture = Fixture::new(spec()).await;
    let table = &fixture.table;
    table.commit(&fence(1)).await.unwrap();
    fixture.archive(1, orders(0, 10)).await;
    let files = table.load().await.unwrap().files;
    let (id, token) = ("e".to_owned(), token(1));
    table
        .commit(&Change::Expire { id, epoch: 1, token, removes: files.clone(), adds: vec![] })
        .await
        .unwrap();
    table.commit(&fence(2)).await.unwrap();
    assert_eq!(clean(&fixture, 2, 0).await.unwrap(), Leftovers::default());
    let hold = Hold { reason: "case".into(), placed_by: "x".into(), placed_at: 0 };
    let held = ArchiveRules { version: 1, hold: Some(hold), ..ArchiveRules::default() };
    table.commit(&Change::Rules(held)).await.unwrap();
    assert!(matches!(clean(&fixture, 2, 5).await, Err(LakeError::Held(_))));
    assert!(fixture.path(&files[0].path).exists());
    table
        .commit(&Change::Rules(ArchiveRules { version: 2, ..ArchiveRules::default() }))
        .await
        .unwrap();
    assert_eq!(clean(&fixture, 2, 5).await.unwrap().objects, files.len() as u64);
}

#[tokio::test]
async fn a_trimmed_log_still_loads() {
    let fixture = Fixture::new(spec()).await;
    let table = &fixture.table;
    table.commit(&fence(1)).await.unwrap();
    for seq in 1..=11 {
        fixture.archive(seq, orders(seq as i32 * 100, 5)).await;
    }
    let now_ms = fixture.location.clock_ms(&Runtime::system()).await.unwrap();
    assert_eq!(table.trim_log(now_ms, DAY_MS).await.unwrap(), 0, "everything is young");
    assert_eq!(table.trim_log(now_ms + 9 * DAY_MS, DAY_MS).await.unwrap(), 20);
    assert!(!fixture.path("_delta_log/00000000000000000019.json").exists());
    let fresh = fixture.with_faults(portolan_runtime::FaultPlan::none()).await;
    let version = fresh.load().await.unwrap();
    assert_eq!((version.number, version.confirmed, version.fence_token), (23, 11, Some(token(1))));
    fixture.archive(12, orders(2000, 5)).await;
    assert_eq!(fixture.rows().await.len(), 60);
}
