//! Tests of homes.

use super::*;
use crate::tests::fixture::system;
use crate::tests::{in_tx, on_each_database};

const A: ClusterId = ClusterId::new([1; 12]);
const B: ClusterId = ClusterId::new([2; 12]);

on_each_database! {
    async fn a_home_is_claimed_once(store) {
        assert_eq!(in_tx!(store, tx => get(tx, &system(), A).await), Ok(None));
        let first = in_tx!(store, tx => claim(tx, &system(), A, "here").await);
        assert_eq!(first.as_deref(), Ok("here"));
        let second = in_tx!(store, tx => claim(tx, &system(), A, "there").await);
        assert_eq!(second.as_deref(), Ok("here"));
        in_tx!(store, tx => set(tx, &system(), A, "there").await).expect("its data was found there");
        assert_eq!(in_tx!(store, tx => get(tx, &system(), A).await), Ok(Some("there".into())));
    }

    async fn orphans_are_those_of_the_home_whose_cluster_is_gone(store) {
        in_tx!(store, tx => {
            claim(tx, &system(), A, "here").await?;
            claim(tx, &system(), B, "there").await
        })
        .expect("two homes");
        let orphans = in_tx!(store, tx => list_orphans(tx, &system(), "here").await);
        assert_eq!(orphans, Ok(vec![A]));
        in_tx!(store, tx => forget(tx, &system(), A).await).expect("forgotten");
        let orphans = in_tx!(store, tx => list_orphans(tx, &system(), "here").await);
        assert_eq!(orphans, Ok(vec![]));
    }
}
