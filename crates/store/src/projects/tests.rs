//! Tests of projects and of their moves.

use portolan_model::{OrgRole, ProjectRole};

use super::*;
use crate::tests::fixture::{House, add_person};
use crate::tests::{in_tx, on_each_database};
use crate::users::Membership;
use crate::{ErrorKind, api_keys, principals, project_move, service_accounts, users};

on_each_database! {
    async fn a_project_is_changed_and_read_back(store) {
        let house = &House::build(&store, 'a').await;
        let project = in_tx!(store, tx => get(tx, &house.project()).await).expect("it is there");
        assert_eq!(project.tags[0].value, "\"test\"");
        assert_eq!(project.org_id, house.org_id);
        in_tx!(store, tx => update(tx, &house.project(), "New", &[], false).await)
            .expect("changed");
        let project = in_tx!(store, tx => get(tx, &house.project()).await).expect("it is there");
        assert_eq!((project.name.as_str(), project.tags.len()), ("New", 0));
        assert_eq!(in_tx!(store, tx => name_taken(tx, &house.org(), "New").await), Ok(true));
        assert_eq!(in_tx!(store, tx => locate(tx, house.project_id).await), Ok(Some(house.org_id)));
        in_tx!(store, tx => delete(tx, &house.project()).await).expect("deleted");
        assert_eq!(in_tx!(store, tx => locate(tx, house.project_id).await), Ok(None));
        assert_eq!(in_tx!(store, tx => count_in_org(tx, &house.org()).await), Ok(0));
    }

    async fn names_are_unique_in_an_organization(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let mut twin = in_tx!(store, tx => get(tx, &a.project()).await).expect("it is there");
        twin.id = ProjectId::new(store.runtime().object_id());
        let twin = &twin;
        let refused = in_tx!(store, tx => insert(tx, &a.org(), twin).await);
        assert!(refused.expect_err("taken").is_conflict_in("projects"));
        in_tx!(store, tx => insert(tx, &b.org(), twin).await).expect("free elsewhere");
        let moved = in_tx!(store, tx => get(tx, &b.org().in_project(twin.id)).await);
        assert_eq!(moved.expect("it is there").org_id, b.org_id);
    }

    async fn callers_see_what_their_roles_show(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let key = in_tx!(store, tx => principals::of_public_key(tx, &a.public_key).await);
        let mut principal = key.expect("a look-up").expect("a key").principal;
        let total = |listed: Result<Listed<Project>, StoreError>| listed.expect("a list").total;
        let all = ProjectFilter::default();
        let caller = &principal;
        // An owner sees every project of the organization, with a role in it or without.
        assert_eq!(total(in_tx!(store, tx => list_visible(tx, caller, all, Page::ALL).await)), 1);
        principal.grants.orgs = vec![(a.org_id, OrgRole::Member)];
        principal.grants.projects = vec![(b.project_id, ProjectRole::ReadOnly)];
        let caller = &principal;
        let seen = in_tx!(store, tx => list_visible(tx, caller, all, Page::ALL).await);
        assert_eq!(seen.expect("a list").items[0].id, b.project_id);
        for (filter, count) in [
            (ProjectFilter { name: Some("Project b"), ..all }, 1),
            (ProjectFilter { name: Some("project b"), ..all }, 0),
            (ProjectFilter { name_contains: Some("PROJ"), ..all }, 1),
            (ProjectFilter { org_id: Some(a.org_id), ..all }, 0),
            (ProjectFilter { org_id: Some(b.org_id), ..all }, 1),
        ] {
            let found = in_tx!(store, tx => list_visible(tx, caller, filter, Page::ALL).await);
            assert_eq!(total(found), count, "{filter:?}");
        }
    }

    async fn a_move_takes_people_along_and_leaves_keys(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let both = add_person(&store, a, 'c', Membership::Active, &[OrgRole::Member]).await;
        let roles = &[ProjectRole::DataAccessAdmin];
        in_tx!(store, tx => {
            users::add_member(tx, &b.org(), both, &Membership::Active, &[OrgRole::ReadOnly]).await?;
            users::set_project_roles(tx, &a.project(), both, roles).await
        })
        .expect("in both");
        let told = in_tx!(store, tx => {
            project_move::preview(tx, &a.project(), b.org_id).await
        })
        .expect("a preview");
        let done = in_tx!(store, tx => project_move::run(tx, &a.project(), &b.org()).await)
            .expect("moved");
        assert_eq!(told, done);
        assert_eq!(done.users.len(), 2);
        assert_eq!(done.api_keys_dropped, [(a.key, a.public_key.clone())]);
        assert_eq!(done.service_accounts_dropped, [(a.account, "robot".to_owned())]);
        let there = &b.org().in_project(a.project_id);
        assert_eq!(in_tx!(store, tx => get(tx, there).await).expect("moved").org_id, b.org_id);
        let gone = in_tx!(store, tx => get(tx, &a.project()).await);
        assert_eq!(gone, Err(StoreError::missing("project")));
        let owner = in_tx!(store, tx => users::member(tx, &b.org(), a.owner).await)
            .expect("a member");
        assert_eq!(owner.org_roles, [OrgRole::Member]);
        assert_eq!(owner.assignments[0].roles, [ProjectRole::Owner, ProjectRole::ReadOnly]);
        let guest = in_tx!(store, tx => users::member(tx, &b.org(), both).await).expect("a member");
        assert_eq!(guest.org_roles, [OrgRole::ReadOnly]);
        let keys = in_tx!(store, tx => api_keys::list_in_project(tx, there, Page::ALL).await);
        assert_eq!(keys.expect("a list").total, 0);
        let accounts =
            in_tx!(store, tx => service_accounts::list_in_project(tx, there, Page::ALL).await);
        assert_eq!(accounts.expect("a list").total, 0);
        let key = in_tx!(store, tx => api_keys::get(tx, &a.org(), a.key).await).expect("a key");
        assert!(key.assignments.is_empty());
    }

    async fn a_refused_move_changes_nothing(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        in_tx!(store, tx => update(tx, &b.project(), "Project a", &[], true).await)
            .expect("the same name");
        let refused = in_tx!(store, tx => project_move::run(tx, &a.project(), &b.org()).await);
        assert!(refused.expect_err("taken").is_conflict_in("projects"));
        assert_eq!(in_tx!(store, tx => users::count_members(tx, &b.org()).await), Ok(1));
        let key = in_tx!(store, tx => api_keys::get(tx, &a.org(), a.key).await).expect("a key");
        assert_eq!(key.assignments.len(), 1);
        let stale = &b.org().in_project(a.project_id);
        let stale = in_tx!(store, tx => project_move::run(tx, stale, &a.org()).await);
        assert_eq!(stale.map_err(|error| error.kind()), Err(ErrorKind::Missing));
    }
}
