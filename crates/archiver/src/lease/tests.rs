//! Tests of watching and holding.

use portolan_model::{ClusterId, Namespace};

use super::*;

const TTL_MS: u64 = 30_000;

fn key() -> LeaseKey {
    let namespace = Namespace { database: "air".into(), collection: "flights".into() };
    LeaseKey { cluster_id: ClusterId::new([1; 12]), namespace }
}

fn lease(renewals: i64) -> Lease {
    Lease { token: "a".into(), renewals, epoch: 3, holder: "w".into(), released: false }
}

#[test]
fn a_lease_is_free_only_after_it_stood_still_for_its_whole_time() {
    let leases = Leases::default();
    assert!(leases.is_free(&key(), None, 0, TTL_MS));
    assert!(!leases.is_free(&key(), Some(&lease(1)), 1_000_000, TTL_MS));
    assert!(!leases.is_free(&key(), Some(&lease(1)), 1_029_999, TTL_MS));
    assert!(!leases.is_free(&key(), Some(&lease(2)), 1_030_000, TTL_MS), "it was renewed");
    assert!(leases.is_free(&key(), Some(&lease(2)), 1_060_000, TTL_MS));
    let released = Lease { released: true, ..lease(2) };
    assert!(leases.is_free(&key(), Some(&released), 1_060_001, TTL_MS));
}

#[test]
fn a_holder_stops_at_two_thirds() {
    let (runtime, clock) = Runtime::manual(1_000_000, 1);
    let held = Held::new(key(), ("t".into(), 1), &runtime, TTL_MS, (0, 5_000));
    assert_eq!(held.deadline_ms(), 35_000);
    clock.advance_ms(20_000);
    assert!(held.check().is_ok());
    clock.advance_ms(1);
    assert!(matches!(held.check(), Err(ArchiverError::LeaseLost)));
}

#[test]
fn a_collection_is_worked_on_once() {
    let leases = Arc::new(Leases::default());
    let busy = leases.begin(&key()).expect("free");
    assert!(leases.begin(&key()).is_none());
    drop(busy);
    assert!(leases.begin(&key()).is_some());
}
