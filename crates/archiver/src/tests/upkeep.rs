//! Expiry, holds, clean-up and purge on simulated time: what goes when, what never does, and that a
//! fault at any of their effects loses nothing that was to stay.

use portolan_lake::{Change, StageRequest, Table};
use portolan_model::{ArchiveEvent, ArchiveRules, ArchiveState, ExpiryRule, Hold, SuspendReason};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::operations::OperationKind;

use super::world::{World, flight, flights};
use crate::effects;

const DAY_MS: u64 = 86_400_000;

/// Ten documents of 20, 27, … 83 days are archived; the rule lets go those above 50 days.
pub(super) async fn with_rule(days: i32) -> World {
    let mut world = World::with_flights().await;
    world.settle().await;
    assert_eq!(world.archived().await.len(), 10);
    let set_at = world.runtime.now_ms();
    let expiry = Some(ExpiryRule { expire_after_days: days, set_at });
    world.set_rules(ArchiveRules { version: 2, expiry, hold: None }).await;
    world
}

fn hold(version: i64, rules: &ArchiveRules) -> ArchiveRules {
    let hold = Hold { reason: "case 7".into(), placed_by: "a test".into(), placed_at: 1 };
    ArchiveRules { version, hold: Some(hold), ..rules.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_expire_a_day_after_the_rule_was_set_and_go_on_expiring() {
    let mut world = with_rule(50).await;
    world.days_pass(0.9).await;
    assert_eq!(world.archived().await.len(), 10, "the rule is not in effect yet");
    world.days_pass(0.5).await;
    // 20, 27, 34, 41, 48 days and a good one more.
    assert_eq!(world.archived().await.len(), 5);
    let operations = world.operations().await;
    assert_eq!(operations.len(), 1, "{operations:?}");
    assert_eq!(operations[0].kind, OperationKind::Expiry);
    assert!(operations[0].progress.contains("\"documents\":5"), "{}", operations[0].progress);
    world.happen(ArchiveEvent::PauseRequested).await;
    world.cluster.set_down(true);
    world.days_pass(7.0).await;
    assert_eq!(world.archived().await.len(), 4, "neither a pause nor a dead cluster stops it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expires_while_paused_where_it_is_not_to() {
    let mut world = with_rule(50).await;
    world.options.expire_while_paused = false;
    world.happen(ArchiveEvent::PauseRequested).await;
    world.days_pass(3.0).await;
    assert_eq!(world.archived().await.len(), 10);
    world.happen(ArchiveEvent::Resumed).await;
    world.days_pass(0.5).await;
    assert_eq!(world.archived().await.len(), 4, "it goes on where it would be by now");
}

/// A table to which nothing is added any more gets a checkpoint, and its old entries go below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_a_quiet_table_is_trimmed_in_time() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let folder = world.table_folder();
    let first = folder.join("_delta_log/00000000000000000000.json");
    world.days_pass(2.0).await;
    assert!(folder.join("_delta_log/_last_checkpoint").exists());
    assert!(first.exists());
    let number = world.table().await.load().await.expect("a version").number;
    world.days_pass(27.0).await;
    assert!(first.exists(), "it is not old enough");
    world.days_pass(4.0).await;
    assert!(!first.exists());
    let version = world.table().await.load().await.expect("a version");
    assert!(version.number <= number + 4, "and hardly anything is written for it");
    assert_eq!(world.archived().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_says_what_goes_when_the_rule_takes_effect() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let preview = worker.preview_expiry(world.archive, Some(50)).await.expect("a preview");
    store.close().await;
    assert_eq!(preview.documents, 5, "{preview:?}");
    assert_eq!(preview.takes_effect_at, Some(world.runtime.now_ms() + DAY_MS as i64));
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let none = worker.preview_expiry(world.archive, None).await.expect("a preview");
    store.close().await;
    assert_eq!((none.documents, none.takes_effect_at), (0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_archived_just_now_does_not_expire_at_once() {
    let mut world = with_rule(60).await;
    world.days_pass(1.5).await;
    world.cluster.insert(&flights(), [flight(80, 400, "old")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.archived().await.len(), 7, "archived, and not expired");
    world.days_pass(2.0).await;
    assert_eq!(world.archived().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expires_under_a_hold_and_superseded_rows_stay() {
    let mut world = with_rule(50).await;
    let rules = world.stored().await.expect("an archive").rules();
    world.set_rules(hold(3, &rules)).await;
    world.days_pass(3.0).await;
    assert_eq!(world.archived().await.len(), 10);
    // A document comes back and grows cold again: its older row is flagged, not removed.
    world.cluster.insert(&flights(), [flight(3, 40, "second life")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.rows().await, (10, 1));
    world.set_rules(ArchiveRules { version: 4, ..ArchiveRules::default() }).await;
    world.days_pass(2.0).await;
    assert_eq!(world.rows().await, (10, 0), "the flagged row went, nothing else");
}

/// The control database alone, or the table alone, is not enough to let anything go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_control_database_expires_nothing_and_suspends() {
    let mut world = with_rule(50).await;
    let held = hold(9, &world.stored().await.expect("an archive").rules());
    world.table().await.commit(&Change::Rules(held)).await.expect("committed");
    world.days_pass(3.0).await;
    assert_eq!(world.archived().await.len(), 10);
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::JournalOlder));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumped_expires_nothing() {
    let mut world = with_rule(50).await;
    world.freeze_storage_clock();
    world.clock.advance_ms(400 * DAY_MS);
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.archived().await.len(), 10);
    let upkeep = world.upkeep().await.expect("looked after");
    assert!(upkeep.last_error.is_some_and(|error| error.contains("clocks")), "it says why");
}

/// Each effect of expiry and clean-up, with each fate; afterwards exactly what was to go is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_anywhere_in_the_upkeep_harms_nothing() {
    for point in [
        effects::LEASE_TAKE,
        effects::FENCE,
        effects::RULES,
        effects::EXPIRY_REWRITE,
        effects::OPERATION_START,
        effects::EXPIRE,
        effects::OPERATION_DONE,
        effects::CLEAN_UP,
        effects::UPKEEP,
        effects::LEASE_RELEASE,
    ] {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let context = format!("{point} {fate:?}");
            let mut world = with_rule(50).await;
            // One process per folder: a lease that was left behind is taken at once.
            world.options.exclusive = true;
            world.abandon_files().await;
            let rules = world.stored().await.expect("an archive").rules();
            // The table lags behind.
            world.store_rules(&ArchiveRules { version: 3, ..rules }).await;
            let left = world.archived().await;
            world.clock.advance_ms(DAY_MS + DAY_MS / 2);
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            world.days_pass(3.5).await;
            let archived = world.archived().await;
            assert_eq!(archived.len(), 4, "{context}");
            assert!(archived.iter().all(|(id, bytes)| left.get(id) == Some(bytes)), "{context}");
            assert_eq!(world.live().len(), 2, "{context}");
            assert_eq!(
                world.objects().await,
                world.table_files().await,
                "{context}: garbage stays"
            );
        }
    }
}

/// Four runs of one small file a month each.
pub(super) async fn with_small_files() -> World {
    let mut world = World::with_flights().await;
    world.settle().await;
    for n in 1..4_i32 {
        world.cluster.insert(&flights(), [flight(100 + n, 20, "later")]).expect("inserted");
        world.settle().await;
    }
    // So few are worth while from now on.
    world.options.compaction.files_min = 3;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_become_few_and_nothing_else_changes() {
    let mut world = with_small_files().await;
    let (archived, rows, files) =
        (world.archived().await, world.rows().await, world.table_files().await);
    assert_eq!(archived.len(), 13);
    world.happen(ArchiveEvent::PauseRequested).await;
    world.cluster.set_down(true);
    world.days_pass(0.4).await;
    assert!(world.table_files().await < files, "of {files} files");
    assert!(world.objects().await > world.table_files().await, "readers may need the old ones");
    world.days_pass(2.0).await;
    assert_eq!(world.objects().await, world.table_files().await);
    assert_eq!((world.archived().await, world.rows().await), (archived, rows));
    let operations = world.operations().await;
    let compactions =
        operations.iter().filter(|it| it.kind == OperationKind::Compaction).collect::<Vec<_>>();
    assert_eq!(compactions.len(), 1, "and not again: {operations:?}");
    assert!(compactions[0].progress.contains("filesWritten"), "{}", compactions[0].progress);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_archive_is_not_compacted() {
    let mut world = with_small_files().await;
    let files = world.table_files().await;
    world.set_rules(hold(2, &ArchiveRules::default())).await;
    world.days_pass(1.0).await;
    assert_eq!(world.table_files().await, files);
    assert!(world.operations().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_anywhere_in_a_compaction_harms_nothing() {
    for point in [
        effects::COMPACTION_REWRITE,
        effects::OPERATION_START,
        effects::COMPACT,
        effects::OPERATION_DONE,
    ] {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let context = format!("{point} {fate:?}");
            let mut world = with_small_files().await;
            world.options.exclusive = true;
            let (archived, files) = (world.archived().await, world.table_files().await);
            world.clock.advance_ms(DAY_MS / 3);
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            world.days_pass(2.0).await;
            assert_eq!(world.archived().await, archived, "{context}");
            assert!(world.table_files().await < files, "{context}");
            assert_eq!(world.objects().await, world.table_files().await, "{context}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_up_removes_what_no_version_names_and_nothing_else() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.abandon_files().await;
    let archived = world.archived().await;
    assert!(world.objects().await > world.table_files().await);
    world.days_pass(0.7).await;
    assert!(world.objects().await > world.table_files().await, "the grace time is not over");
    world.days_pass(1.0).await;
    assert_eq!(world.objects().await, world.table_files().await);
    assert_eq!(world.archived().await, archived);
    let operations = world.operations().await;
    assert!(operations.iter().any(|operation| operation.kind == OperationKind::CleanUp));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_whose_table_is_held_is_not_purged() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::Deleted).await;
    let held = hold(9, &ArchiveRules::default());
    world.table().await.commit(&Change::Rules(held)).await.expect("committed");
    world.days_pass(9.0).await;
    assert_eq!(world.archived().await.len(), 10);
    assert!(world.stored().await.expect("it is there").purging_at.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_table_is_swept_a_day_later_and_only_then_forgotten() {
    let mut world = World::with_flights().await;
    world.settle().await;
    world.happen(ArchiveEvent::Deleted).await;
    world.days_pass(5.5).await;
    let stored = world.stored().await.expect("until the second sweep");
    assert!(stored.purging_at.is_some());
    assert!(
        Table::open(&world.location(), &stored.archive.table_uri, &world.runtime)
            .await
            .expect("readable")
            .is_none()
    );
    // A worker that slept since then finishes its upload.
    let late = world.table_folder();
    std::fs::write(late.join("part-9-1-0123456789abcdef.parquet"), "late").expect("written");
    world.days_pass(1.5).await;
    assert!(world.stored().await.is_none());
    assert_eq!(world.objects().await, 0);
    let tombstone = late.join("_portolan_tombstone");
    assert!(!tombstone.exists(), "its place is free again");
}

/// Uploads files of a move that is never committed.
impl World {
    async fn abandon_files(&self) {
        let table = self.table().await;
        let version = table.load().await.expect("a version");
        let request = StageRequest::new(version.committed + 1, version.fence, 0);
        table.stage(request, vec![flight(900, 30, "never committed")]).await.expect("staged");
    }
}

/// A process that died after the commit left a record that is under way for ever; the next look ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_upkeep_that_was_cut_off_end() {
    let mut world = with_rule(50).await;
    world.days_pass(0.9).await;
    world.clock.advance_ms(DAY_MS / 4);
    let plan = (1..5).fold(FaultPlan::none(), |plan, n| {
        plan.with(effects::OPERATION_DONE, n, Fate::FailsBefore)
    });
    world.pass(plan).await;
    let states = |operations: Vec<portolan_store::operations::Operation>| {
        operations.iter().filter(|operation| !operation.state.is_final()).count()
    };
    assert_eq!((world.archived().await.len(), states(world.operations().await)), (5, 1));
    world.days_pass(0.5).await;
    assert_eq!((world.archived().await.len(), states(world.operations().await)), (5, 0));
}
