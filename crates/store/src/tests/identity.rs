//! Tests across the identity tables: callers, tenancy, events, audit, instance.

use portolan_auth::{Action, Actor, authorize};
use portolan_model::{EventId, OrgRole, ProjectRole, RequestId};

use super::fixture::{House, add_person, invitation, system};
use super::{in_tx, on_each_database};
use crate::access_lists::{AccessOwner, AccessVerdict, Uses};
use crate::audit::{AuditIntent, AuditOutcome};
use crate::events::{EventFilter, EventScope, NewEvent};
use crate::{
    ErrorKind, Page, StoreError, access_lists, access_tokens, api_keys, audit, events, instance,
    principals, service_accounts,
};

on_each_database! {
    async fn callers_are_found_with_their_roles(store) {
        let house = &House::build(&store, 'a').await;
        let key = in_tx!(store, tx => principals::of_public_key(tx, "aaaaaaaa").await)
            .expect("a look-up")
            .expect("a key");
        assert_eq!(key.ha1.expose(), "ha1 of the key");
        assert!(key.principal.owns(house.org_id));
        assert_eq!(key.principal.grants.projects, [(house.project_id, ProjectRole::ReadOnly)]);
        assert!(authorize(&key.principal, Action::OrgDelete, *house.org().scope()).is_ok());
        let robot = in_tx!(store, tx => principals::of_access_token(tx, &house.token).await)
            .expect("a look-up")
            .expect("a token");
        assert_eq!(robot.actor, Actor::ServiceAccount { id: house.account });
        assert_eq!(robot.grants.orgs, [(house.org_id, OrgRole::Member)]);
        let owner = in_tx!(store, tx => principals::of_user(tx, house.owner).await)
            .expect("a look-up")
            .expect("a user");
        assert!(owner.owns(house.org_id));
        let none = in_tx!(store, tx => principals::of_public_key(tx, "zzzzzzzz").await);
        assert!(none.expect("a look-up").is_none());
    }

    async fn an_invitation_gives_no_rights_yet(store) {
        let house = &House::build(&store, 'a').await;
        let waiting = invitation(&store, 60_000);
        let guest = add_person(&store, house, 'g', waiting, &[OrgRole::Owner]).await;
        let principal = in_tx!(store, tx => principals::of_user(tx, guest).await);
        assert!(!principal.expect("a look-up").expect("a user").owns(house.org_id));
        in_tx!(store, tx => crate::invitations::accept(tx, &house.org(), guest).await)
            .expect("accepted");
        let principal = in_tx!(store, tx => principals::of_user(tx, guest).await);
        assert!(principal.expect("a look-up").expect("a user").owns(house.org_id));
    }

    async fn tokens_end_and_are_revoked(store) {
        let house = &House::build(&store, 'a').await;
        let other = &House::build(&store, 'b').await;
        let foreign = in_tx!(store, tx => {
            access_tokens::revoke(tx, &house.token, other.account).await
        });
        assert_eq!(foreign, Ok(false));
        let own = in_tx!(store, tx => access_tokens::revoke(tx, &house.token, house.account).await);
        assert_eq!(own, Ok(true));
        let holder = in_tx!(store, tx => access_tokens::holder(tx, &house.token).await);
        assert_eq!(holder, Ok(None));
        let ended = access_tokens::NewAccessToken {
            hash: &[9; 32],
            account_id: house.account,
            secret_id: house.secret,
            expires_at: store.runtime().now_ms() - 1,
        };
        let ended = &ended;
        in_tx!(store, tx => access_tokens::insert(tx, ended).await).expect("kept");
        let holder = in_tx!(store, tx => access_tokens::holder(tx, &[9; 32]).await);
        assert_eq!(holder, Ok(None));
        assert_eq!(in_tx!(store, tx => access_tokens::purge(tx).await), Ok(1));
    }

    async fn a_secret_takes_its_tokens_along(store) {
        let house = &House::build(&store, 'a').await;
        in_tx!(store, tx => {
            service_accounts::delete_secret(tx, &house.org(), house.account, house.secret).await
        })
        .expect("deleted");
        let holder = in_tx!(store, tx => access_tokens::holder(tx, &house.token).await);
        assert_eq!(holder, Ok(None));
    }

    async fn foreign_things_are_missing(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let wrong = &a.org().in_project(b.project_id);
        let missing = |error: Option<StoreError>| {
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Missing));
        };
        missing(in_tx!(store, tx => crate::projects::get(tx, wrong).await).err());
        missing(in_tx!(store, tx => crate::projects::delete(tx, wrong).await).err());
        missing(in_tx!(store, tx => api_keys::get(tx, &a.org(), b.key).await).err());
        missing(in_tx!(store, tx => api_keys::delete(tx, &a.org(), b.key).await).err());
        missing(in_tx!(store, tx => api_keys::unassign(tx, wrong, b.key).await).err());
        missing(in_tx!(store, tx => service_accounts::get(tx, &a.org(), b.account).await).err());
        missing(in_tx!(store, tx => service_accounts::delete_secret(
            tx, &a.org(), b.account, b.secret).await).err());
        missing(in_tx!(store, tx => crate::users::member(tx, &a.org(), b.owner).await).err());
        missing(in_tx!(store, tx => crate::users::remove_member(tx, &a.org(), b.owner).await).err());
        let owner = AccessOwner::ApiKey(b.key);
        missing(in_tx!(store, tx => access_lists::list(tx, &a.org(), owner, Page::ALL).await).err());
    }

    async fn roles_cannot_be_set_in_a_foreign_project(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let wrong = &a.org().in_project(b.project_id);
        let roles = &[ProjectRole::Owner];
        for outcome in [
            in_tx!(store, tx => api_keys::set_project_roles(tx, wrong, a.key, roles).await),
            in_tx!(store, tx => {
                service_accounts::set_project_roles(tx, wrong, a.account, roles).await
            }),
            in_tx!(store, tx => crate::users::set_project_roles(tx, wrong, a.owner, roles).await),
        ] {
            assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::Missing));
        }
    }

    async fn access_lists_are_kept(store) {
        let house = &House::build(&store, 'a').await;
        let owner = AccessOwner::ApiKey(house.key);
        let rules = in_tx!(store, tx => access_lists::rules(tx, house.org_id, owner).await);
        let address = "10.1.2.3".parse().expect("an address");
        assert_eq!(rules.expect("rules").judge(address), AccessVerdict::Allowed(None));
        let network = "10.1.0.0/16".parse().expect("a network");
        let untidy = "10.1.77.0/16".parse().expect("a network");
        in_tx!(store, tx => access_lists::insert(tx, &house.org(), owner, untidy).await)
            .expect("added");
        let again = in_tx!(store, tx => {
            access_lists::insert(tx, &house.org(), owner, network).await
        });
        assert_eq!(again.map_err(|error| error.kind()), Err(ErrorKind::Conflict));
        let rules = in_tx!(store, tx => access_lists::rules(tx, house.org_id, owner).await)
            .expect("rules");
        assert_eq!(rules.judge(address), AccessVerdict::Allowed(Some(network)));
        let mapped = "::ffff:10.1.9.9".parse().expect("an address");
        assert_eq!(rules.judge(mapped), AccessVerdict::Allowed(Some(network)));
        let other = "10.2.0.1".parse().expect("an address");
        assert_eq!(rules.judge(other), AccessVerdict::NotListed);
        let uses = Uses { address, count: 3, last_ms: 7 };
        in_tx!(store, tx => access_lists::record_uses(tx, owner, network, uses).await)
            .expect("recorded");
        let entry = in_tx!(store, tx => {
            access_lists::get(tx, &house.org(), owner, network).await
        })
        .expect("an entry");
        assert_eq!((entry.use_count, entry.last_used_address.as_deref()), (3, Some("10.1.2.3")));
        assert_eq!(entry.last_used_at, Some(7));
        in_tx!(store, tx => access_lists::delete(tx, &house.org(), owner, network).await)
            .expect("removed");
        let rules = in_tx!(store, tx => access_lists::rules(tx, house.org_id, owner).await);
        assert!(rules.expect("rules").networks.is_empty());
    }

    async fn events_are_filtered_and_counted(store) {
        let house = &House::build(&store, 'a').await;
        let actor = &Actor::User { id: house.owner, username: "a@example.com".into() };
        for type_name in ["GROUP_CREATED", "API_KEY_CREATED", "API_KEY_DELETED"] {
            let event = &NewEvent {
                type_name,
                scope: EventScope::Org(house.org_id),
                actor,
                remote_address: Some("127.0.0.1"),
                target: &[("targetPublicKey", "abc\"d".into())],
            };
            in_tx!(store, tx => events::insert(tx, event).await).expect("an event");
        }
        let event = &NewEvent {
            type_name: "GROUP_MOVED",
            scope: EventScope::Project(house.project_id),
            actor,
            remote_address: None,
            target: &[],
        };
        in_tx!(store, tx => events::insert(tx, event).await).expect("an event");
        let all = &EventFilter::default();
        let page = Page::new(2, 1);
        let listed = in_tx!(store, tx => events::list_of_org(tx, &house.org(), all, page).await)
            .expect("a list");
        assert_eq!(listed.total, 3);
        let names: Vec<_> = listed.items.iter().map(|event| event.type_name.as_str()).collect();
        assert_eq!(names, ["API_KEY_CREATED", "GROUP_CREATED"]);
        assert_eq!(listed.items[0].target["targetPublicKey"], "abc\"d");
        let types = ["GROUP_CREATED".to_owned(), "API_KEY_DELETED".to_owned()];
        let excluded = ["API_KEY_DELETED".to_owned()];
        let filter = &EventFilter { types: &types, excluded_types: &excluded, ..all.clone() };
        let listed = in_tx!(store, tx => {
            events::list_of_org(tx, &house.org(), filter, Page::ALL).await
        });
        assert_eq!(listed.expect("a list").total, 1);
        let of_project = in_tx!(store, tx => {
            events::list_of_project(tx, &house.project(), all, Page::ALL).await
        })
        .expect("a list");
        assert_eq!(of_project.items[0].scope, EventScope::Project(house.project_id));
        let id = of_project.items[0].id;
        let foreign = in_tx!(store, tx => events::get_of_org(tx, &house.org(), id).await);
        assert_eq!(foreign, Err(StoreError::missing("event")));
        let none = EventId::new([0; 12]);
        let absent = in_tx!(store, tx => events::get_of_project(tx, &house.project(), none).await);
        assert_eq!(absent, Err(StoreError::missing("event")));
    }

    async fn the_audit_trail_tells_what_came_of_it(store) {
        let actor = &Actor::System { reason: "test" };
        let requests = [1, 2, 3].map(|n| RequestId::new([n; 12]));
        let long = format!("/orgs/{}", "ä".repeat(10_000));
        for request_id in requests {
            let intent = &AuditIntent {
                request_id,
                operation: "deleteOrg",
                resource: &long,
                actor,
                remote_address: None,
            };
            in_tx!(store, tx => audit::intend(tx, intent).await).expect("a row");
        }
        let (done, rolled_back) = (requests[0], requests[1]);
        in_tx!(store, tx => audit::settle(tx, done, AuditOutcome::Done, None).await)
            .expect("settled");
        let late = in_tx!(store, tx => {
            audit::settle(tx, rolled_back, AuditOutcome::Done, None).await?;
            Err::<(), _>(StoreError::missing("change"))
        });
        late.expect_err("rolled back");
        in_tx!(store, tx => {
            audit::settle(tx, done, AuditOutcome::Failed, Some("late")).await
        })
        .expect("no change");
        let open = in_tx!(store, tx => audit::list(tx, &system(), true, Page::ALL).await)
            .expect("a list");
        let ids: Vec<_> = open.items.iter().map(|row| row.request_id).collect();
        assert_eq!(ids, [requests[2], requests[1]]);
        let all = in_tx!(store, tx => audit::list(tx, &system(), false, Page::ALL).await)
            .expect("a list");
        assert_eq!(all.items[2].outcome, Some(AuditOutcome::Done));
        assert_eq!(all.items[2].resource.chars().count(), 501, "a path is cut");
    }

    async fn the_instance_keeps_its_id_and_keys(store) {
        let first = in_tx!(store, tx => instance::installation_id(tx).await).expect("an id");
        assert_eq!(in_tx!(store, tx => instance::installation_id(tx).await), Ok(first));
        let key = in_tx!(store, tx => instance::shared_secret(tx, "nonce").await).expect("a key");
        assert_eq!(in_tx!(store, tx => instance::shared_secret(tx, "nonce").await), Ok(key.clone()));
        let other = in_tx!(store, tx => instance::shared_secret(tx, "other").await);
        assert_ne!(other.expect("a key"), key);
    }
}
