//! Another engine at work on a table in the middle of a move: it is seen before anything, or anything more, is
//! deleted, and the archive is suspended.

use portolan_model::{ArchiveState, GuardLevel, SuspendReason};
use portolan_runtime::{Fate, FaultPlan};
use tokio_util::sync::CancellationToken;

use super::door::{Call, door};
use super::world::World;
use crate::effects;

/// What another engine does to a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Foreign {
    /// Writes the files again under other names.
    Optimize,
    /// Takes the table back to what it was before.
    Restore,
    /// Removes objects.
    Vacuum,
    /// Writes other bytes under the same names.
    Overwrite,
}

const EVERY: [Foreign; 4] =
    [Foreign::Optimize, Foreign::Restore, Foreign::Vacuum, Foreign::Overwrite];

impl Foreign {
    /// Whether it leaves the log as it is.
    const fn is_silent(self) -> bool {
        matches!(self, Self::Vacuum | Self::Overwrite)
    }

    /// Does it to the files that the last entry of the log added; `None`: it added none.
    fn act(self, folder: &std::path::Path) -> Option<()> {
        let log = folder.join("_delta_log");
        let number = (0..).take_while(|n| log.join(format!("{n:020}.json")).exists()).last()?;
        let entry = std::fs::read_to_string(log.join(format!("{number:020}.json"))).ok()?;
        let actions = entry.lines().filter_map(|line| serde_json::from_str(line).ok());
        let adds: Vec<serde_json::Value> =
            actions.filter_map(|action: serde_json::Value| action.get("add").cloned()).collect();
        let mut written =
            vec![serde_json::json!({"commitInfo": {"operation": format!("{self:?}")}})];
        for add in &adds {
            let path = add["path"].as_str()?;
            let data_change = self == Self::Restore;
            written.push(serde_json::json!({"remove":
                {"path": path, "dataChange": data_change, "deletionTimestamp": 1}}));
            if self == Self::Vacuum {
                std::fs::remove_file(folder.join(path)).ok()?;
            }
            if self == Self::Overwrite {
                std::fs::write(folder.join(path), "another engine's").ok()?;
            }
            if self == Self::Optimize {
                let copy = path.replace("part-", "foreign-");
                std::fs::copy(folder.join(path), folder.join(&copy)).ok()?;
                let mut add = add.clone();
                (add["path"], add["dataChange"]) = (copy.into(), false.into());
                written.push(serde_json::json!({ "add": add }));
            }
        }
        if adds.is_empty() {
            return None;
        }
        if !self.is_silent() {
            let lines: Vec<String> = written.iter().map(ToString::to_string).collect();
            std::fs::write(log.join(format!("{:020}.json", number + 1)), lines.join("\n")).ok()?;
        }
        Some(())
    }
}

/// Between the commit and the first delete: the look that permits deleting sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_engine_does_to_a_committed_move_is_seen_before_anything_is_deleted() {
    for foreign in EVERY {
        let mut world = World::with_flights_at(GuardLevel::L3).await;
        let all = world.live();
        let plan = FaultPlan::none().with(effects::PRESENT, 1, Fate::Delayed { ms: 120_000 });
        let (worker, store) = world.worker(plan).await;
        let shutdown = CancellationToken::new();
        let folder = world.table_folder();
        let act = async {
            while foreign.act(&folder).is_none() {
                world.runtime.sleep_ms(1_000).await;
            }
        };
        let (passed, ()) =
            world.run_clock(async { tokio::join!(worker.pass(&shutdown), act) }).await;
        passed.expect("a pass");
        store.close().await;
        let error = world.last_error().await;
        let expected = if foreign.is_silent() { "not as it was" } else { "another engine" };
        assert!(error.contains(expected), "{foreign:?}: {error}");
        world.settle().await;
        let state = world.state().await;
        assert_eq!(state, ArchiveState::Suspended(SuspendReason::ForeignWriter), "{foreign:?}");
        assert!(world.live() == all, "{foreign:?}: nothing was deleted");
    }
}

/// While batches are deleted the table is looked at every minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_engine_does_between_two_batches_stops_the_deletes() {
    for foreign in EVERY {
        let mut world = World::with_flights_at(GuardLevel::L3).await;
        let all = world.live();
        let folder = world.table_folder();
        door(&mut world, move |_, call, n| {
            if call == Call::Delete && n == 1 {
                foreign.act(&folder).expect("done");
            }
            Ok(())
        });
        let minute = Fate::Delayed { ms: 70_000 };
        world.pass(FaultPlan::none().with(effects::BATCH_DONE, 1, minute)).await;
        world.settle().await;
        let live = world.live();
        assert_eq!(live.len(), 8, "{foreign:?}: no batch after the first");
        assert!(live.iter().all(|(identity, bytes)| all.get(identity) == Some(bytes)));
        let (state, error) = (world.state().await, world.last_error().await);
        let suspended = ArchiveState::Suspended(SuspendReason::ForeignWriter);
        assert_eq!(state, suspended, "{foreign:?}: {error}");
        assert!(!foreign.is_silent() || error.contains(".parquet"), "it is named: {error}");
        if foreign == Foreign::Optimize {
            world.assert_nothing_lost(&all, "rows under other names").await;
        }
    }
}
