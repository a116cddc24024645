//! Schedules on simulated time: when runs begin, and what happens when a window closes.

use portolan_model::{Schedule, TimeOfDay, Window};
use portolan_runtime::{Fate, FaultPlan};

use super::world::{NOW_MS, World};
use crate::{LoadHours, effects};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// [`NOW_MS`] is on Tuesday, 14 November 2023.
const MIDNIGHT_MS: i64 = NOW_MS - NOW_MS % DAY_MS;

fn window(start: u8, end: u8) -> Window {
    let time = |hour| TimeOfDay { hour, minute: 0 };
    Window::new(time(start), time(end)).expect("long enough")
}

impl World {
    /// Moves the clock to this time, and looks.
    async fn look_at(&mut self, at_ms: i64) {
        let ahead_ms = u64::try_from(at_ms - self.runtime.now_ms()).expect("time goes forward");
        self.clock.advance_ms(ahead_ms);
        self.pass(FaultPlan::none()).await;
    }
}

#[tokio::test]
async fn nothing_runs_before_its_window() {
    let monthly = Schedule::monthly(window(2, 4), 17).expect("a day");
    let weekly = Schedule::weekly(window(2, 4), 5).expect("a day");
    for (schedule, day) in [(Schedule::Daily(window(2, 4)), 1), (weekly, 3), (monthly, 3)] {
        let mut world = World::with_flights().await;
        world.set_schedule(schedule).await;
        world.pass(FaultPlan::none()).await;
        for earlier in 1..day {
            world.look_at(MIDNIGHT_MS + earlier * DAY_MS + 3 * HOUR_MS).await;
        }
        world.look_at(MIDNIGHT_MS + day * DAY_MS + 2 * HOUR_MS - 120_000).await;
        assert_eq!(world.live().len(), 12, "{schedule:?}: the window is not open");
        world.look_at(MIDNIGHT_MS + day * DAY_MS + 2 * HOUR_MS + 120_000).await;
        assert_eq!(world.live().len(), 2, "{schedule:?}: it is open");
    }
}

#[tokio::test]
async fn a_month_without_that_day_is_skipped() {
    let mut world = World::with_flights().await;
    world.set_schedule(Schedule::monthly(window(2, 4), 31).expect("a day")).await;
    for day in 1..=46 {
        world.look_at(MIDNIGHT_MS + day * DAY_MS + 3 * HOUR_MS).await;
        assert_eq!(world.live().len(), 12, "day {day}: November has no 31st");
    }
    world.look_at(MIDNIGHT_MS + 47 * DAY_MS + 3 * HOUR_MS).await;
    assert_eq!(world.live().len(), 0, "31 December: by now everything is cold");
}

/// The move under way is finished, and none begins after the window closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_closes_ends_the_run_after_its_move() {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 4;
    world.set_schedule(Schedule::Daily(window(2, 4))).await;
    world.pass(FaultPlan::none()).await;
    let all = world.live();
    world.clock.advance_ms(
        u64::try_from(MIDNIGHT_MS + DAY_MS + 4 * HOUR_MS - 10_000 - world.runtime.now_ms())
            .expect("later"),
    );
    world.pass(FaultPlan::none().with(effects::DELETE, 1, Fate::Delayed { ms: 20_000 })).await;
    world.assert_moved(&all, "the window closed").await;
    assert_eq!(world.live().len(), 8, "one move, finished");
    assert_eq!(world.runs().await[0].phase, "DONE");
    world.look_at(MIDNIGHT_MS + DAY_MS + 6 * HOUR_MS).await;
    assert_eq!(world.live().len(), 8);
    world.look_at(MIDNIGHT_MS + 2 * DAY_MS + 2 * HOUR_MS + 120_000).await;
    assert_eq!(world.live().len(), 2, "it goes on in the next window");
}

/// One that is left with something cold counts; one in which all of it was moved begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_that_are_too_short_are_counted() {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 1;
    // Most of a minute for a document.
    world.options.load.usual.bytes_per_s = 2;
    world.set_schedule(Schedule::Daily(window(2, 4))).await;
    world.pass(FaultPlan::none()).await;
    for day in 1..=3 {
        world.look_at(MIDNIGHT_MS + day * DAY_MS + 4 * HOUR_MS - 60_000).await;
        assert_eq!(world.job().await.full_windows, day);
        world.look_at(MIDNIGHT_MS + day * DAY_MS + 9 * HOUR_MS).await;
        assert_eq!(world.job().await.full_windows, day, "outside of windows nothing is counted");
    }
    world.options.load.usual.bytes_per_s = 0;
    world.look_at(MIDNIGHT_MS + 4 * DAY_MS + 2 * HOUR_MS + 120_000).await;
    assert_eq!((world.job().await.full_windows, world.live().len()), (0, 2));
}

/// The hours of a cluster hold for all its archives, whatever their schedules say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_outside_the_hours_of_its_cluster() {
    let mut world = World::with_flights().await;
    // NOW_MS is on a Tuesday.
    world.options.load.usual.hours =
        LoadHours::new(&["SAT".into(), "SUN".into()], "22:00", "02:00").expect("hours");
    world.request_run().await;
    for day in 0..4 {
        world.look_at(MIDNIGHT_MS + day * DAY_MS + 23 * HOUR_MS).await;
        assert_eq!(world.live().len(), 12, "day {day}");
    }
    let job = world.job().await;
    assert!(job.run_requested, "it is still wanted");
    assert_eq!(job.failures, 0);
    let why = job.waiting_for.expect("a reason");
    assert_eq!(why, "outside its hours, SAT, SUN 22:00 to 02:00 UTC");
    assert!(world.runs().await.is_empty());
    world.look_at(MIDNIGHT_MS + 5 * DAY_MS + HOUR_MS).await;
    assert!(world.live().len() < 12, "on Sunday at one, in the window of Saturday");
    assert_eq!(world.job().await.waiting_for, None);
}

/// What was read so far makes a move, and a move under way is finished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_under_way_when_the_hours_end_is_finished() {
    let mut world = World::with_flights().await;
    world.options.move_documents_max = 4;
    world.options.load.usual.hours = LoadHours::new(&[], "02:00", "04:00").expect("hours");
    world.clock.advance_ms(
        u64::try_from(MIDNIGHT_MS + DAY_MS + 4 * HOUR_MS - 10_000 - world.runtime.now_ms())
            .expect("later"),
    );
    let all = world.live();
    world.pass(FaultPlan::none().with(effects::DELETE, 1, Fate::Delayed { ms: 20_000 })).await;
    world.assert_moved(&all, "the hours are over").await;
    assert_eq!(world.live().len(), 8, "one move, finished");
    assert_eq!(world.runs().await[0].phase, "DONE");
    world.look_at(MIDNIGHT_MS + 2 * DAY_MS + HOUR_MS).await;
    assert_eq!(world.live().len(), 8);
    world.look_at(MIDNIGHT_MS + 2 * DAY_MS + 3 * HOUR_MS).await;
    assert_eq!(world.live().len(), 2);
}

#[tokio::test]
async fn an_operator_may_ask_for_a_run_outside_the_window() {
    let mut world = World::with_flights().await;
    world.set_schedule(Schedule::Daily(window(2, 4))).await;
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 12);
    world.request_run().await;
    world.pass(FaultPlan::none()).await;
    assert_eq!(world.live().len(), 2);
}
