//! Tests of API keys.

use super::*;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

on_each_database! {
    async fn a_key_is_changed_and_read_back(store) {
        let house = &House::build(&store, 'a').await;
        in_tx!(store, tx => {
            set_description(tx, &house.org(), house.key, "other").await?;
            set_org_roles(tx, &house.org(), house.key, &[OrgRole::ReadOnly]).await?;
            record_use(tx, house.key, "127.0.0.1").await
        })
        .expect("changed");
        let key = in_tx!(store, tx => get(tx, &house.org(), house.key).await).expect("a key");
        assert_eq!(key.description, "other");
        assert_eq!(key.org_roles, [OrgRole::ReadOnly]);
        assert_eq!(key.assignments[0].roles, [ProjectRole::ReadOnly]);
        assert_eq!(key.last_used_address.as_deref(), Some("127.0.0.1"));
        let listed = in_tx!(store, tx => list(tx, &house.org(), Page::ALL).await);
        assert_eq!(listed.expect("a list").items, [key]);
        assert_eq!(in_tx!(store, tx => count(tx, &house.org()).await), Ok(1));
    }

    async fn a_key_leaves_a_project_and_stays(store) {
        let house = &House::build(&store, 'a').await;
        let found = in_tx!(store, tx => get_in_project(tx, &house.project(), house.key).await);
        assert!(found.is_ok());
        in_tx!(store, tx => unassign(tx, &house.project(), house.key).await).expect("unassigned");
        let again = in_tx!(store, tx => unassign(tx, &house.project(), house.key).await);
        assert_eq!(again, Err(StoreError::missing("API key")));
        let listed = in_tx!(store, tx => list_in_project(tx, &house.project(), Page::ALL).await);
        assert_eq!(listed.expect("a list").total, 0);
        assert!(in_tx!(store, tx => get(tx, &house.org(), house.key).await).is_ok());
    }

    async fn a_deleted_key_leaves_no_roles(store) {
        let house = &House::build(&store, 'a').await;
        in_tx!(store, tx => delete(tx, &house.org(), house.key).await).expect("deleted");
        let key = house.key.to_string();
        let key = &key;
        let grants = in_tx!(store, tx => roles::grants(tx, key).await);
        assert_eq!(grants, Ok(portolan_auth::Grants::default()));
    }

    async fn the_secret_is_sealed_at_its_row(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        in_tx!(store, tx => {
            let sql = "UPDATE api_keys SET ha1 = (SELECT ha1 FROM api_keys WHERE id = $1) \
                       WHERE id = $2";
            tx.execute(sql, args![a.key, b.key]).await
        })
        .expect("somebody with the file swaps secrets");
        assert!(in_tx!(store, tx => login(tx, &a.public_key).await).is_ok());
        let swapped = in_tx!(store, tx => login(tx, &b.public_key).await);
        assert!(matches!(swapped, Err(StoreError::Secret(_))), "{swapped:?}");
    }

    async fn public_keys_are_unique(store) {
        let house = &House::build(&store, 'a').await;
        let twin = &NewApiKey {
            id: ApiKeyId::new([7; 12]),
            public_key: &house.public_key,
            private_key_masked: "",
            ha1: &SecretString::new(""),
            description: "",
            org_roles: &[],
        };
        let refused = in_tx!(store, tx => insert(tx, &house.org(), twin).await);
        assert!(refused.expect_err("taken").is_conflict_in("api_keys"));
    }
}
