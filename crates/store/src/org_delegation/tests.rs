//! Tests of delegation settings.

use super::*;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

on_each_database! {
    async fn settings_are_kept_per_organization(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        assert_eq!(in_tx!(store, tx => get(tx, &house.org()).await), Ok(Delegation::default()));
        let first = &Delegation { refresh_token_max_s: Some(60), ..Delegation::default() };
        let second = &Delegation {
            mcp_access: Some("READ_ONLY".into()),
            refresh_token_idle_s: Some(30),
            ..Delegation::default()
        };
        in_tx!(store, tx => {
            set(tx, &house.org(), first).await?;
            set(tx, &house.org(), second).await
        })
        .expect("set twice");
        assert_eq!(in_tx!(store, tx => get(tx, &house.org()).await), Ok(second.clone()));
        assert_eq!(in_tx!(store, tx => get(tx, &other.org()).await), Ok(Delegation::default()));
    }
}
