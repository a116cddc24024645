//! Tests of links between organizations.

use serde_json::json;

use super::*;
use crate::link_tokens::{self, OrgLink};
use crate::tests::fixture::{House, system};
use crate::tests::{in_tx, on_each_database};

fn source(id: u8, synced_at: EpochMs) -> LiveSource {
    LiveSource {
        source_org_id: OrgId::new([id; 12]),
        source_org_name: "Elsewhere".into(),
        projects: json!([{ "name": "P" }]),
        synced_at,
    }
}

async fn link(store: &crate::Store, house: &House) {
    let link = &OrgLink {
        org_id: house.org_id,
        api_key_id: house.key,
        access_list_ips: Vec::new(),
        created_at: 5,
    };
    in_tx!(store, tx => link_tokens::replace(tx, &house.org(), link).await).expect("a link");
}

on_each_database! {
    async fn sources_go_with_the_link(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let unlinked = in_tx!(store, tx => put_source(tx, &house.org(), &source(1, 1)).await);
        assert!(unlinked.is_err(), "there is no link yet");
        link(&store, house).await;
        for (id, at, is_new) in [(1, 1, true), (2, 2, true), (1, 3, false)] {
            let put = in_tx!(store, tx => put_source(tx, &house.org(), &source(id, at)).await);
            assert_eq!(put, Ok(is_new));
        }
        let listed = in_tx!(store, tx => sources(tx, &house.org()).await);
        assert_eq!(listed, Ok(vec![source(1, 3), source(2, 2)]));
        assert_eq!(in_tx!(store, tx => sources(tx, &other.org()).await), Ok(Vec::new()));
        let id = OrgId::new([2; 12]);
        assert_eq!(in_tx!(store, tx => remove_source(tx, &other.org(), id).await), Ok(false));
        assert_eq!(in_tx!(store, tx => remove_source(tx, &house.org(), id).await), Ok(true));
        in_tx!(store, tx => link_tokens::remove(tx, &house.org()).await).expect("unlinked");
        assert_eq!(in_tx!(store, tx => sources(tx, &house.org()).await), Ok(Vec::new()));
    }

    async fn tokens_are_sealed_and_bound_to_their_organization(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let token = &SecretString::new("eyJ-a-token");
        for _ in 0..2 {
            in_tx!(store, tx => put_export(tx, &house.org(), token).await).expect("a link");
        }
        let found = in_tx!(store, tx => export(tx, &house.org()).await).expect("a look-up");
        assert_eq!(found.map(|found| found.token), Some(token.clone()));
        assert_eq!(in_tx!(store, tx => export(tx, &other.org()).await), Ok(None));
        assert_eq!(in_tx!(store, tx => exports(tx, &system()).await).map(|all| all.len()), Ok(1));
        in_tx!(store, tx => note_synced(tx, &house.org()).await).expect("noted");
        let moved = in_tx!(store, tx => {
            let sql = "UPDATE live_exports SET org_id = $1";
            tx.execute(sql, args![other.org_id]).await?;
            export(tx, &other.org()).await
        });
        assert!(moved.is_err(), "it opens only where it was sealed");
        assert_eq!(in_tx!(store, tx => remove_export(tx, &house.org()).await), Ok(true));
    }
}
