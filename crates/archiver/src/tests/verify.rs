//! What verify, estimate and statistics tell of an archive that is not as it should be, and of one that is.

use std::fs::File;
use std::time::{Duration, SystemTime};

use portolan_model::ArchiveEvent;
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::{OperationKind, OperationState};
use serde_json::Value;

use super::operations::done;
use super::world::{NOW_MS, World, copy, flight, flights};
use crate::{Prices, effects};

async fn verified(world: &mut World) -> Value {
    done(world, OperationKind::Verify, "{}").await.1
}

fn sound(figures: &Value) -> bool {
    figures["sound"].as_bool().expect("a verdict")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_older_than_the_journal_or_gone_is_not_sound() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let (table, before) = (world.table_folder(), world.folder.path().join("before"));
    copy(&table, &before);
    world.cluster.insert(&flights(), [flight(20, 50, "later")]).expect("inserted");
    world.request_run().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    assert!(sound(&verified(&mut world).await));

    std::fs::remove_dir_all(&table).expect("removed");
    copy(&before, &table);
    let figures = verified(&mut world).await;
    assert!(!sound(&figures), "it was rolled back: {figures}");
    assert_eq!(figures["difference"]["reason"], "TABLE_OLDER");
    assert_eq!(figures["documents"], 10, "what is there is looked at all the same");

    std::fs::remove_dir_all(&table).expect("removed");
    let figures = verified(&mut world).await;
    assert!(!sound(&figures), "it is lost: {figures}");
    assert_eq!((&figures["differences"], &figures["files"]), (&1.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_another_engine_removed_are_told() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let version = world.table().await.load().await.expect("a version");
    let removed = version.files[0].path.clone();
    let remove = format!(
        r#"{{"remove":{{"path":"{removed}","dataChange":true,"deletionTimestamp":{NOW_MS}}}}}"#
    );
    let entry = format!("_delta_log/{:020}.json", version.number + 1);
    std::fs::write(world.table_folder().join(entry), remove).expect("written");
    let figures = verified(&mut world).await;
    assert!(!sound(&figures), "{figures}");
    assert_eq!(figures["difference"]["reason"], "FOREIGN_WRITER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_nothing_names_are_counted_and_harm_only_when_nobody_removes_them() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let path = world.table_folder().join("part-1-0-0123456789abcdef.parquet");
    std::fs::write(&path, "nothing").expect("written");
    let file = File::options().write(true).open(&path).expect("opened");
    let written = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
    file.set_modified(written(world.runtime.now_ms().unsigned_abs())).expect("set");
    let figures = verified(&mut world).await;
    assert_eq!((figures["extra"].as_u64(), figures["extraBytes"].as_u64()), (Some(1), Some(7)));
    assert!(sound(&figures), "{figures}");
    // Upkeep is not due, although this object is old.
    file.set_modified(written(1_000)).expect("set");
    let figures = verified(&mut world).await;
    assert_eq!((sound(&figures), &figures["extraOverdue"]), (false, &1.into()), "{figures}");
}

/// Nothing is concluded from a file that cannot be read just now, and nothing that was read is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_now_is_read_later() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let mut files = world.table().await.load().await.expect("a version").files;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let path = world.table_folder().join(&files.last().expect("a file").path);
    let aside = world.folder.path().join("aside");
    std::fs::rename(&path, &aside).expect("moved");
    std::os::unix::fs::symlink(&path, &path).expect("a loop");
    let (operation, figures) = done(&mut world, OperationKind::Verify, "{}").await;
    assert_eq!(operation.state, OperationState::Queued, "{operation:?}");
    assert!(operation.error.is_some() && operation.failures == 1);
    assert_eq!(figures["files"].as_u64(), Some(files.len() as u64 - 1), "{figures}");
    std::fs::remove_file(&path).expect("removed");
    std::fs::rename(&aside, &path).expect("moved back");
    world.clock.advance_ms(60_000);
    world.pass(FaultPlan::none()).await;
    let operation = world.operations().await.pop().expect("an operation");
    let figures: Value = serde_json::from_str(&operation.progress).expect("figures");
    assert_eq!((operation.state, operation.error), (OperationState::Done, None));
    assert_eq!((sound(&figures), figures["documents"].as_u64()), (true, Some(10)), "{figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_stays_away_ends_a_verification_in_the_end() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let file = world.table().await.load().await.expect("a version").files[0].path.clone();
    let path = world.table_folder().join(file);
    std::fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink(&path, &path).expect("a loop");
    world.queue(OperationKind::Verify, "{}").await;
    for _ in 0..12 {
        world.clock.advance_ms(5 * 60_000);
        world.pass(FaultPlan::none()).await;
    }
    let operation = world.operations().await.pop().expect("an operation");
    assert_eq!(operation.state, OperationState::Failed);
    assert!(operation.error.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_in_two_archives_of_the_collection_is_told() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let first = world.second_archive("{}").await;
    let archives = world.folder.path().join("archives");
    copy(&archives.join(first.to_string()), &archives.join(world.archive.to_string()));
    let figures = verified(&mut world).await;
    assert!(!sound(&figures), "{figures}");
    let counts = ["archivesCompared", "inOtherArchives", "doubles"].map(|name| &figures[name]);
    assert_eq!(counts, [1, 10, 0].map(Value::from).each_ref());
}

/// Copies in the cluster are no mistakes: one that returned, one that a client inserted as it was, and one
/// that it inserted otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_documents_in_the_cluster_are_told_apart() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let first = world.archived().await.into_values().next().expect("a document");
    let equal = bson::RawDocumentBuf::from_bytes(first).expect("a document");
    let (restored, _) =
        done(&mut world, OperationKind::Restore, r#"{"filter": "{\"_id\": 7}"}"#).await;
    assert_eq!(restored.state, OperationState::Done, "{:?}", restored.error);
    world.happen(ArchiveEvent::PauseRequested).await;
    world.cluster.insert(&flights(), [equal, flight(5, 1, "anew")]).expect("inserted");
    let request = r#"{"againstCluster": true}"#;
    let (_, figures) = done(&mut world, OperationKind::Verify, request).await;
    assert!(sound(&figures), "{figures}");
    let counts = ["alsoInCluster", "equalInCluster", "differentInCluster", "restoredInCluster"];
    assert_eq!(counts.map(|name| figures[name].as_u64()), [3, 2, 1, 1].map(Some), "{figures}");
    let named = figures["inCluster"].as_array().expect("a list");
    assert!(named.contains(&5.into()) && named.len() == 3, "{figures}");
}

/// What was looked up before a break is not looked up again, and not counted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_into_the_cluster_goes_on_where_it_was_cut_off() {
    let mut world = World::with_flights().await;
    world.options.exclusive = true;
    world.settle().await;
    world.happen(ArchiveEvent::PauseRequested).await;
    let all = world.archived().await.into_values();
    let all = all.map(|bytes| bson::RawDocumentBuf::from_bytes(bytes).expect("a document"));
    world.cluster.insert(&flights(), all.collect::<Vec<_>>()).expect("inserted");
    let files = world.table_files().await as u64;
    // Cut off after some files in the cluster's phase: each one before it is written down.
    for cut in [files + 2, files + 3] {
        world.queue(OperationKind::Verify, r#"{"againstCluster": true}"#).await;
        let plan = (cut..cut + 9).fold(FaultPlan::none(), |plan, n| {
            plan.with(effects::OPERATION_PROGRESS, n, Fate::FailsBefore)
        });
        world.pass(plan).await;
        world.clock.advance_ms(60_000);
        world.pass(FaultPlan::none()).await;
        let operation = world.operations().await.pop().expect("an operation");
        let figures: Value = serde_json::from_str(&operation.progress).expect("figures");
        assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
        assert_eq!(figures["equalInCluster"], 10, "{figures}");
        assert_eq!(figures["files"].as_u64(), Some(files));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_tells_what_is_held_back_and_what_storage_costs() {
    let mut world = World::with_flights().await;
    let (cluster_gb_month, archive_gb_month) = (Some(1e9), Some(1e8));
    world.options.prices = Prices { cluster_gb_month, archive_gb_month };
    world.settle().await;
    let (restored, _) = done(&mut world, OperationKind::Restore, "{}").await;
    assert_eq!(restored.state, OperationState::Done, "{:?}", restored.error);
    world.happen(ArchiveEvent::PauseRequested).await;
    world.cluster.insert(&flights(), [flight(20, 50, "cold")]).expect("inserted");
    world.queue(OperationKind::Estimate, "{}").await;
    // So few documents are not worth a note of progress.
    world.pass(FaultPlan::none().with(effects::OPERATION_PROGRESS, 1, Fate::FailsBefore)).await;
    let operation = world.operations().await.pop().expect("an operation");
    assert_eq!(operation.state, OperationState::Done, "{:?}", operation.error);
    let figures: Value = serde_json::from_str(&operation.progress).expect("figures");
    assert_eq!((&figures["documents"], &figures["heldBack"]), (&1.into(), &10.into()));
    let number = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name}: {figures}"));
    let statistics = statistics(&world).await;
    let raw = statistics.bytes_raw.expect("told") as f64;
    let expected = number("bytes") * statistics.bytes_stored as f64 / raw;
    assert!((number("expectedBytesStored") - expected).abs() < 1.0, "{figures}");
    assert!((number("monthlyCostInCluster") - number("bytes")).abs() < 0.1, "{figures}");
    let saving = number("monthlyCostInCluster") - number("monthlyCostInArchive");
    assert!((number("monthlySaving") - saving).abs() < 0.1, "{figures}");
}

async fn statistics(world: &World) -> portolan_model::ArchiveStatistics {
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let statistics = worker.statistics(world.archive).await.expect("read");
    store.close().await;
    statistics
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_tell_what_is_there_before_and_after_archiving() {
    let mut world = World::with_flights().await;
    let cold: usize = world.live().values().map(Vec::len).take(10).sum();
    world.settle().await;
    let told = statistics(&world).await;
    let day_ms = 86_400_000;
    assert_eq!((told.documents, told.bytes_raw), (10, Some(cold as u64)));
    assert_eq!(told.min_date, Some(NOW_MS - 83 * day_ms));
    assert_eq!(told.max_date, Some(NOW_MS - 20 * day_ms));
    let files = world.table().await.load().await.expect("a version").files;
    let months: std::collections::BTreeSet<_> = files.iter().map(|file| &file.month).collect();
    assert_eq!((told.files, told.partitions), (files.len() as u64, months.len() as u64));
    assert_eq!((told.partitions, told.documents_without_date), (3, 0), "August to October");
    let sizes = files.iter().map(|file| std::fs::metadata(world.table_folder().join(&file.path)));
    let size: u64 = sizes.map(|size| size.expect("a file").len()).sum();
    assert_eq!(told.bytes_stored, size);
    // Rewritten files tell it, too.
    world.queue(OperationKind::Redact, r#"{"id": "3", "reason": "a test"}"#).await;
    world.pass(FaultPlan::none()).await;
    let after = statistics(&world).await;
    let each = cold as u64 / 10;
    assert_eq!((after.documents, after.bytes_raw), (9, Some(cold as u64 - each)));
    let phases = world.runs().await.remove(0).phases;
    for phase in ["PLAN", "READ", "STAGE", "UPLOAD", "VERIFY", "COMMIT", "DELETE", "CONFIRM"] {
        assert!(phases.contains_key(phase), "{phase}: {phases:?}");
    }
}
