//! Tests of teams.

use portolan_model::OrgRole;

use super::*;
use crate::tests::fixture::{House, add_person, invitation};
use crate::tests::{TestStore, in_tx, on_each_database};
use crate::users::Membership;
use crate::{ErrorKind, organizations, principals, project_move, projects, users};

/// Makes a team without members.
pub(crate) async fn team(store: &TestStore, house: &House, name: &str) -> TeamId {
    let id = TeamId::new(store.runtime().object_id());
    let team = &Team { id, name: name.to_owned(), created_at: store.runtime().now_ms() };
    in_tx!(store, tx => insert(tx, &house.org(), team).await).expect("a team");
    id
}

on_each_database! {
    async fn a_team_is_named_renamed_and_deleted(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let id = team(&store, a, "Blue").await;
        team(&store, b, "Blue").await;
        let twin = &Team { id: TeamId::new([9; 12]), name: "Blue".into(), created_at: 1 };
        let taken = in_tx!(store, tx => insert(tx, &a.org(), twin).await);
        assert!(taken.expect_err("taken").is_conflict_in("teams"));
        in_tx!(store, tx => rename(tx, &a.org(), id, "Red").await).expect("renamed");
        let found = in_tx!(store, tx => find_by_name(tx, &a.org(), "Red").await);
        assert_eq!(found.expect("a look-up").expect("found").id, id);
        let gone = in_tx!(store, tx => find_by_name(tx, &a.org(), "Blue").await);
        assert_eq!(gone, Ok(None));
        let listed = in_tx!(store, tx => list(tx, &a.org(), Page::ALL).await).expect("a list");
        assert_eq!((listed.total, listed.items[0].name.as_str()), (1, "Red"));
        for foreign in [
            in_tx!(store, tx => get(tx, &b.org(), id).await).map(|_| ()),
            in_tx!(store, tx => rename(tx, &b.org(), id, "x").await),
            in_tx!(store, tx => delete(tx, &b.org(), id).await),
            in_tx!(store, tx => add_member(tx, &b.org(), id, b.owner).await),
            in_tx!(store, tx => set_roles(tx, &b.project(), id, &[ProjectRole::Owner]).await),
        ] {
            assert_eq!(foreign, Err(StoreError::missing("team")));
        }
        in_tx!(store, tx => delete(tx, &a.org(), id).await).expect("deleted");
        let listed = in_tx!(store, tx => list(tx, &a.org(), Page::ALL).await);
        assert_eq!(listed.expect("a list").total, 0);
    }

    async fn members_hold_what_the_team_holds(store) {
        let house = &House::build(&store, 'a').await;
        let id = team(&store, house, "T").await;
        let mate = add_person(&store, house, 'm', Membership::Active, &[OrgRole::Member]).await;
        let waiting = invitation(&store, 60_000);
        let guest = add_person(&store, house, 'g', waiting, &[OrgRole::Member]).await;
        let roles = &[ProjectRole::ReadOnly, ProjectRole::BackupManager, ProjectRole::ReadOnly];
        in_tx!(store, tx => {
            add_member(tx, &house.org(), id, mate).await?;
            add_member(tx, &house.org(), id, guest).await?;
            set_roles(tx, &house.project(), id, roles).await
        })
        .expect("a team at work");
        let twice = in_tx!(store, tx => add_member(tx, &house.org(), id, mate).await);
        assert!(twice.expect_err("in it").is_conflict_in("team_members"));
        let held = in_tx!(store, tx => principals::of_user(tx, mate).await);
        let grants = held.expect("a look-up").expect("a user").grants.projects;
        let project = house.project_id;
        assert_eq!(grants, [(project, ProjectRole::BackupManager), (project, ProjectRole::ReadOnly)]);
        let held = in_tx!(store, tx => principals::of_user(tx, guest).await);
        assert_eq!(held.expect("a look-up").expect("a user").grants.projects, []);
        let member = in_tx!(store, tx => users::member(tx, &house.org(), mate).await);
        assert_eq!(member.expect("a member").team_ids, [id]);
        assert_eq!(in_tx!(store, tx => count_members(tx, &house.org(), id).await), Ok(2));
        in_tx!(store, tx => remove_member(tx, &house.org(), id, guest).await).expect("left");
        let twice = in_tx!(store, tx => remove_member(tx, &house.org(), id, guest).await);
        assert_eq!(twice, Err(StoreError::missing("user")));
        in_tx!(store, tx => users::remove_member(tx, &house.org(), mate).await).expect("gone");
        assert_eq!(in_tx!(store, tx => count_members(tx, &house.org(), id).await), Ok(0));
    }

    async fn roles_in_projects_are_set_and_listed(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let (first, second) = (team(&store, a, "1").await, team(&store, a, "2").await);
        let roles = &[ProjectRole::ReadOnly, ProjectRole::Owner];
        in_tx!(store, tx => {
            set_roles(tx, &a.project(), first, roles).await?;
            set_roles(tx, &a.project(), second, &roles[..1]).await
        })
        .expect("both");
        let page = Page::new(1, 0);
        let listed = in_tx!(store, tx => list_in_project(tx, &a.project(), page).await)
            .expect("a list");
        let shown = TeamRoles { team_id: first, roles: vec![ProjectRole::Owner, ProjectRole::ReadOnly] };
        assert_eq!((listed.total, &listed.items), (2, &vec![shown.clone()]));
        let one = in_tx!(store, tx => get_in_project(tx, &a.project(), first).await);
        assert_eq!(one, Ok(shown));
        assert_eq!(in_tx!(store, tx => count_projects(tx, &a.org(), first).await), Ok(1));
        let wrong = &a.org().in_project(b.project_id);
        let foreign = in_tx!(store, tx => set_roles(tx, wrong, first, roles).await);
        assert_eq!(foreign.map_err(|error| error.kind()), Err(ErrorKind::Missing));
        in_tx!(store, tx => set_roles(tx, &a.project(), first, &[]).await).expect("taken out");
        let none = in_tx!(store, tx => get_in_project(tx, &a.project(), first).await);
        assert_eq!(none, Err(StoreError::missing("team")));
    }

    async fn a_moved_or_deleted_project_loses_its_teams(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let id = team(&store, a, "T").await;
        let role = &[ProjectRole::ReadOnly];
        in_tx!(store, tx => set_roles(tx, &a.project(), id, role).await).expect("assigned");
        let moved = in_tx!(store, tx => project_move::run(tx, &a.project(), &b.org()).await);
        assert_eq!(moved.expect("moved").teams_dropped, [(id, "T".to_owned())]);
        assert_eq!(in_tx!(store, tx => count_projects(tx, &a.org(), id).await), Ok(0));
        let other = team(&store, b, "U").await;
        in_tx!(store, tx => set_roles(tx, &b.project(), other, role).await).expect("assigned");
        in_tx!(store, tx => projects::delete(tx, &b.project()).await).expect("deleted");
        assert_eq!(in_tx!(store, tx => count_projects(tx, &b.org(), other).await), Ok(0));
    }

    async fn a_deleted_organization_takes_its_teams_along(store) {
        let house = &House::build(&store, 'a').await;
        let id = team(&store, house, "T").await;
        in_tx!(store, tx => {
            add_member(tx, &house.org(), id, house.owner).await?;
            projects::delete(tx, &house.project()).await?;
            organizations::delete(tx, &house.org()).await
        })
        .expect("deleted");
        assert_eq!(in_tx!(store, tx => count_members(tx, &house.org(), id).await), Ok(0));
        let held = in_tx!(store, tx => principals::of_user(tx, house.owner).await);
        assert_eq!(held.expect("a look-up").expect("a user").grants.projects, []);
    }
}
