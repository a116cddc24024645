//! Tests of token buckets.

use super::*;

const SMALL: Level = Level { capacity: 3, refill_per_minute: 2 };

#[test]
fn a_bucket_empties_and_fills_again() {
    let mut buckets = Buckets::default();
    let mut take = |now_ms| buckets.take(("s", "k"), SMALL, now_ms);
    assert_eq!([take(0), take(0), take(0)], [(2, None), (1, None), (0, None)]);
    assert_eq!(take(0), (0, Some(30)));
    assert_eq!(take(29_999), (0, Some(1)));
    assert_eq!(take(30_000), (0, None));
    assert_eq!(take(30_001), (0, Some(30)));
    assert_eq!(take(1_000_000), (2, None));
}

#[test]
fn buckets_do_not_touch_each_other() {
    let mut buckets = Buckets::default();
    for _ in 0..4 {
        buckets.take(("s", "a"), SMALL, 0);
    }
    assert_eq!(buckets.take(("s", "b"), SMALL, 0), (2, None));
    assert_eq!(buckets.take(("t", "a"), SMALL, 0), (2, None));
}

#[test]
fn their_number_is_bounded_and_the_emptied_ones_stay_longest() {
    let mut buckets = Buckets::default();
    for key in 0..BUCKETS_MAX {
        buckets.take(("s", &key.to_string()), SMALL, 0);
    }
    assert_eq!(buckets.len(), BUCKETS_MAX);
    for _ in 0..4 {
        buckets.take(("s", "7"), SMALL, 1);
    }
    // All but this one are used at the same time; half of what is not full goes.
    buckets.take(("s", "new"), SMALL, 2);
    assert!(buckets.len() <= BUCKETS_MAX);
    assert_eq!(buckets.take(("s", "7"), SMALL, 2), (0, Some(30)));
    // An hour later all are full again, and none needs to be remembered.
    for key in 0..BUCKETS_MAX {
        buckets.take(("t", &key.to_string()), SMALL, 3_600_000);
    }
    assert!(buckets.len() <= BUCKETS_MAX);
}
