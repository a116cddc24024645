//! Trouble in the middle of a run: whatever it is, nothing is lost or altered, the archive says what was
//! wrong, and archiving goes on when it is over.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::TryStreamExt;
use portolan_cluster::{ClusterError, MemoryCluster};
use portolan_lake::{Location, Predicate};
use portolan_model::{ArchiveEvent, ArchiveState, GuardLevel, SuspendReason};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::archives::StoredArchive;
use tokio_util::sync::CancellationToken;

use super::door::{Call, door};
use super::world::{Documents, World, by_identity, criteria, flight, flights};
use crate::effects;

const LEVELS: [GuardLevel; 3] = [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1];
const DAY_MS: u64 = 86_400_000;

impl World {
    pub(super) async fn last_error(&self) -> String {
        self.job().await.last_error.unwrap_or_default()
    }

    /// Every row of the table, of open moves, too.
    async fn all_rows(&self) -> Documents {
        let table = self.table().await;
        let version = table.load().await.expect("a version");
        let rows = table.scan(&version, &Predicate { columns: Vec::new() }).rows();
        let rows: Vec<_> = rows.try_collect().await.expect("rows");
        by_identity(rows.into_iter().map(|row| row.doc))
    }

    /// Each of these is in the cluster or in the table, as it was.
    pub(super) async fn assert_nothing_lost(&self, all: &Documents, context: &str) {
        let (live, rows) = (self.live(), self.all_rows().await);
        for (identity, bytes) in all {
            let found = live.get(identity).or_else(|| rows.get(identity));
            assert_eq!(found, Some(bytes), "{context}");
        }
    }

    /// The trouble is over: all that is cold is moved.
    async fn assert_goes_on(mut self, all: &Documents, context: &str) {
        self.between = None;
        self.settle().await;
        self.assert_moved(all, context).await;
        assert_eq!(self.live().len(), 2, "{context}");
        assert_eq!(self.state().await, ArchiveState::Idle, "{context}");
        assert_eq!(self.last_error().await, "", "{context}");
    }

    fn log_entry(&self, number: i64) -> std::path::PathBuf {
        let table = self.table_folder();
        table.join("_delta_log").join(format!("{number:020}.json"))
    }
}

fn denied(words: &str) -> ClusterError {
    ClusterError::Denied(words.to_owned())
}

/// No renewal of a lease succeeds.
fn unrenewed() -> FaultPlan {
    (1..4_000)
        .fold(FaultPlan::none(), |plan, n| plan.with(effects::LEASE_RENEW, n, Fate::FailsBefore))
}

#[tokio::test]
async fn an_election_between_two_batches_is_waited_for() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        door(&mut world, |_, call, n| match call {
            Call::Delete if (2..4).contains(&n) => Err(stepped_down()),
            _ => Ok(()),
        });
        world.pass(FaultPlan::none()).await;
        let run = world.runs().await[0].clone();
        assert_eq!((run.phase.as_str(), run.documents_moved), ("DONE", 10), "{:?}", run.error);
        world.assert_goes_on(&all, &format!("{level}")).await;
    }
}

fn stepped_down() -> ClusterError {
    ClusterError::Unavailable("NotWritablePrimary (10107): not primary".to_owned())
}

#[tokio::test]
async fn a_cluster_without_a_primary_ends_the_run_until_it_has_one() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        door(&mut world, |_, call, n| match call {
            Call::Delete if n > 1 => Err(stepped_down()),
            _ => Ok(()),
        });
        world.pass(FaultPlan::none()).await;
        assert_eq!(world.live().len(), 8, "{level}: one batch of four is deleted");
        let error = world.last_error().await;
        assert!(error.contains("not primary"), "{level}: {error}");
        world.assert_nothing_lost(&all, &format!("{level}")).await;
        world.assert_goes_on(&all, &format!("{level}")).await;
    }
}

/// From the second batch on the server refuses whatever is asked.
#[tokio::test]
async fn credentials_that_are_revoked_in_the_middle_end_the_run_with_the_servers_words() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        let revoked = AtomicBool::new(false);
        door(&mut world, move |_, call, n| {
            revoked.fetch_or(call == Call::Delete && n == 2, Ordering::Relaxed);
            match revoked.load(Ordering::Relaxed) {
                true => Err(denied("AuthenticationFailed (18): Authentication failed.")),
                false => Ok(()),
            }
        });
        world.pass(FaultPlan::none()).await;
        world.clock.advance_ms(60_000);
        world.pass(FaultPlan::none()).await;
        assert_eq!(world.live().len(), 8, "{level}");
        let job = world.job().await;
        let error = job.last_error.expect("an error");
        assert!(job.failures > 1 && error.contains("AuthenticationFailed"), "{level}: {error}");
        world.assert_nothing_lost(&all, &format!("{level}")).await;
        world.assert_goes_on(&all, &format!("{level}")).await;
    }
}

#[tokio::test]
async fn a_user_who_may_not_delete_any_more_stops_the_deletes_alone() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        door(&mut world, |_, call, n| match call {
            Call::Delete if n > 1 => Err(denied("Unauthorized (13): not authorized on air")),
            _ => Ok(()),
        });
        world.pass(FaultPlan::none()).await;
        assert_eq!(world.live().len(), 8, "{level}");
        let error = world.last_error().await;
        assert!(error.contains("not authorized on air"), "{level}: {error}");
        world.assert_nothing_lost(&all, &format!("{level}")).await;
        world.assert_goes_on(&all, &format!("{level}")).await;
    }
}

/// The user lost the right to write database `portolan`: a lower level guarantees less, so that the operator
/// has to say.
#[tokio::test]
async fn a_user_who_may_not_write_the_fence_any_more_suspends_the_archive() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let all = world.live();
    door(&mut world, |_, call, n| match call {
        Call::Delete if n > 1 => Err(denied("Unauthorized (13): not authorized on portolan")),
        _ => Ok(()),
    });
    world.pass(FaultPlan::none()).await;
    world.between = None;
    // So much is known of a level only after a run that ended well.
    world.settle().await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.cluster.set_level(GuardLevel::L2);
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::LevelFell));
    assert_eq!(world.live().len(), 3);
    world.cluster.set_level(GuardLevel::L3);
    world.happen(ArchiveEvent::Released).await;
    world.happen(ArchiveEvent::Resumed).await;
    let late = by_identity([flight(50, 30, "late")]);
    let all = all.into_iter().chain(late).collect();
    world.assert_goes_on(&all, "the right is given back").await;
}

/// The storage fills up at each of its objects in turn: table, log, files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_is_full_ends_the_run_until_there_is_room() {
    let mut full = 0;
    for objects in 0..16 {
        let place = Location::memory();
        let mut world = World::in_place(GuardLevel::L3, Some(place.clone())).await;
        let cold = (0..10).map(|id| flight(id, 20 + i64::from(id) * 7, "v1"));
        let warm = (10..12).map(|id| flight(id, 1, "v1"));
        world.cluster.insert(&flights(), cold.chain(warm)).expect("inserted");
        let all = world.live();
        place.set_room(Some(objects));
        world.pass(FaultPlan::none()).await;
        let error = world.last_error().await;
        if world.live().len() > 2 || !error.is_empty() {
            full += 1;
            assert!(error.contains("no space left"), "room for {objects}: {error}");
        }
        place.set_room(None);
        world.assert_goes_on(&all, &format!("room for {objects}")).await;
    }
    assert!(full > 6, "{full}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_do_the_work_of_one_archive_once() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        world.options.move_documents_max = 6;
        let all = world.live();
        let (one, one_store) = world.worker(FaultPlan::none()).await;
        let (two, two_store) = world.worker(FaultPlan::none()).await;
        let shutdown = CancellationToken::new();
        for _ in 0..3 {
            let both = async { tokio::join!(one.pass(&shutdown), two.pass(&shutdown)) };
            let (first, second) = world.run_clock(both).await;
            first.expect("a pass");
            second.expect("a pass");
        }
        one_store.close().await;
        two_store.close().await;
        assert_eq!(world.live().len(), 2, "{level}");
        let runs = world.runs().await;
        let moved: i64 = runs.iter().map(|run| run.documents_moved).sum();
        assert_eq!((runs.len(), moved), (1, 10), "{level}: {runs:?}");
        world.assert_goes_on(&all, &format!("{level}")).await;
    }
}

/// Ahead or back by a day in the middle of a move, and right again a batch later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_s_clock_that_jumps_in_the_middle_loses_nothing() {
    for level in LEVELS {
        for jump_ms in [86_400_000, -86_400_000] {
            let context = format!("{level} {jump_ms}");
            let mut world = World::with_flights_at(level).await;
            let all = world.live();
            door(&mut world, move |cluster, call, n| {
                match (call, n) {
                    (Call::Delete, 1) => cluster.set_clock_skew_ms(jump_ms),
                    (Call::Delete, 2) => cluster.set_clock_skew_ms(0),
                    _ => {}
                }
                Ok(())
            });
            world.pass(FaultPlan::none()).await;
            world.cluster.set_clock_skew_ms(0);
            world.assert_nothing_lost(&all, &context).await;
            world.assert_goes_on(&all, &context).await;
        }
    }
}

/// A host whose clock is a year ahead starts nothing that a cut-off decides, and says which clocks differ.
#[tokio::test]
async fn a_host_s_clock_that_jumps_starts_no_move() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let all = world.live();
    let right = world.runtime.clone();
    world.runtime = right.ahead(365 * 86_400_000);
    world.pass(FaultPlan::none()).await;
    assert!(world.live() == all, "warm documents are not cold for a clock that jumped");
    let error = world.last_error().await;
    assert!(error.contains("clocks"), "{error}");
    world.runtime = right;
    // Its next look was planned on the wrong clock.
    world.request_run().await;
    world.assert_goes_on(&all, "the clock is right again").await;
}

/// A client makes a document old in another way while the cursor runs, which meets it once more.
#[tokio::test]
async fn a_document_that_the_cursor_meets_twice_is_moved_once_as_it_was_last() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        let last = flight(3, 77, "written while the cursor ran");
        let between = door(&mut world, |_, _, _| Ok(()));
        between.met_again.lock().expect("no panic").push(last.clone());
        world.pass(FaultPlan::none()).await;
        let run = world.runs().await[0].clone();
        assert_eq!((run.documents_moved, run.documents_kept), (10, 0), "{level}");
        let archived = world.archived().await;
        assert_eq!(archived.len(), 10, "{level}");
        assert_eq!(archived[&portolan_lake::identity(&last)], last.as_bytes(), "{level}");
    }
}

/// An operator drops the database that he does not know.
#[tokio::test]
async fn a_fence_that_is_dropped_in_the_middle_suspends_and_no_row_leaves() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let all = world.live();
    door(&mut world, |cluster, call, n| {
        if (call, n) == (Call::Delete, 2) {
            cluster.forget_fences();
        }
        Ok(())
    });
    world.pass(FaultPlan::none()).await;
    world.between = None;
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::SourceOlder));
    assert!(world.last_error().await.contains("the cluster has no fence"));
    assert_eq!(world.live().len(), 8);
    world.assert_nothing_lost(&all, "rows of a batch that was deleted stay").await;
}

/// Without records that the fence counts nothing is concluded from a document's absence.
#[tokio::test]
async fn fewer_kept_records_than_are_counted_take_no_row_of_a_deleted_document() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let changed = flight(3, 1, "updated by a client");
    let clients = changed.clone();
    door(&mut world, move |cluster: &MemoryCluster, call, n| {
        if (call, n) == (Call::Delete, 1) {
            cluster.replace(&flights(), clients.clone())?;
        }
        if call == Call::Close {
            cluster.forget_kept();
        }
        Ok(())
    });
    let mut all = world.live();
    all.insert(portolan_lake::identity(&changed), changed.as_bytes().to_vec());
    world.pass(FaultPlan::none()).await;
    world.between = None;
    world.settle().await;
    world.assert_moved(&all, "the journal remembers what the cluster forgot").await;
    assert_eq!(world.live().len(), 3);
}

/// The control database is as it was before the archive's first move.
#[tokio::test]
async fn an_open_move_that_the_journal_does_not_know_suspends() {
    for level in LEVELS {
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        let plan = (2..40)
            .fold(FaultPlan::none(), |plan, n| plan.with(effects::DELETE, n, Fate::FailsBefore));
        world.pass(plan).await;
        assert_eq!(world.live().len(), 8, "{level}");
        let folder = world.folder.path().join("restored");
        std::fs::create_dir_all(&folder).expect("a folder");
        world.url = portolan_store::scratch::url(&folder).await;
        world.store_archive(world.archive, criteria()).await;
        world.settle().await;
        let state = world.state().await;
        assert_eq!(state, ArchiveState::Suspended(SuspendReason::JournalOlder), "{level}");
        let error = world.last_error().await;
        assert!(error.contains("move 1 of the table is not in the journal"), "{level}: {error}");
        assert_eq!(world.live().len(), 8, "{level}");
        world.assert_nothing_lost(&all, &format!("{level}")).await;
    }
}

/// The control database is as it was before a client changed the criteria.
#[tokio::test]
async fn criteria_older_than_the_tables_suspend() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    let set_version = async |world: &World, criteria_version| {
        let stored = world.stored().await.expect("an archive");
        let archive = portolan_model::OnlineArchive { criteria_version, ..stored.archive.clone() };
        world.write(&StoredArchive { archive, ..stored }).await;
    };
    set_version(&world, 2).await;
    world.settle().await;
    assert_eq!(world.archived().await.len(), 10);
    set_version(&world, 1).await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::JournalOlder));
    let run = world.runs().await.pop().expect("a run");
    let said = [run.error, world.job().await.last_error].into_iter().flatten();
    let said = said.chain(world.upkeep().await.and_then(|it| it.last_error));
    let said: Vec<String> = said.collect();
    assert!(said.iter().any(|it| it.contains("criteria version 2")), "{said:?}");
    assert_eq!((world.live().len(), world.archived().await.len()), (3, 10));
    set_version(&world, 2).await;
    world.happen(ArchiveEvent::Released).await;
    world.happen(ArchiveEvent::Resumed).await;
    world.settle().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
}

/// A worker sleeps for a month on its way to commit; meanwhile others commit, and the log that it knew is
/// trimmed. Its entry finds its place free, and no reader will ever read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_wakes_below_a_trimmed_log_permits_nothing() {
    let mut world = World::with_flights_at(GuardLevel::L1).await;
    let plan = unrenewed().with("lake.commit", 2, Fate::Delayed { ms: 37 * DAY_MS });
    let (asleep, asleep_store) = world.worker(plan).await;
    let sleeper =
        world.runtime.spawn("sleeper", async move { asleep.pass(&CancellationToken::new()).await });
    world.run_clock(until_uploaded(&world)).await;
    let mine = world.log_entry(world.table().await.load().await.expect("a version").number + 1);
    for id in 20..28 {
        world.cluster.insert(&flights(), [flight(id, 40, "later")]).expect("inserted");
        world.settle().await;
    }
    assert_eq!(world.live().len(), 2, "others moved all of it");
    let archived = world.archived().await;
    let entry = std::fs::read(&mine).expect("somebody else's");
    world.clock.advance_ms(31 * DAY_MS);
    world.days_pass(1.0).await;
    assert!(!mine.exists(), "the log was trimmed");
    let back: Vec<_> = (0..10).map(|id| flight(id, 20 + i64::from(id) * 7, "v1")).collect();
    world.cluster.insert(&flights(), back).expect("inserted");
    let live = world.live();
    // What was sent a month ago lands.
    std::fs::write(&mine, entry).expect("written");
    world.clock.advance_ms(5 * DAY_MS);
    world.run_clock(sleeper).await.expect("no panic").ok();
    asleep_store.close().await;
    assert!(world.live() == live, "and nothing was deleted for it");
    assert_eq!(world.archived().await, archived, "no reader sees it");
}

async fn until_uploaded(world: &World) {
    loop {
        world.runtime.sleep_ms(1_000).await;
        let folder = world.table_folder();
        if folder.exists() && world.objects().await > 0 {
            // Until it has verified them, too, and asks for the newest version.
            world.runtime.sleep_ms(30_000).await;
            return;
        }
    }
}
