//! Tests of service accounts.

use portolan_security::sha256;

use super::*;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

on_each_database! {
    async fn an_account_is_changed_and_read_back(store) {
        let house = &House::build(&store, 'a').await;
        in_tx!(store, tx => {
            update(tx, &house.org(), house.account, "new", "newer").await?;
            set_org_roles(tx, &house.org(), house.account, &[OrgRole::ReadOnly]).await?;
            record_secret_use(tx, house.secret).await
        })
        .expect("changed");
        let account =
            in_tx!(store, tx => get(tx, &house.org(), house.account).await).expect("an account");
        assert_eq!((account.name.as_str(), account.description.as_str()), ("new", "newer"));
        assert_eq!(account.org_roles, [OrgRole::ReadOnly]);
        assert_eq!(account.secrets[0].masked, "mdb...");
        assert!(account.secrets[0].last_used_at.is_some());
        let listed = in_tx!(store, tx => list(tx, &house.org(), Page::ALL).await);
        assert_eq!(listed.expect("a list").items, [account]);
    }

    async fn secrets_are_added_and_removed(store) {
        let house = &House::build(&store, 'a').await;
        let hash = sha256(b"another");
        let secret =
            &NewSecret { id: SecretId::new([7; 12]), hash: &hash, masked: "m", expires_at: 5 };
        in_tx!(store, tx => insert_secret(tx, &house.org(), house.account, secret).await)
            .expect("added");
        let login_now = in_tx!(store, tx => login(tx, house.account).await)
            .expect("a look-up")
            .expect("an account");
        assert_eq!(login_now.org_id, house.org_id);
        assert_eq!(login_now.secrets.len(), 2);
        assert!(login_now.secrets.iter().any(|kept| kept.hash == hash && kept.expires_at == 5));
        let id = secret.id;
        in_tx!(store, tx => delete_secret(tx, &house.org(), house.account, id).await)
            .expect("removed");
        let again = in_tx!(store, tx => delete_secret(tx, &house.org(), house.account, id).await);
        assert_eq!(again, Err(StoreError::missing("secret")));
    }

    async fn an_account_leaves_a_project_and_stays(store) {
        let house = &House::build(&store, 'a').await;
        let found = in_tx!(store, tx => {
            get_in_project(tx, &house.project(), house.account).await
        });
        assert_eq!(found.expect("assigned").assignments[0].project_id, house.project_id);
        in_tx!(store, tx => unassign(tx, &house.project(), house.account).await)
            .expect("unassigned");
        let again = in_tx!(store, tx => unassign(tx, &house.project(), house.account).await);
        assert_eq!(again, Err(StoreError::missing("service account")));
        let listed = in_tx!(store, tx => list_in_project(tx, &house.project(), Page::ALL).await);
        assert_eq!(listed.expect("a list").total, 0);
        in_tx!(store, tx => delete(tx, &house.org(), house.account).await).expect("deleted");
        let gone = in_tx!(store, tx => login(tx, house.account).await);
        assert!(gone.expect("a look-up").is_none());
    }
}
