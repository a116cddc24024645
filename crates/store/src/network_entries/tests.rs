//! Tests of IP access lists of projects.

use super::*;
use crate::ErrorKind;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

fn entry(cidr: &str, delete_after: Option<i64>) -> NetworkEntry {
    NetworkEntry { cidr: cidr.into(), comment: Some("office".into()), delete_after, changed_at: 7 }
}

on_each_database! {
    async fn entries_are_put_replaced_and_removed(store) {
        let house = &House::build(&store, 'a').await;
        let (ten, one) = (&entry("10.0.0.0/8", None), &entry("2001:db8::1/128", None));
        let new = in_tx!(store, tx => {
            put(tx, &house.project(), one).await?;
            put(tx, &house.project(), ten).await
        });
        assert_eq!(new, Ok(true));
        let changed = &NetworkEntry { comment: None, ..ten.clone() };
        let again = in_tx!(store, tx => put(tx, &house.project(), changed).await);
        assert_eq!(again, Ok(false));
        let listed = in_tx!(store, tx => list(tx, &house.project(), Page::ALL).await);
        let listed = listed.expect("a list");
        assert_eq!((listed.items, listed.total), (vec![changed.clone(), one.clone()], 2));
        in_tx!(store, tx => remove(tx, &house.project(), "10.0.0.0/8").await).expect("removed");
        let gone = in_tx!(store, tx => get(tx, &house.project(), "10.0.0.0/8").await);
        assert_eq!(gone.expect_err("gone").kind(), ErrorKind::Missing);
        let id = house.project_id;
        let open = in_tx!(store, tx => open_networks(tx, id).await).expect("networks");
        assert_eq!(open, ["2001:db8::1/128".parse().expect("a network")]);
    }

    async fn ended_entries_count_nowhere(store) {
        let house = &House::build(&store, 'a').await;
        let end = store.runtime().now_ms();
        let past = &entry("10.0.0.0/8", Some(end));
        let future = &entry("11.0.0.0/8", Some(end + 60_000));
        in_tx!(store, tx => {
            put(tx, &house.project(), past).await?;
            put(tx, &house.project(), future).await
        })
        .expect("both");
        let id = house.project_id;
        let open = in_tx!(store, tx => open_networks(tx, id).await).expect("networks");
        assert_eq!(open, ["11.0.0.0/8".parse().expect("a network")]);
        assert_eq!(in_tx!(store, tx => count(tx, &house.project()).await), Ok(1));
        let ended = in_tx!(store, tx => get(tx, &house.project(), "10.0.0.0/8").await);
        assert_eq!(ended.expect_err("ended").kind(), ErrorKind::Missing);
        in_tx!(store, tx => purge(tx, &house.project()).await).expect("purged");
        let left = in_tx!(store, tx => remove(tx, &house.project(), "10.0.0.0/8").await);
        assert_eq!(left.expect_err("purged").kind(), ErrorKind::Missing);
    }

    async fn another_organization_does_not_reach_them(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let foreign = &other.org().in_project(house.project_id);
        let refused = in_tx!(store, tx => put(tx, foreign, &entry("10.0.0.0/8", None)).await);
        assert_eq!(refused.expect_err("foreign").kind(), ErrorKind::Missing);
        let id = house.project_id;
        assert_eq!(in_tx!(store, tx => open_networks(tx, id).await), Ok(Vec::new()));
    }
}
