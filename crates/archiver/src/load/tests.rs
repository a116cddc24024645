//! Tests of the account of one cluster, on a clock that is turned by hand.

use portolan_cluster::MemoryCluster;

use super::*;

fn load(limits: LoadLimits) -> Load {
    Load::new(limits, &ArchiverOptions::default(), ArchiverMetrics::default())
}

const NONE: LoadLimits = LoadLimits {
    bytes_per_s: 0,
    operations_per_s: 0,
    lag_ms: 0,
    latency_ms: 0,
    hours: LoadHours::ALWAYS,
};

#[test]
fn what_was_spent_is_paid_before_the_next_step() {
    let load = load(LoadLimits { bytes_per_s: 1_000, operations_per_s: 10, ..NONE });
    assert_eq!(load.debt(500), None);
    load.spend(500, 5, 2_000);
    assert_eq!(load.debt(500), Some((Hindrance::Bytes(1_000), 2_000)), "the longer debt");
    load.spend(500, 45, 0);
    assert_eq!(load.debt(500), Some((Hindrance::Operations(10), 5_000)), "5 and 45 at 10 a second");
    assert_eq!(load.debt(5_499), Some((Hindrance::Operations(10), 1)));
    assert_eq!(load.debt(5_500), None);
    load.spend(60_000, 1, 100);
    assert_eq!(load.debt(60_000).map(|(_, ms)| ms), Some(100), "idle time buys nothing");
}

/// Over a minute of steps of any size the rate is kept.
#[test]
fn the_rate_holds_over_many_steps() {
    let load = load(LoadLimits { bytes_per_s: 50_000, ..NONE });
    let (mut now_ms, mut spent) = (0, 0_u64);
    for step in 0.. {
        if now_ms >= 60_000 {
            break;
        }
        let bytes = 1_000 + 977 * (step % 13);
        load.spend(now_ms, 1, bytes);
        spent += bytes as u64;
        now_ms += load.debt(now_ms).map_or(0, |(_, ms)| ms);
    }
    let rate = spent * 1_000 / now_ms;
    assert!((49_000..=50_000).contains(&rate), "{rate} bytes a second");
}

#[test]
fn a_slow_command_brings_a_rest_and_smaller_batches() {
    let load = load(LoadLimits { latency_ms: 1_000, ..NONE });
    assert_eq!(load.batch(), (500, 4 << 20));
    load.took("delete", 10_000, 3_000);
    assert_eq!(load.debt(10_000), Some((Hindrance::Latency(3_000), 3_000)));
    assert_eq!(load.batch(), (250, 2 << 20));
    assert_eq!(load.debt(13_000), None);
    load.took("delete", 14_000, 700);
    assert_eq!(load.batch().0, 250, "neither slow nor quick: as it was");
    load.took("delete", 15_000, 90_000);
    assert_eq!(load.debt(15_000).map(|(_, ms)| ms), Some(REST_MAX_MS));
    for _ in 0..10 {
        load.took("delete", 30_000, 5_000);
    }
    assert_eq!(load.batch().0, 31, "never none");
    for _ in 0..20 {
        load.took("delete", 60_000, 10);
    }
    assert_eq!(load.batch(), (500, 4 << 20), "and never above the ceiling");
}

#[tokio::test]
async fn lag_over_the_limit_hinders_until_it_is_gone() {
    let (runtime, clock) = Runtime::manual(1_700_000_000_000, 1);
    let cluster = MemoryCluster::new(&runtime);
    let load = load(LoadLimits { lag_ms: 5_000, ..NONE });
    assert_eq!(load.hindrance(&runtime, &cluster).await, None, "it tells no lag");
    cluster.set_lag_ms(Some(11_400));
    assert_eq!(load.hindrance(&runtime, &cluster).await, None, "the last answer is young");
    clock.advance_ms(LAG_ASK_MS);
    let (why, ms) = load.hindrance(&runtime, &cluster).await.expect("a hindrance");
    assert_eq!((why.to_string().as_str(), ms), ("lag 12 s", LAG_ASK_MS));
    assert_eq!(load.batch().0, 250);
    cluster.set_lag_ms(Some(5_000));
    clock.advance_ms(LAG_ASK_MS);
    assert_eq!(load.hindrance(&runtime, &cluster).await, None);
    cluster.set_down(true);
    clock.advance_ms(LAG_ASK_MS);
    assert_eq!(load.hindrance(&runtime, &cluster).await, None, "the step meets that itself");
}

#[tokio::test]
async fn a_limit_of_zero_is_none() {
    let (runtime, _clock) = Runtime::manual(0, 1);
    let cluster = MemoryCluster::new(&runtime);
    cluster.set_lag_ms(Some(1_000_000));
    let load = load(NONE);
    load.spend(0, 1_000_000, 1 << 30);
    load.took("read", 0, 1_000_000);
    assert_eq!(load.hindrance(&runtime, &cluster).await, None);
    assert_eq!(load.batch(), (500, 4 << 20));
}

#[test]
fn a_cluster_may_have_limits_of_its_own() {
    let (slow, other) = (ClusterId::new([1; 12]), ClusterId::new([2; 12]));
    let own = LoadLimits { bytes_per_s: 7, ..LoadLimits::default() };
    let load = LoadRules { of_cluster: [(slow, own)].into(), ..LoadRules::default() };
    let options = ArchiverOptions { load, ..ArchiverOptions::default() };
    let loads = Loads::default();
    let metrics = ArchiverMetrics::default();
    assert_eq!(loads.of(slow, &options, &metrics).limits.bytes_per_s, 7);
    assert_eq!(loads.of(other, &options, &metrics).limits, LoadLimits::default());
    let (once, again) = (loads.of(slow, &options, &metrics), loads.of(slow, &options, &metrics));
    assert!(Arc::ptr_eq(&once, &again), "its archives share one account");
}
