//! Tests of database users.

use portolan_model::Tag;
use portolan_security::scram::ScramSecret;

use super::*;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};
use crate::{ErrorKind, projects};

fn secret(byte: u8) -> ScramSecret {
    ScramSecret {
        salt: vec![byte; 16],
        iterations: 10_000,
        stored_key: vec![byte; 20],
        server_key: vec![byte; 20],
    }
}

fn credentials(byte: u8) -> ScramCredentials {
    ScramCredentials { sha1: secret(byte), sha256: secret(byte) }
}

fn user(project_id: ProjectId) -> DatabaseUser {
    DatabaseUser {
        project_id,
        database: "admin".into(),
        username: "ann".into(),
        roles: vec![DatabaseRole {
            role: "read".into(),
            database: "sales".into(),
            collection: Some("orders".into()),
        }],
        scopes: vec![UserScope { name: "Cluster0".into(), kind: ScopeKind::Cluster }],
        labels: vec![Tag { key: "k".into(), value: "v".into() }],
        description: Some("reads".into()),
        delete_after: None,
        created_at: 7,
    }
}

on_each_database! {
    async fn users_are_read_back_as_written(store) {
        let house = &House::build(&store, 'a').await;
        let ann = &user(house.project_id);
        let keys = &credentials(1);
        in_tx!(store, tx => insert(tx, &house.project(), ann, keys).await).expect("new");
        let found = in_tx!(store, tx => fetch(tx, &house.project(), "admin", "ann").await);
        assert_eq!(found, Ok(Some(ann.clone())));
        let listed = in_tx!(store, tx => list(tx, &house.project(), Page::ALL).await);
        assert_eq!(listed.expect("a list").total, 1);
        let twin = in_tx!(store, tx => insert(tx, &house.project(), ann, keys).await);
        assert!(twin.expect_err("taken").is_conflict_in("database_users"));
    }

    async fn the_login_honours_scopes_and_the_end(store) {
        let house = &House::build(&store, 'a').await;
        let mut ann = user(house.project_id);
        in_tx!(store, tx => insert(tx, &house.project(), &user(house.project_id), &credentials(1)).await)
            .expect("new");
        let id = house.project_id;
        let seen = in_tx!(store, tx => account(tx, id, "Cluster0", "admin", "ann").await);
        let seen = seen.expect("a look-up").expect("may log in");
        assert_eq!((&seen.user, &seen.credentials), (&ann, &credentials(1)));
        let elsewhere = in_tx!(store, tx => account(tx, id, "Cluster1", "admin", "ann").await);
        assert_eq!(elsewhere, Ok(None));
        ann.scopes.clear();
        ann.delete_after = Some(1);
        let ann = &ann;
        in_tx!(store, tx => update(tx, &house.project(), ann, None).await).expect("changed");
        let late = in_tx!(store, tx => account(tx, id, "Cluster0", "admin", "ann").await);
        assert_eq!(late, Ok(None));
    }

    async fn passwords_change_and_users_go(store) {
        let house = &House::build(&store, 'a').await;
        let ann = &user(house.project_id);
        let new = &credentials(2);
        in_tx!(store, tx => {
            insert(tx, &house.project(), ann, &credentials(1)).await?;
            update(tx, &house.project(), ann, Some(new)).await
        })
        .expect("changed");
        let id = house.project_id;
        let seen = in_tx!(store, tx => account(tx, id, "Cluster0", "admin", "ann").await);
        assert_eq!(seen.expect("a look-up").expect("may log in").credentials, *new);
        in_tx!(store, tx => remove(tx, &house.project(), "admin", "ann").await).expect("gone");
        let twice = in_tx!(store, tx => remove(tx, &house.project(), "admin", "ann").await);
        assert_eq!(twice.expect_err("gone").kind(), ErrorKind::Missing);
        in_tx!(store, tx => insert(tx, &house.project(), ann, new).await).expect("again");
        in_tx!(store, tx => projects::delete(tx, &house.project()).await).expect("with its users");
    }
}
