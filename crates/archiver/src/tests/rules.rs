//! Criteria end to end: each date format, filters with expressions and the server's time, and criteria
//! that a client changes while a move is under way.

use bson::oid::ObjectId;
use bson::{RawBson, RawDocumentBuf, rawdoc};
use portolan_model::{ArchiveEvent, ArchiveId, ArchiveState, Criteria, DateFormat, GuardLevel};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::archives::StoredArchive;

use super::world::{NOW_MS, World, by_identity, flights};
use crate::effects;

const DAY_MS: i64 = 86_400_000;

impl World {
    /// The world's archive gets other criteria, or other storage: another one stands in its place.
    pub(super) async fn replace_archive(&mut self, criteria: Criteria) {
        self.happen(ArchiveEvent::Deleted).await;
        self.archive = ArchiveId::new(self.runtime.object_id());
        self.store_archive(self.archive, criteria).await;
    }

    /// A client changes the criteria's age.
    async fn change_days(&self, days: i32) {
        let stored = self.stored().await.expect("an archive");
        let mut archive = stored.archive.clone();
        if let Criteria::Date { expire_after_days, .. } = &mut archive.criteria {
            *expire_after_days = days;
        }
        archive.criteria_version += 1;
        self.write(&StoredArchive { archive, ..stored }).await;
    }
}

async fn under(criteria: Criteria) -> World {
    let mut world = World::at(GuardLevel::L3).await;
    world.replace_archive(criteria).await;
    world
}

/// A date so many milliseconds ago, as documents of that format hold it.
fn ago(format: DateFormat, ms: i64) -> RawBson {
    let at_ms = NOW_MS - ms;
    match format {
        DateFormat::IsoDate => RawBson::DateTime(bson::DateTime::from_millis(at_ms)),
        DateFormat::EpochSeconds => RawBson::Int64(at_ms / 1_000),
        DateFormat::EpochMillis => RawBson::Int64(at_ms),
        DateFormat::EpochNanos => RawBson::Int64(at_ms * 1_000_000),
        DateFormat::ObjectId => {
            let seconds = u32::try_from(at_ms / 1_000).expect("before 2106");
            let mut id = [7; 12];
            id[..4].copy_from_slice(&seconds.to_be_bytes());
            RawBson::ObjectId(ObjectId::from_bytes(id))
        }
    }
}

fn dated(id: i32, date: RawBson) -> RawDocumentBuf {
    rawdoc! { "_id": id, "at": date, "carrier": "AA" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_date_format_moves_what_is_cold_and_only_that() {
    let formats = [
        DateFormat::IsoDate,
        DateFormat::EpochSeconds,
        DateFormat::EpochMillis,
        DateFormat::EpochNanos,
        DateFormat::ObjectId,
    ];
    for format in formats {
        let mut world =
            under(Criteria::Date { field: "at".into(), format, expire_after_days: 10 }).await;
        let cold =
            [dated(1, ago(format, 10 * DAY_MS + 2_000)), dated(2, ago(format, 400 * DAY_MS))];
        let other = if format == DateFormat::IsoDate {
            ago(DateFormat::EpochMillis, 400 * DAY_MS)
        } else {
            ago(DateFormat::IsoDate, 400 * DAY_MS)
        };
        let warm = [dated(3, ago(format, 9 * DAY_MS)), dated(4, other)];
        world.cluster.insert(&flights(), cold.clone()).expect("inserted");
        world.cluster.insert(&flights(), warm.clone()).expect("inserted");
        world.pass(FaultPlan::none()).await;
        assert_eq!(world.live(), by_identity(warm), "{format:?}");
        assert_eq!(world.archived().await, by_identity(cold), "{format:?}");
        let files = world.table().await.load().await.expect("a version").files;
        let months: Vec<_> = files.iter().filter_map(|file| file.month.as_deref()).collect();
        assert!(months.contains(&"2022-10"), "{format:?}: {months:?}");
    }
}

/// A filter that compares a field with the server's time, and one with another field.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_rule_with_expressions_goes_on_as_time_goes_by() {
    let query = r#"{"$expr": {"$and": [
        {"$lt": ["$at", {"$subtract": ["$$NOW", 864000000]}]},
        {"$gte": ["$landed", "$due"]}
    ]}}"#;
    let mut world = under(Criteria::Custom { query: query.into() }).await;
    world.options.bytes_min = 1;
    let flight = |id: i32, days: i64, landed: i32| {
        let at = bson::DateTime::from_millis(NOW_MS - days * DAY_MS);
        rawdoc! { "_id": id, "at": at, "carrier": "AA", "landed": landed, "due": 5 }
    };
    let all = [flight(1, 30, 5), flight(2, 30, 4), flight(3, 8, 5), flight(4, 8, 4)];
    world.cluster.insert(&flights(), all.clone()).expect("inserted");
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.archived().await, by_identity([all[0].clone()]));
    world.days_pass(3.0).await;
    assert_eq!(world.archived().await, by_identity([all[0].clone(), all[2].clone()]));
    assert_eq!(world.live(), by_identity([all[1].clone(), all[3].clone()]));
}

/// The rest of the move stays in the cluster: its documents may not be cold any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn criteria_that_change_in_the_middle_close_the_move() {
    for level in [GuardLevel::L3, GuardLevel::L1] {
        let mut world = World::with_flights_at(level).await;
        let all = world.live();
        // The first batch is deleted; then the journal cannot be reached.
        let plan = (1..30).fold(FaultPlan::none(), |plan, n| {
            let point = if level == GuardLevel::L3 { effects::BATCH_DONE } else { effects::BATCH };
            let n = if level == GuardLevel::L3 { n } else { n + 1 };
            plan.with(point, n, Fate::FailsBefore)
        });
        world.pass(plan).await;
        let left = world.live();
        assert_eq!(left.len(), 8, "{level}: one batch of four was deleted");
        world.change_days(365).await;
        world.settle().await;
        assert_eq!(world.live(), left, "{level}: nothing more was deleted");
        world.assert_moved(&all, &format!("{level}")).await;
        assert_eq!(world.state().await, ArchiveState::Idle);
        world.change_days(10).await;
        world.options.bytes_min = 1;
        world.settle().await;
        world.assert_moved(&all, &format!("{level}, cold again")).await;
        assert_eq!(world.live().len(), 2, "{level}: the new criteria are obeyed");
    }
}
