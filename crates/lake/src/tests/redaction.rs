//! Redaction: one document is gone from the table, the files, the bounds and the log.

use std::collections::HashSet;

use portolan_model::{ArchiveRules, Hold};

use super::*;

pub(crate) fn redact_of(id: &str, redacted: &Redacted) -> Change {
    let (removes, adds) = (redacted.removes.clone(), redacted.staged.files.clone());
    Change::Redact { id: id.into(), epoch: 1, token: token(1), removes, adds }
}

fn only(id: i32) -> HashSet<Vec<u8>> {
    [identity(&orders(id, 1)[0])].into_iter().collect()
}

async fn three_moves() -> Fixture {
    let fixture = Fixture::new(spec()).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    for seq in 1..=3 {
        fixture.archive(seq, orders(seq as i32 * 100, 60)).await;
    }
    fixture
}

async fn redact(table: &Table, id: i32) -> Redacted {
    let version = table.load().await.unwrap();
    let redacted = table.redact(&version, &only(id)).await.unwrap();
    table.verify(&redacted.staged).await.unwrap();
    table.commit(&redact_of("record-1", &redacted)).await.unwrap();
    redacted
}

#[tokio::test]
async fn the_document_goes_and_every_other_row_stays() {
    let fixture = three_moves().await;
    let redacted = redact(&fixture.table, 230).await;
    assert_eq!((redacted.rows, redacted.removes.len(), redacted.staged.files.len()), (1, 1, 1));
    let rows = fixture.rows().await;
    assert_eq!(rows.len(), 179);
    assert!(rows.iter().all(|row| row.doc.get_i32("_id").unwrap() != 230));
    let version = fixture.table.load().await.unwrap();
    for file in &version.files {
        assert_eq!(fixture.table.audit_file(file).await.unwrap().problem, None);
    }
    let absent = fixture.table.redact(&version, &only(230)).await.unwrap();
    assert_eq!((absent.rows, absent.removes.len()), (0, 0), "there is nothing more of it");
}

#[tokio::test]
async fn every_version_of_the_document_goes_and_a_file_of_it_alone_has_no_successor() {
    let fixture = three_moves().await;
    fixture.archive(4, orders(230, 1)).await;
    let redacted = redact(&fixture.table, 230).await;
    assert_eq!((redacted.rows, redacted.removes.len(), redacted.staged.files.len()), (2, 2, 1));
    assert_eq!(fixture.rows().await.len(), 179);
}

/// Takes the fence over, as who redacts does, and leaves nothing of older versions.
async fn forget(fixture: &Fixture, table: &Table, epoch: i64) -> Result<Leftovers, LakeError> {
    let (token, location) = (token(epoch), &fixture.location);
    table.forget_history(location, (epoch, &token)).await
}

#[tokio::test]
async fn its_files_are_gone_and_older_pins_fail_instead_of_showing_it() {
    let fixture = three_moves().await;
    let table = &fixture.table;
    // A compaction left the files of the moves behind, for a day.
    let version = table.load().await.unwrap();
    let group = table.compaction_plan(&version, &compaction::RULE)[0].clone();
    let compacted = table.compact(&version, &group, &compaction::RULE).await.unwrap();
    table.commit(&compaction::compact_of("c", &compacted)).await.unwrap();
    let older = table.load().await.unwrap();
    table.commit(&fence(2)).await.unwrap();
    let redacted = table.redact(&table.load().await.unwrap(), &only(110)).await.unwrap();
    let (removes, adds) = (redacted.removes.clone(), redacted.staged.files.clone());
    let change = Change::Redact { id: "r".into(), epoch: 2, token: token(2), removes, adds };
    table.commit(&change).await.unwrap();
    let deaf = fixture.with_faults(FaultPlan::parse("lake.forget=reply_lost").unwrap()).await;
    assert!(forget(&fixture, &deaf, 2).await.is_err());
    assert_eq!(forget(&fixture, table, 2).await.unwrap(), Leftovers::default(), "all is gone");
    for file in group.iter().chain(&redacted.removes) {
        assert!(!fixture.path(&file.path).exists());
    }
    let pinned = table.scan(&older, &Predicate::default()).rows();
    let read: Result<Vec<Row>, _> = pinned.try_collect().await;
    assert!(matches!(read, Err(LakeError::Missing(_))), "{read:?}");
    assert_eq!(fixture.rows().await.len(), 179);
    table.commit(&fence(3)).await.unwrap();
    let refused = forget(&fixture, table, 2).await;
    assert!(matches!(refused, Err(LakeError::Fenced { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_log_is_cut_and_the_table_stays_whole() {
    let fixture = three_moves().await;
    let table = &fixture.table;
    redact(table, 100).await;
    let before = table.load().await.unwrap();
    assert!(log_names(&fixture).len() > 5);
    forget(&fixture, table, 1).await.unwrap();
    let newest = format!("{:020}", before.number);
    let names = log_names(&fixture);
    assert!(names.iter().all(|name| name.starts_with(&newest) || name == "_last_checkpoint"));
    // 100 was the least _id: no bound and no entry names it any more.
    let fresh = fixture.with_faults(FaultPlan::none()).await;
    let version = fresh.load().await.unwrap();
    assert_eq!((version.number, version.fence, version.confirmed), (before.number, 1, 3));
    assert_eq!(version.fence_token, Some(token(1)));
    assert_eq!(version.files_digest(), before.files_digest());
    let key = row::prune_key_of(&identity(&orders(100, 1)[0]), None);
    assert!(version.files.iter().all(|file| file.id_range.as_ref().unwrap().0 > key));
    // And the table goes on.
    fixture.archive(4, orders(400, 60)).await;
    assert_eq!(fixture.rows().await.len(), 239);
}

fn log_names(fixture: &Fixture) -> Vec<String> {
    let entries = std::fs::read_dir(fixture.path("_delta_log")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_hold_and_an_open_move_forbid_it() {
    let fixture = three_moves().await;
    let table = &fixture.table;
    let version = table.load().await.unwrap();
    let ready = table.redact(&version, &only(130)).await.unwrap();
    fixture.append(4, orders(400, 5)).await;
    let refused = table.commit(&redact_of("r", &ready)).await;
    assert!(matches!(refused, Err(LakeError::OpenMove { .. })), "{refused:?}");
    let version = table.load().await.unwrap();
    let refused = table.redact(&version, &only(130)).await;
    assert!(matches!(refused, Err(LakeError::OpenMove { .. })), "{refused:?}");
    table.commit(&confirm(4, 1, vec![], vec![])).await.unwrap();
    let hold = Hold { reason: "case 7".into(), placed_by: "x".into(), placed_at: 1 };
    let rules = ArchiveRules { version: 1, expiry: None, hold: Some(hold) };
    table.commit(&Change::Rules(rules)).await.unwrap();
    let refused = table.commit(&redact_of("r", &ready)).await;
    assert!(matches!(refused, Err(LakeError::Held(_))), "{refused:?}");
    let version = table.load().await.unwrap();
    let refused = table.redact(&version, &only(130)).await;
    assert!(matches!(refused, Err(LakeError::Held(_))), "{refused:?}");
    assert_eq!(fixture.rows().await.len(), 185, "nothing was lost");
}
