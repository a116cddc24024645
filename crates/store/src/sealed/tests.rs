//! Tests of sealing anew.

use portolan_runtime::{Fate, FaultPlan};
use portolan_security::KeyRing;

use super::*;
use crate::catalog::{self, ColumnKind};
use crate::principals;
use crate::tests::fixture::fill_everything;
use crate::tests::support::runtime;
use crate::tests::{TestStore, in_tx, on_each_database, on_each_lasting_database};

/// Columns of bytes that are hashes: nothing to open.
const HASHES: [(&str, &str); 2] =
    [("access_tokens", "token_hash"), ("service_account_secrets", "secret_hash")];

/// A ring whose newest key is another one than the tests'.
fn rotated() -> KeyRing {
    KeyRing::new(&[2; 32], &[[1; 32]])
}

async fn with_keys(store: &TestStore, keys: KeyRing, faults: FaultPlan) -> Store {
    Store::open(&store.url, keys, runtime(faults)).await.expect("it opens")
}

on_each_database! {
    async fn the_list_names_every_sealed_column(store) {
        let tables = in_tx!(store, tx => catalog::tables(tx).await).expect("tables");
        let mut bytes: Vec<(&str, &str)> = tables
            .iter()
            .flat_map(|table| table.columns.iter().map(|column| (table.name.as_str(), column)))
            .filter(|(_, column)| column.kind == ColumnKind::Blob)
            .map(|(table, column)| (table, column.name.as_str()))
            .collect();
        bytes.sort_unstable();
        let mut listed: Vec<(&str, &str)> =
            SEALED.iter().map(|it| (it.table, it.column)).chain(HASHES).collect();
        listed.sort_unstable();
        assert_eq!(bytes, listed, "a column of bytes is sealed or a hash: name it in SEALED or HASHES");
    }
}

on_each_lasting_database! {
    async fn secrets_move_to_the_newest_key_and_the_old_one_can_go(store) {
        fill_everything(&store).await;
        let before = store.check_secrets().await.expect("all open");
        assert!(before >= 5, "{before}");
        let both = with_keys(&store, rotated(), FaultPlan::none()).await;
        assert_eq!(both.secrets_under_older_keys().await, Ok(before));
        let done = both.reseal().await.expect("sealed anew");
        assert_eq!(done, Resealed { changed: before, current: 0 });
        assert_eq!(both.secrets_under_older_keys().await, Ok(0));
        let again = both.reseal().await.expect("nothing left");
        assert_eq!(again, Resealed { changed: 0, current: before });
        both.close().await;
        let new = with_keys(&store, KeyRing::new(&[2; 32], &[]), FaultPlan::none()).await;
        assert_eq!(new.check_secrets().await, Ok(before));
        let key = in_tx!(new, tx => principals::of_public_key(tx, "aaaaaaaa").await);
        assert_eq!(key.expect("a look-up").expect("a key").ha1.expose(), "ha1 of the key");
        new.close().await;
        assert!(matches!(store.check_secrets().await, Err(StoreError::Secret(_))));
    }

    async fn cut_off_it_goes_on(store) {
        fill_everything(&store).await;
        let before = store.check_secrets().await.expect("all open");
        let faults = FaultPlan::none().with("store.reseal", 3, Fate::FailsBefore);
        let cut_off = with_keys(&store, rotated(), faults).await;
        assert!(matches!(cut_off.reseal().await, Err(StoreError::Unknown { .. })));
        cut_off.close().await;
        let both = with_keys(&store, rotated(), FaultPlan::none()).await;
        assert_eq!(both.check_secrets().await, Ok(before), "old and new ones open side by side");
        let done = both.reseal().await.expect("the rest");
        assert!(done.changed > 0 && done.current > 0, "{done:?}");
        assert_eq!(both.secrets_under_older_keys().await, Ok(0));
        both.close().await;
    }

    async fn a_running_process_reads_the_new_key_when_it_meets_it(store) {
        fill_everything(&store).await;
        let other = with_keys(&store, rotated(), FaultPlan::none()).await;
        other.reseal().await.expect("sealed anew");
        other.close().await;
        let look_up = async || in_tx!(store, tx => principals::of_public_key(tx, "aaaaaaaa").await);
        assert!(look_up().await.is_err(), "the key is not known here");
        store.set_key_source(Box::new(|| Some(rotated())));
        assert!(look_up().await.expect("a look-up").is_some());
    }
}
