//! A lost control database: archives are attached again from their tables, by another installation.

use portolan_auth::Authorized;
use portolan_model::{
    ArchiveDefinition, ArchiveEvent, ArchiveRules, ArchiveState, ClusterId, ExpiryRule, FoundTable,
    GuardLevel, Hold, OnlineArchive, OrgId, ProjectId, SuspendReason,
};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::archives::{self, StoredArchive};
use portolan_store::{StoreError, moves};

use super::world::{NOW_MS, World, archive, flight, flights};
use crate::{ArchiverError, effects};

impl World {
    fn uri(&self) -> String {
        self.location().table_uri(&self.archive.to_string())
    }

    async fn find(&self) -> Result<FoundTable, ArchiverError> {
        let (worker, store) = self.worker(FaultPlan::none()).await;
        let found = worker.find_table(&self.uri()).await;
        store.close().await;
        found
    }

    /// The control database is gone; a new installation stands in its place.
    async fn lose_journal(&mut self) {
        let folder = self.folder.path().join("second");
        std::fs::create_dir_all(&folder).expect("a folder");
        self.url = portolan_store::scratch::url(&folder).await;
        self.options.owner = "them".into();
    }

    /// What an operator's command does.
    async fn attach(&self) -> FoundTable {
        let found = self.find().await.expect("a table");
        let (worker, store) = self.worker(FaultPlan::none()).await;
        let cluster = ClusterId::new([2; 12]);
        worker.take_table(cluster, &self.uri()).await.expect("taken");
        let definition = found.definition.clone().expect("a definition");
        let plain = archive(self.archive, definition.criteria, self.uri());
        let stored = StoredArchive {
            archive: OnlineArchive {
                criteria_version: found.criteria_version,
                partition_fields: found.partition_fields.clone(),
                state: ArchiveState::Paused,
                ..plain
            },
            level: GuardLevel::L1,
            expiry_set_at: found.rules.expiry.map(|rule| rule.set_at),
            rules_version: found.rules.version,
            hold: found.rules.hold.clone(),
            purging_at: None,
        };
        let moved = moves::of_table(&found, cluster, GuardLevel::L1, &self.runtime);
        let witness =
            Authorized::system("a test").in_project(OrgId::new([3; 12]), ProjectId::new([1; 12]));
        store
            .run_tx::<_, StoreError, _>("test.attach", |tx| {
                let (witness, stored, moved) = (&witness, &stored, &moved);
                Box::pin(async move {
                    archives::insert(tx, witness, stored).await?;
                    for item in moved {
                        moves::save(tx, item).await?;
                    }
                    Ok(())
                })
            })
            .await
            .expect("stored");
        store.close().await;
        found
    }
}

#[tokio::test]
async fn a_table_tells_all_of_its_archive() {
    let mut world = World::with_flights().await;
    assert!(matches!(world.find().await, Err(ArchiverError::Invalid(_))), "there is none yet");
    world.settle().await;
    let expiry = Some(ExpiryRule { expire_after_days: 90, set_at: NOW_MS });
    let hold = Some(Hold { reason: "case 7".into(), placed_by: "x".into(), placed_at: NOW_MS });
    world.set_rules(ArchiveRules { version: 2, expiry, hold: hold.clone() }).await;
    let stored = world.stored().await.expect("an archive");
    let found = world.find().await.expect("a table");
    assert_eq!((found.archive_id, found.ours), (world.archive, true));
    assert_eq!(found.namespace, flights());
    assert_eq!(found.partition_fields, stored.archive.partition_fields);
    assert_eq!(found.definition, Some(ArchiveDefinition::of(&stored.archive)));
    assert_eq!(found.date, Some(("at".into(), portolan_model::DateFormat::IsoDate)));
    assert_eq!((found.rules.expiry, found.rules.hold), (expiry, hold));
    assert_eq!((found.documents, found.confirmed, found.open), (10, 1, None));
    assert!(found.collection_uuid.is_some() && found.epoch > 0 && found.foreign.is_none());
}

#[tokio::test]
async fn a_changed_definition_reaches_the_table_with_the_next_upkeep() {
    let mut world = World::with_flights().await;
    world.settle().await;
    let window = portolan_model::Window::new(
        portolan_model::TimeOfDay { hour: 1, minute: 0 },
        portolan_model::TimeOfDay { hour: 5, minute: 0 },
    );
    let schedule = portolan_model::Schedule::Daily(window.expect("long enough"));
    world.set_schedule(schedule).await;
    world.days_pass(1.0).await;
    let found = world.find().await.expect("a table");
    assert_eq!(found.definition.expect("a definition").schedule, schedule);
}

/// Journal and owner are new; what was archived is there, and archiving goes on.
#[tokio::test]
async fn an_archive_goes_on_after_its_journal_was_lost() {
    for level in [GuardLevel::L1, GuardLevel::L3] {
        goes_on(World::with_flights_at(level).await).await;
    }
}

async fn goes_on(mut world: World) {
    world.settle().await;
    let archived = world.archived().await;
    world.lose_journal().await;
    let found = world.attach().await;
    assert!(!found.ours);
    assert!(world.find().await.expect("a table").ours);
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Paused);
    assert_eq!(world.archived().await, archived);
    world.happen(ArchiveEvent::Resumed).await;
    world.cluster.insert(&flights(), [flight(50, 30, "late"), flight(3, 40, "again")]).expect("in");
    world.settle().await;
    assert_eq!((world.live().len(), world.archived().await.len()), (2, 11));
    assert_eq!(world.state().await, ArchiveState::Idle);
}

/// A move was open when the journal was lost, at any point of its way: no document is lost or doubled,
/// and one that changed meanwhile stays in the cluster alone.
#[tokio::test]
async fn an_open_move_is_closed_from_table_and_cluster() {
    let points = [
        (effects::COMMITTED, 1..2),
        (effects::PUBLISH, 1..2),
        (effects::BATCH, 1..2),
        (effects::BATCH_DONE, 1..2),
        (effects::BATCH_DONE, 2..3),
        (effects::CONFIRM, 1..9),
    ];
    let levels = [GuardLevel::L1, GuardLevel::L3];
    let cases = levels.into_iter().flat_map(|level| points.clone().map(|point| (level, point)));
    for (level, (point, passages)) in cases {
        let context = format!("{level} {point} {passages:?}");
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        let fails = |plan: FaultPlan, n| plan.with(point, n, Fate::FailsBefore);
        // The simulated clock is fast: a busy machine must not cost the lease before the fault.
        let lease_ttl_ms = std::mem::replace(&mut world.options.lease_ttl_ms, 300_000);
        world.pass(passages.fold(FaultPlan::none(), fails)).await;
        world.options.lease_ttl_ms = lease_ttl_ms;
        world.lose_journal().await;
        let mut expected = all.clone();
        let changed = flight(9, 20 + 63, "v2");
        if world.cluster.replace(&flights(), changed.clone()).expect("replaced") {
            expected.insert(portolan_lake::identity(&changed), changed.as_bytes().to_vec());
        }
        let found = world.attach().await;
        assert_eq!(
            found.open.map(|open| (open.batches, open.documents)),
            Some((3, 10)),
            "{context}"
        );
        world.clock.advance_ms(600_000);
        world.settle().await;
        world.assert_moved(&expected, &context).await;
        assert_eq!(world.state().await, ArchiveState::Paused, "{context}");
        world.happen(ArchiveEvent::Resumed).await;
        world.settle().await;
        world.assert_moved(&expected, &context).await;
        assert_eq!(world.live().len(), 2, "{context}: archiving goes on");
    }
}

/// The installation that owned the table finds it taken, and does nothing more with it.
#[tokio::test]
async fn the_former_owner_is_locked_out() {
    for level in [GuardLevel::L1, GuardLevel::L3] {
        is_locked_out(World::with_flights_at(level).await).await;
    }
}

async fn is_locked_out(mut world: World) {
    world.settle().await;
    let (url, owner) = (world.url.clone(), world.options.owner.clone());
    world.lose_journal().await;
    world.attach().await;
    (world.url, world.options.owner) = (url, owner);
    world.cluster.insert(&flights(), [flight(50, 30, "late")]).expect("inserted");
    world.settle().await;
    assert_eq!(world.state().await, ArchiveState::Suspended(SuspendReason::ForeignWriter));
    assert_eq!((world.live().len(), world.archived().await.len()), (3, 10));
}
