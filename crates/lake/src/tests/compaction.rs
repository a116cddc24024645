//! Compaction: the same rows in fewer files, whatever happens beside it.

use portolan_model::{ArchiveRules, Hold};

use super::*;

/// Everything about a row that must stay: move, batch, flag, bytes.
pub(crate) type Kept = (i64, i32, Option<i64>, Vec<u8>);

pub(crate) fn kept(rows: Vec<Row>) -> Vec<Kept> {
    let mut all: Vec<Kept> = rows
        .into_iter()
        .map(|row| (row.seq, row.batch, row.superseded_by, row.doc.as_bytes().to_vec()))
        .collect();
    all.sort();
    all
}

pub(crate) const RULE: CompactionRule =
    CompactionRule { large_bytes: 1 << 20, files_min: 2, files_max: 100, raw_bytes_max: 1 << 30 };

pub(crate) fn compact_of(id: &str, compacted: &Compacted) -> Change {
    let (removes, adds) = (compacted.removes.clone(), compacted.staged.files.clone());
    Change::Compact { id: id.into(), epoch: 1, token: token(1), removes, adds }
}

/// Compacts the first group of the newest version, without committing.
async fn first_group(table: &Table) -> Compacted {
    let version = table.load().await.unwrap();
    let groups = table.compaction_plan(&version, &RULE);
    let compacted = table.compact(&version, &groups[0], &RULE).await.unwrap();
    table.verify(&compacted.staged).await.unwrap();
    compacted
}

/// Six confirmed moves of two months each.
async fn six_moves() -> Fixture {
    let fixture = Fixture::new(spec()).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    for seq in 1..=6 {
        fixture.archive(seq, orders(seq as i32 * 100, 60)).await;
    }
    fixture
}

fn log_entry(fixture: &Fixture, version: i64) -> Vec<serde_json::Value> {
    let path = fixture.path(&format!("_delta_log/{version:020}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn small_files_become_one_a_month_and_no_row_changes() {
    let fixture = six_moves().await;
    let table = &fixture.table;
    let before = fixture.rows().await;
    let archived = archived_at(table).await;
    for id in ["January", "February"] {
        let compacted = first_group(table).await;
        assert_eq!((compacted.removes.len(), compacted.staged.files.len()), (6, 1));
        table.commit(&compact_of(id, &compacted)).await.unwrap();
    }
    let version = table.load().await.unwrap();
    assert_eq!((version.files.len(), version.committed, version.confirmed), (2, 6, 6));
    assert!(version.files.iter().all(|file| (file.seq_min, file.seq_max) == (1, 6)));
    assert_eq!(kept(fixture.rows().await), kept(before));
    assert_eq!(archived_at(table).await, archived, "archived when it was");
    for file in &version.files {
        assert_eq!(table.audit_file(file).await.unwrap().problem, None, "statistics are sound");
    }
    assert_eq!(table.batch(&version, 3, 0).await.unwrap().len(), 60, "a move is found in it");
    assert!(table.compaction_plan(&version, &RULE).is_empty(), "nothing is left to do");
    let entry = log_entry(&fixture, version.number);
    let changed = |action: &serde_json::Value| action.get("dataChange").cloned();
    let files = entry.iter().filter_map(|action| action.get("add").or(action.get("remove")));
    assert!(files.map(changed).all(|changes| changes == Some(false.into())));
}

async fn archived_at(table: &Table) -> Vec<(i64, i64)> {
    let version = table.load().await.unwrap();
    let mut all = Vec::new();
    for file in &version.files {
        let rows = table.all_rows(file).await.unwrap();
        all.extend(rows.iter().map(|row| (row.place.seq, row.place.archived_at_us)));
    }
    all.sort_unstable();
    all
}

#[tokio::test]
async fn files_inside_are_sorted_so_that_pruning_works() {
    let fixture = six_moves().await;
    let compacted = first_group(&fixture.table).await;
    let file = compacted.staged.files[0].to_data_file().unwrap();
    let rows = fixture.table.all_rows(&file).await.unwrap();
    let keys: Vec<_> = rows.iter().map(|row| row.doc.get_datetime("at").unwrap()).collect();
    assert!(keys.is_sorted(), "by the first partition field");
}

#[tokio::test]
async fn what_is_large_open_few_or_of_another_size_stays() {
    let fixture = six_moves().await;
    let table = &fixture.table;
    fixture.append(7, orders(700, 60)).await;
    let version = table.load().await.unwrap();
    let planned = table.compaction_plan(&version, &RULE);
    assert_eq!(planned.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6], "not the open move");
    let many = CompactionRule { files_min: 7, ..RULE };
    assert!(table.compaction_plan(&version, &many).is_empty());
    let large = CompactionRule { large_bytes: 10, ..RULE };
    assert!(table.compaction_plan(&version, &large).is_empty());
    table.commit(&confirm(7, 1, vec![], vec![])).await.unwrap();
    fixture.archive(8, vec![big(8_000)]).await;
    let version = table.load().await.unwrap();
    let planned = table.compaction_plan(&version, &RULE);
    assert_eq!(planned.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7], "not the file of one big");
}

/// A document of January that does not compress.
fn big(id: i32) -> RawDocumentBuf {
    let mut bytes = vec![0; 200_000];
    blake3::Hasher::new().update(&id.to_le_bytes()).finalize_xof().fill(&mut bytes);
    let binary = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes };
    bson::rawdoc! { "_id": id, "at": bson::DateTime::from_millis(1_704_067_200_000), "b": binary }
}

#[tokio::test]
async fn memory_is_bounded_and_progress_is_made() {
    let fixture = six_moves().await;
    let table = &fixture.table;
    let tight = CompactionRule { raw_bytes_max: 1, ..RULE };
    let version = table.load().await.unwrap();
    let group = table.compaction_plan(&version, &tight)[0].clone();
    let compacted = table.compact(&version, &group, &tight).await.unwrap();
    assert_eq!(compacted.removes.len(), 2);
    let two_months = [version.files[0].clone(), version.files[1].clone()];
    let refused = table.compact(&version, &two_months, &RULE).await;
    assert!(matches!(refused, Err(LakeError::Invalid(_))), "{refused:?}");
}

#[tokio::test]
async fn an_append_in_between_does_no_harm() {
    let fixture = six_moves().await;
    let compacted = first_group(&fixture.table).await;
    fixture.archive(7, orders(700, 60)).await;
    let before = kept(fixture.rows().await);
    fixture.table.commit(&compact_of("c", &compacted)).await.unwrap();
    assert_eq!(kept(fixture.rows().await), before);
    assert_eq!(before.len(), 7 * 60);
}

#[tokio::test]
async fn what_left_in_between_does_not_come_back() {
    let fixture = six_moves().await;
    let table = &fixture.table;
    let compacted = first_group(table).await;
    // Document 305 is redacted while the compaction of its file is under way.
    let version = table.load().await.unwrap();
    let gone = [identity(&orders(305, 1)[0])].into_iter().collect();
    let redacted = table.redact(&version, &gone).await.unwrap();
    table.verify(&redacted.staged).await.unwrap();
    table.commit(&super::redaction::redact_of("r", &redacted)).await.unwrap();
    let refused = table.commit(&compact_of("c", &compacted)).await;
    assert!(matches!(refused, Err(LakeError::InputGone { .. })), "{refused:?}");
    let again = first_group(table).await;
    table.commit(&compact_of("c2", &again)).await.unwrap();
    let rows = fixture.rows().await;
    assert_eq!(rows.len(), 359);
    assert!(rows.iter().all(|row| row.doc.get_i32("_id").unwrap() != 305));
}

#[tokio::test]
async fn of_two_compactions_of_the_same_files_one_wins() {
    let fixture = six_moves().await;
    let (one, other) = (first_group(&fixture.table).await, first_group(&fixture.table).await);
    let before = kept(fixture.rows().await);
    fixture.table.commit(&compact_of("one", &one)).await.unwrap();
    let refused = fixture.table.commit(&compact_of("other", &other)).await;
    assert!(matches!(refused, Err(LakeError::InputGone { .. })), "{refused:?}");
    assert_eq!(kept(fixture.rows().await), before);
}

#[tokio::test]
async fn rows_that_are_missing_or_too_many_are_refused_at_the_commit() {
    let fixture = six_moves().await;
    let mut compacted = first_group(&fixture.table).await;
    compacted.removes.pop();
    let refused = fixture.table.commit(&compact_of("c", &compacted)).await;
    assert!(matches!(refused, Err(LakeError::Unverified(_))), "{refused:?}");
}

#[tokio::test]
async fn a_fenced_worker_compacts_nothing_and_a_lost_reply_commits_once() {
    let fixture = six_moves().await;
    let compacted = first_group(&fixture.table).await;
    let deaf = fixture.with_faults(FaultPlan::parse("lake.commit=reply_lost").unwrap()).await;
    let first = deaf.commit(&compact_of("c", &compacted)).await.unwrap();
    let again = deaf.commit(&compact_of("c", &compacted)).await.unwrap();
    assert_eq!((first.attempts, again.attempts, again.version), (1, 0, first.version));
    let next = first_group(&fixture.table).await;
    fixture.table.commit(&fence(2)).await.unwrap();
    let refused = fixture.table.commit(&compact_of("late", &next)).await;
    assert!(matches!(refused, Err(LakeError::Fenced { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_reader_with_an_older_pin_reads_on() {
    let fixture = six_moves().await;
    let version = fixture.table.load().await.unwrap();
    let pinned = fixture.table.scan(&version, &Predicate::default()).rows();
    let compacted = first_group(&fixture.table).await;
    fixture.table.commit(&compact_of("c", &compacted)).await.unwrap();
    let rows: Vec<Row> = pinned.try_collect().await.unwrap();
    assert_eq!(kept(rows), kept(fixture.rows().await));
}

#[tokio::test]
async fn flagged_rows_of_a_hold_stay_flagged() {
    let fixture = Fixture::new(spec()).await;
    let table = &fixture.table;
    table.commit(&fence(1)).await.unwrap();
    fixture.archive(1, orders(0, 10)).await;
    let hold = Hold { reason: "case 7".into(), placed_by: "x".into(), placed_at: 1 };
    let rules = ArchiveRules { version: 1, expiry: None, hold: Some(hold) };
    table.commit(&Change::Rules(rules)).await.unwrap();
    let mut newer = orders(0, 10);
    newer.iter_mut().for_each(|doc| doc.append(bson::cstr!("v"), 2));
    fixture.append(2, newer.clone()).await;
    let version = table.load().await.unwrap();
    let old: Vec<_> = version.files.iter().filter(|file| file.seq_max == 1).cloned().collect();
    let flag = newer.iter().map(|doc| ((1, identity(doc)), 2)).collect();
    let staged = table.rewrite_flagging(&version, &old, &Default::default(), &flag).await.unwrap();
    let change = Change::Confirm {
        seq: 2,
        epoch: 1,
        token: token(1),
        removes: old,
        adds: staged.files,
        supersedes: false,
    };
    table.commit(&change).await.unwrap();
    let before = kept(fixture.rows().await);
    assert_eq!(before.iter().filter(|row| row.2 == Some(2)).count(), 10);
    let compacted = first_group(table).await;
    table.commit(&compact_of("c", &compacted)).await.unwrap();
    assert_eq!(kept(fixture.rows().await), before);
    assert_eq!(table.load().await.unwrap().files.len(), 1);
}
