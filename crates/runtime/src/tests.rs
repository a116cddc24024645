//! Tests of the runtime handle.

use super::*;

#[derive(Debug, PartialEq)]
struct Failed(String);

impl From<InjectedFault> for Failed {
    fn from(fault: InjectedFault) -> Self {
        Self(fault.point().to_owned())
    }
}

#[test]
fn object_ids_carry_the_time_and_differ() {
    let (runtime, _clock) = Runtime::manual(1_700_000_000_123, 7);
    let (a, b) = (runtime.object_id(), runtime.object_id());
    assert_eq!(u32::from_be_bytes([a[0], a[1], a[2], a[3]]), 1_700_000_000);
    assert_eq!(a[4..9], b[4..9]);
    assert_ne!(a, b);
}

#[tokio::test]
async fn a_manual_clock_wakes_only_who_waited_long_enough() {
    let (runtime, clock) = Runtime::manual(0, 1);
    let sleeper = runtime.clone();
    let task = runtime.spawn("sleeper", async move { sleeper.sleep_ms(100).await });
    tokio::task::yield_now().await;
    clock.advance_ms(99);
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    clock.advance_ms(1);
    task.await.expect("the sleeper ends");
    assert_eq!(runtime.now_ms(), 100);
}

#[tokio::test]
async fn fates_are_met_at_the_named_passage() {
    let plan = FaultPlan::parse("a.b=fails_before@2, c.d=reply_lost").expect("a plan");
    let runtime = Runtime::system().with_faults(plan);
    let mut done = 0;
    for _ in 0..2 {
        let result = runtime
            .effect("a.b", async {
                done += 1;
                Ok::<_, Failed>(())
            })
            .await;
        if done == 2 || result.is_err() {
            assert_eq!(result, Err(Failed("a.b".into())));
        }
    }
    assert_eq!(done, 1);
    let lost = runtime
        .effect("c.d", async {
            done += 1;
            Ok::<_, Failed>(())
        })
        .await;
    assert_eq!((lost, done), (Err(Failed("c.d".into())), 2));
}

#[test]
fn bad_plans_name_the_entry() {
    let error = FaultPlan::parse("x=explodes").expect_err("no such fate");
    assert_eq!(error.to_string(), "fault plan entry \"x=explodes\": unknown fate");
}

#[test]
fn a_seed_repeats_itself() {
    let bytes = |seed| Runtime::manual(0, seed).0.random_bytes::<16>();
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}
