//! The ways out for archives that wait for their operator: what he has to accept, and what becomes of rows
//! and documents afterwards.

use portolan_auth::Authorized;
use portolan_model::{
    Acceptance, ArchiveEvent, ArchiveState, GuardLevel, Namespace, OrgId, ProjectId, SuspendReason,
};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::archives::{self, StoredArchive};
use portolan_store::{StoreError, jobs, moves};

use super::world::{World, copy, flight, flights};
use crate::{ArchiverError, effects};

impl World {
    async fn resume(&self, accepted: &Acceptance) -> Result<(), ArchiverError> {
        let (worker, store) = self.worker(FaultPlan::none()).await;
        let resumed = self.run_clock(worker.resume(self.archive, accepted)).await;
        store.close().await;
        resumed
    }

    /// Only what is named is accepted: the text of the refusal names it, too.
    async fn accept(&self, reason: SuspendReason) {
        let state = self.state().await;
        assert_eq!(state, ArchiveState::Suspended(reason));
        let before = self.live();
        let refused = self.resume(&Acceptance::default()).await.expect_err("nothing is accepted");
        assert!(refused.to_string().contains(reason.as_str()), "{refused}");
        for other in SuspendReason::ALL.into_iter().filter(|other| *other != reason) {
            let accepted = Acceptance { reasons: vec![other], level: Some(GuardLevel::L0) };
            assert!(matches!(self.resume(&accepted).await, Err(ArchiverError::Denied(_))));
        }
        let accepted = Acceptance { reasons: vec![reason], level: Some(GuardLevel::L1) };
        self.resume(&accepted).await.expect("accepted");
        assert_eq!((self.state().await, self.live()), (state, before), "that is for the caller");
        self.happen(ArchiveEvent::Released).await;
        assert_eq!(self.state().await, ArchiveState::Paused);
        self.wake().await;
    }

    async fn wake(&self) {
        let (store, id) = (self.store(FaultPlan::none()).await, self.archive);
        store
            .run_tx::<_, StoreError, _>("test.wake", |tx| Box::pin(jobs::wake(tx, id)))
            .await
            .expect("woken");
        store.close().await;
    }

    async fn go_on(&mut self) {
        self.happen(ArchiveEvent::Resumed).await;
        self.settle().await;
        assert_eq!(self.state().await, ArchiveState::Idle);
    }

    /// Dies in the middle of a move, one batch of which is deleted.
    async fn interrupt(&mut self) {
        let lease_ttl_ms = std::mem::replace(&mut self.options.lease_ttl_ms, 300_000);
        let faults = (1..20).fold(FaultPlan::none(), |plan, passage| {
            plan.with(effects::BATCH_DONE, passage, Fate::FailsBefore)
        });
        self.wake().await;
        self.pass(faults).await;
        self.options.lease_ttl_ms = lease_ttl_ms;
        assert!((3..12).contains(&self.live().len()), "{}", self.live().len());
    }

    async fn reattach(&self, to: &Namespace, other: bool) -> Result<bool, ArchiverError> {
        let (worker, store) = self.worker(FaultPlan::none()).await;
        let placed = self.run_clock(worker.reattach(self.archive, to, other)).await;
        let (uuid, is_other) = match placed {
            Ok(placed) => placed,
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };
        let (id, witness) = (self.archive, witness());
        store
            .run_tx::<_, StoreError, _>("test.reattach", |tx| {
                let witness = &witness;
                Box::pin(async move {
                    assert!(archives::reattach(tx, witness, id, to).await?);
                    moves::pin(tx, id, uuid).await?;
                    if is_other {
                        moves::unfence(tx, id).await?;
                    }
                    jobs::wake(tx, id).await
                })
            })
            .await
            .expect("written");
        store.close().await;
        Ok(is_other)
    }
}

fn witness() -> Authorized<portolan_auth::ProjectScope> {
    Authorized::system("a test").in_project(OrgId::new([3; 12]), ProjectId::new([1; 12]))
}

#[tokio::test]
async fn a_fallen_level_is_accepted_as_far_as_the_operator_says() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.settle().await;
    world.cluster.set_level(GuardLevel::L1);
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    let too_high =
        Acceptance { reasons: vec![SuspendReason::LevelFell], level: Some(GuardLevel::L2) };
    assert!(matches!(world.resume(&too_high).await, Err(ArchiverError::Denied(_))));
    let without = Acceptance { level: None, ..too_high };
    assert!(matches!(world.resume(&without).await, Err(ArchiverError::Denied(_))));
    world.accept(SuspendReason::LevelFell).await;
    assert_eq!(world.job().await.level, Some(GuardLevel::L1));
    world.go_on().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
    world.cluster.set_level(GuardLevel::L3);
    world.cluster.insert(&flights(), [flight(51, 30, "later")]).expect("inserted");
    world.settle().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 12));
}

#[tokio::test]
async fn a_level_that_came_back_needs_no_word() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.settle().await;
    world.cluster.set_level(GuardLevel::L1);
    world.request_run().await;
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::LevelFell));
    world.cluster.set_level(GuardLevel::L3);
    world.resume(&Acceptance::default()).await.expect("nothing is wrong");
}

/// The move that was open is closed without the fence: no document is deleted, none is lost or doubled.
#[tokio::test]
async fn a_move_that_was_open_is_closed_without_another_delete() {
    for reason in [SuspendReason::LevelFell, SuspendReason::SourceOlder] {
        let mut world = World::with_flights_at(GuardLevel::L3).await;
        world.settle().await;
        let late = (20..30).map(|id| flight(id, 30 + i64::from(id), "late"));
        world.cluster.insert(&flights(), late).expect("inserted");
        let mut all = world.archived().await;
        all.extend(world.live());
        world.interrupt().await;
        match reason {
            SuspendReason::LevelFell => world.cluster.set_level(GuardLevel::L1),
            _ => world.cluster.forget_fences(),
        }
        let live = world.live();
        world.settle().await;
        world.accept(reason).await;
        world.clock.advance_ms(600_000);
        world.settle().await;
        assert_eq!(world.live(), live, "{reason:?}: nothing more is deleted");
        world.assert_moved(&all, reason.as_str()).await;
        assert_eq!(world.state().await, ArchiveState::Paused);
        world.go_on().await;
        world.assert_moved(&all, reason.as_str()).await;
        assert_eq!(world.live().len(), 2, "{reason:?}");
    }
}

/// A fence that is made anew says of every row that was confirmed before that it was moved.
#[tokio::test]
async fn a_cluster_that_was_set_back_is_accepted() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.settle().await;
    world.cluster.forget_fences();
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    world.accept(SuspendReason::SourceOlder).await;
    world.go_on().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
}

#[tokio::test]
async fn a_table_that_was_set_back_is_accepted_and_one_that_is_gone_is_not() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let table = world.table_folder();
    let backup = world.folder.path().join("backup");
    copy(&table, &backup);
    world.cluster.insert(&flights(), [flight(50, 30, "lost")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.archived().await.len(), 11);
    std::fs::remove_dir_all(&table).expect("removed");
    world.cluster.insert(&flights(), [flight(51, 30, "late")]).expect("inserted");
    world.settle().await;
    let accepted = Acceptance { reasons: vec![SuspendReason::TableOlder], level: None };
    let refused = world.resume(&accepted).await.expect_err("there is no table");
    assert!(refused.to_string().contains("no table"), "{refused}");
    copy(&backup, &table);
    world.accept(SuspendReason::TableOlder).await;
    world.go_on().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
}

#[tokio::test]
async fn an_older_journal_takes_over_what_the_table_knows() {
    let mut world = World::with_flights().await;
    let stored = world.stored().await.expect("an archive");
    let version = |criteria_version| {
        let mut stored = stored.clone();
        stored.archive.criteria_version = criteria_version;
        stored
    };
    world.write(&version(5)).await;
    world.settle().await;
    let older: StoredArchive = world.stored().await.expect("an archive");
    let archive = version(3).archive;
    let archive = portolan_model::OnlineArchive { state: older.archive.state, ..archive };
    world.write(&StoredArchive { archive, ..older }).await;
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    world.accept(SuspendReason::JournalOlder).await;
    let criteria_version = world.stored().await.expect("an archive").archive.criteria_version;
    assert_eq!(criteria_version, 5);
    world.go_on().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
}

#[tokio::test]
async fn a_table_that_somebody_took_is_taken_back() {
    for level in [GuardLevel::L1, GuardLevel::L3] {
        let mut world = World::with_flights_at(level).await;
        world.settle().await;
        world.options.owner = "them".into();
        world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
        world.settle().await;
        world.accept(SuspendReason::ForeignWriter).await;
        world.go_on().await;
        assert_eq!((world.live().len(), world.archived().await.len()), (2, 11), "{level}");
        assert_eq!(world.table().await.spec().owner, "them");
    }
}

#[tokio::test]
async fn an_archive_follows_its_collection_to_another_name() {
    for level in [GuardLevel::L1, GuardLevel::L3] {
        let mut world = World::with_flights_at(level).await;
        world.settle().await;
        let renamed = Namespace { collection: "old".into(), ..flights() };
        world.cluster.rename(&flights(), &renamed);
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Orphaned);
        assert!(matches!(world.reattach(&flights(), true).await, Err(ArchiverError::Denied(_))));
        assert!(!world.reattach(&renamed, false).await.expect("its own"));
        assert_eq!(world.table().await.spec().namespace, "air.old");
        world.cluster.insert(&renamed, [flight(50, 30, "late")]).expect("inserted");
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Paused, "its collection is there again");
        world.go_on().await;
        assert_eq!(world.cluster.documents(&renamed).len(), 2, "{level}");
        assert_eq!(world.archived().await.len(), 11, "{level}");
    }
}

/// The rows of the first collection stay, and those of the second come beside them: the fence of the new
/// one begins behind all that was confirmed.
#[tokio::test]
async fn an_archive_is_given_another_collection_only_on_its_operators_word() {
    for level in [GuardLevel::L1, GuardLevel::L3] {
        let mut world = World::with_flights_at(level).await;
        world.settle().await;
        world.cluster.drop_collection(&flights());
        world.cluster.insert(&flights(), [flight(50, 30, "new")]).expect("inserted");
        world.settle().await;
        assert_eq!(world.state().await, ArchiveState::Orphaned);
        let refused = world.reattach(&flights(), false).await.expect_err("another collection");
        assert!(refused.to_string().contains("another collection"), "{refused}");
        assert_eq!(world.state().await, ArchiveState::Orphaned);
        assert!(world.reattach(&flights(), true).await.expect("said so"));
        world.settle().await;
        assert_eq!((world.live().len(), world.archived().await.len()), (1, 10), "{level}");
        world.go_on().await;
        assert_eq!((world.live().len(), world.archived().await.len()), (0, 11), "{level}");
    }
}

/// Another engine takes the rows of the last commit out: what it left is accepted, and archiving goes on.
#[tokio::test]
async fn what_another_engine_did_is_accepted_by_name() {
    let mut world = World::with_flights_at(GuardLevel::L3).await;
    world.settle().await;
    let log = world.table_folder();
    let log = log.join("_delta_log");
    let entries = || (0..).map(|n| log.join(format!("{n:020}.json"))).take_while(|it| it.exists());
    let added = entries().find_map(|entry| {
        let text = std::fs::read_to_string(entry).expect("an entry");
        let actions = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let mut paths = actions.filter_map(|action: serde_json::Value| {
            action["add"]["path"].as_str().map(str::to_owned)
        });
        paths.next()
    });
    let remove = serde_json::json!({ "remove": {
        "path": added.expect("a file"), "dataChange": true, "deletionTimestamp": 1,
    }});
    let info = serde_json::json!({ "commitInfo": { "operation": "DELETE" } });
    let next = log.join(format!("{:020}.json", entries().count()));
    std::fs::write(next, format!("{info}\n{remove}")).expect("written");
    let left = world.archived().await.len();
    assert!(left < 10);
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    world.accept(SuspendReason::ForeignWriter).await;
    world.go_on().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, left + 1));
}
