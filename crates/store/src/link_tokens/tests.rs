//! Tests of links.

use super::*;
use crate::api_keys;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

fn link(house: &House) -> OrgLink {
    OrgLink {
        org_id: house.org_id,
        api_key_id: house.key,
        access_list_ips: vec!["10.0.0.1".parse().expect("an address")],
        created_at: 5,
    }
}

on_each_database! {
    async fn one_link_that_goes_with_its_key(store) {
        let house = &House::build(&store, 'a').await;
        let link = &link(house);
        in_tx!(store, tx => {
            replace(tx, &house.org(), link).await?;
            replace(tx, &house.org(), link).await
        })
        .expect("one link");
        assert_eq!(in_tx!(store, tx => fetch(tx, &house.org()).await), Ok(Some(link.clone())));
        in_tx!(store, tx => api_keys::delete(tx, &house.org(), house.key).await).expect("gone");
        assert_eq!(in_tx!(store, tx => fetch(tx, &house.org()).await), Ok(None));
        assert_eq!(in_tx!(store, tx => remove(tx, &house.org()).await), Ok(false));
    }

    async fn only_new_and_working_migrations_run(store) {
        let house = &House::build(&store, 'a').await;
        let other = &House::build(&store, 'b').await;
        for (number, status) in (1..).zip(["NEW", "WORKING", "FAILED", "COMPLETE", "EXPIRED"]) {
            let row = &MigrationRow {
                id: MigrationId::new([number; 12]),
                project_id: house.project_id,
                status: status.to_owned(),
            };
            in_tx!(store, tx => insert_migration(tx, &house.org(), row).await).expect("a row");
        }
        let running = in_tx!(store, tx => running_migrations(tx, &house.org()).await);
        assert_eq!(running.expect("a list").len(), 2);
        let foreign = in_tx!(store, tx => running_migrations(tx, &other.org()).await);
        assert!(foreign.expect("a list").is_empty());
    }
}
