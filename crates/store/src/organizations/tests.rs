//! Tests of organizations.

use portolan_model::OrgRole;

use super::*;
use crate::tests::fixture::{House, system};
use crate::tests::{in_tx, on_each_database};
use crate::{access_tokens, api_keys, principals, projects, service_accounts, users};

fn id_texts(organizations: &Listed<Organization>) -> Vec<OrgId> {
    organizations.items.iter().map(|organization| organization.id).collect()
}

#[test]
fn patterns_are_escaped() {
    assert_eq!(like_pattern(None), "%");
    assert_eq!(like_pattern(Some("")), "%");
    assert_eq!(like_pattern(Some("50%_\\Ü")), "%50\\%\\_\\\\ü%");
}

on_each_database! {
    async fn an_organization_is_changed_and_read_back(store) {
        let house = &House::build(&store, 'a').await;
        in_tx!(store, tx => update(tx, &house.org(), "Renamed", true).await).expect("renamed");
        let organization = in_tx!(store, tx => get(tx, &house.org()).await).expect("it is there");
        assert_eq!(organization.name, "Renamed");
        assert!(organization.skip_default_alerts_settings);
        let mut wanted = in_tx!(store, tx => settings(tx, &house.org()).await).expect("settings");
        assert_eq!(wanted, OrgSettings::default());
        wanted.api_access_list_required = true;
        wanted.security_contact = Some("s@example.com".into());
        wanted.secret_validity_hours_max = Some(24);
        let changed = &wanted;
        in_tx!(store, tx => update_settings(tx, &house.org(), changed).await).expect("changed");
        let found = in_tx!(store, tx => settings(tx, &house.org()).await);
        assert_eq!(found, Ok(wanted));
        let nobody = &system().in_org(OrgId::new([0; 12]));
        let missing = in_tx!(store, tx => update(tx, nobody, "x", false).await);
        assert_eq!(missing, Err(StoreError::missing("organization")));
    }

    async fn callers_see_their_own(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let key = in_tx!(store, tx => principals::of_public_key(tx, &a.public_key).await);
        let mut principal = key.expect("a look-up").expect("a key").principal;
        let caller = &principal;
        let seen = in_tx!(store, tx => list_visible(tx, caller, None, Page::ALL).await)
            .expect("a list");
        assert_eq!((id_texts(&seen), seen.total), (vec![a.org_id], 1));
        principal.grants.orgs.push((b.org_id, OrgRole::ReadOnly));
        let caller = &principal;
        let page = Page::new(1, 1);
        let second = in_tx!(store, tx => list_visible(tx, caller, None, page).await)
            .expect("a list");
        assert_eq!((id_texts(&second), second.total), (vec![b.org_id], 2));
        for (name, total) in [("ORG A", 1), ("ünit", 2), ("t_1", 2), ("t%1", 0), ("x", 0)] {
            let found = in_tx!(store, tx => {
                list_visible(tx, caller, Some(name), Page::ALL).await
            });
            assert_eq!(found.expect("a list").total, total, "{name}");
        }
        principal.grants = portolan_auth::Grants::default();
        let caller = &principal;
        let none = in_tx!(store, tx => list_visible(tx, caller, None, Page::ALL).await);
        assert_eq!(none.expect("a list").total, 0);
    }

    async fn with_projects_it_stays(store) {
        let house = &House::build(&store, 'a').await;
        let refused = in_tx!(store, tx => delete(tx, &house.org()).await);
        assert!(matches!(refused, Err(StoreError::Referenced { .. })), "{refused:?}");
        assert_eq!(in_tx!(store, tx => exists(tx, house.org_id).await), Ok(true));
    }

    async fn with_it_go_all_credentials(store) {
        let house = &House::build(&store, 'a').await;
        let other = &House::build(&store, 'b').await;
        in_tx!(store, tx => {
            projects::delete(tx, &house.project()).await?;
            delete(tx, &house.org()).await
        })
        .expect("deleted");
        let key = in_tx!(store, tx => api_keys::login(tx, &house.public_key).await);
        assert!(key.expect("a look-up").is_none());
        let account = in_tx!(store, tx => service_accounts::login(tx, house.account).await);
        assert!(account.expect("a look-up").is_none());
        assert_eq!(in_tx!(store, tx => access_tokens::holder(tx, &house.token).await), Ok(None));
        let owner = in_tx!(store, tx => principals::of_user(tx, house.owner).await);
        assert_eq!(owner.expect("a look-up").expect("a user").grants, portolan_auth::Grants::default());
        let members = in_tx!(store, tx => users::count_members(tx, &other.org()).await);
        assert_eq!(members, Ok(1));
        assert_eq!(in_tx!(store, tx => any_exists(tx).await), Ok(true));
    }
}
