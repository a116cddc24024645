//! Tests of leases.

use portolan_model::Namespace;

use super::*;
use crate::tests::{in_tx, on_each_database};

fn key(collection: &str) -> LeaseKey {
    let namespace = Namespace::new("sales", collection).expect("a right name");
    LeaseKey { cluster_id: ClusterId::new([9; 12]), namespace }
}

fn taker(token: &str, epoch: i64) -> NewLease {
    NewLease { token: token.into(), epoch, holder: format!("process {token}") }
}

on_each_database! {
    async fn only_who_saw_it_as_it_stands_takes_it(store) {
        let (key, a, b) = (&key("orders"), &taker("a", 1), &taker("b", 2));
        assert_eq!(in_tx!(store, tx => read(tx, key).await), Ok(None));
        assert_eq!(in_tx!(store, tx => take(tx, key, None, a).await), Ok(true));
        assert_eq!(in_tx!(store, tx => take(tx, key, None, b).await), Ok(false));
        let seen = &in_tx!(store, tx => read(tx, key).await).expect("read").expect("taken");
        assert_eq!((seen.token.as_str(), seen.epoch, seen.renewals), ("a", 1, 0));
        assert_eq!(in_tx!(store, tx => renew(tx, key, "a").await), Ok(true));
        assert_eq!(in_tx!(store, tx => take(tx, key, Some(seen), b).await), Ok(false));
        let seen = &in_tx!(store, tx => read(tx, key).await).expect("read").expect("taken");
        assert_eq!(in_tx!(store, tx => take(tx, key, Some(seen), b).await), Ok(true));
    }

    async fn who_lost_it_can_do_nothing(store) {
        let (key, a, b) = (&key("orders"), &taker("a", 1), &taker("b", 2));
        in_tx!(store, tx => take(tx, key, None, a).await).expect("taken");
        let seen = &in_tx!(store, tx => read(tx, key).await).expect("read");
        in_tx!(store, tx => take(tx, key, seen.as_ref(), b).await).expect("taken over");
        for outcome in [
            in_tx!(store, tx => renew(tx, key, "a").await),
            in_tx!(store, tx => hold(tx, key, "a").await),
            in_tx!(store, tx => release(tx, key, "a").await),
        ] {
            assert_eq!(outcome, Ok(false));
        }
        assert_eq!(in_tx!(store, tx => hold(tx, key, "b").await), Ok(true));
        assert_eq!(in_tx!(store, tx => release(tx, key, "b").await), Ok(true));
        let given_back = in_tx!(store, tx => read(tx, key).await).expect("read").expect("a row");
        assert!(given_back.released);
        assert_eq!(in_tx!(store, tx => hold(tx, key, "b").await), Ok(false));
    }

    async fn a_revoked_lease_is_nobodys(store) {
        let (orders, other, a) = (&key("orders"), &key("other"), &taker("a", 1));
        in_tx!(store, tx => take(tx, orders, None, a).await).expect("taken");
        in_tx!(store, tx => take(tx, other, None, a).await).expect("taken");
        in_tx!(store, tx => revoke(tx, orders).await).expect("revoked");
        assert_eq!(in_tx!(store, tx => hold(tx, orders, "a").await), Ok(false));
        assert_eq!(in_tx!(store, tx => hold(tx, other, "a").await), Ok(true));
    }

    async fn of_many_takers_one_wins(store) {
        let key = key("orders");
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let (store, key) = (store.store.clone(), key.clone());
                let runtime = store.runtime().clone();
                runtime.spawn("taker", async move {
                    let new = &taker(&n.to_string(), n);
                    let key = &key;
                    in_tx!(store, tx => take(tx, key, None, new).await)
                })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            winners += i32::from(task.await.expect("no panic").expect("an answer"));
        }
        assert_eq!(winners, 1);
    }

    async fn a_held_lease_fences_what_its_holder_writes(store) {
        // A worker that stalls between `hold` and its COMMIT while another takes over must not commit
        // after it: one of the two transactions has to give way.
        let (key, a, b) = (&key("orders"), &taker("a", 1), &taker("b", 2));
        in_tx!(store, tx => take(tx, key, None, a).await).expect("taken");
        let seen = &in_tx!(store, tx => read(tx, key).await).expect("read");
        let runtime = store.runtime().clone();
        let stalled = async {
            store
                .run_tx::<_, StoreError, _>("test.stalled", |tx| {
                    let runtime = runtime.clone();
                    Box::pin(async move {
                        let held = hold(tx, key, "a").await?;
                        runtime.sleep_ms(200).await;
                        Ok(held)
                    })
                })
                .await
        };
        let taking = async {
            runtime.sleep_ms(50).await;
            in_tx!(store, tx => take(tx, key, seen.as_ref(), b).await)
        };
        let (stalled, taken) = tokio::join!(stalled, taking);
        assert_eq!(taken, Ok(true));
        assert_eq!(stalled, Ok(true), "it had locked the row before the other one came");
        assert_eq!(in_tx!(store, tx => hold(tx, key, "a").await), Ok(false));
    }
}
