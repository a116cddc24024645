//! Tests of invitations.

use portolan_model::OrgRole;

use super::*;
use crate::tests::fixture::{House, add_person, invitation};
use crate::tests::{TestStore, in_tx, on_each_database};
use crate::users::{self, Membership, UserFilter};

fn into_project(store: &TestStore, user: User, lasts_ms: i64) -> ProjectInvitation {
    let now_ms = store.runtime().now_ms();
    ProjectInvitation {
        id: InvitationId::new(store.runtime().object_id()),
        user,
        roles: vec![ProjectRole::ReadOnly, ProjectRole::Owner, ProjectRole::Owner],
        created_at: now_ms,
        expires_at: now_ms + lasts_ms,
        inviter_username: "aaaaaaaa".into(),
    }
}

on_each_database! {
    async fn one_that_ended_is_not_seen_and_makes_room(store) {
        let house = &House::build(&store, 'a').await;
        let guest = add_person(&store, house, 'g', invitation(&store, 0), &[OrgRole::Owner]).await;
        let absent = in_tx!(store, tx => users::member(tx, &house.org(), guest).await);
        assert_eq!(absent, Err(StoreError::missing("user")));
        let count = in_tx!(store, tx => users::count_members(tx, &house.org()).await);
        assert_eq!(count, Ok(1));
        let late = in_tx!(store, tx => accept(tx, &house.org(), guest).await);
        assert_eq!(late, Err(StoreError::missing("invitation")));
        let again = &invitation(&store, 60_000);
        in_tx!(store, tx => {
            users::add_member(tx, &house.org(), guest, again, &[OrgRole::Member]).await
        })
        .expect("invited again");
        let found = in_tx!(store, tx => users::member(tx, &house.org(), guest).await)
            .expect("invited");
        assert_eq!((found.org_roles.as_slice(), &found.membership), (&[OrgRole::Member][..], again));
    }

    async fn an_accepted_one_is_found_no_more(store) {
        let house = &House::build(&store, 'a').await;
        let waiting = invitation(&store, 60_000);
        let Membership::Pending(details) = waiting.clone() else { panic!("an invitation") };
        let guest = add_person(&store, house, 'g', waiting, &[OrgRole::Member]).await;
        let by_id = &UserFilter { invitation_id: Some(details.id), ..UserFilter::default() };
        let found = in_tx!(store, tx => users::find_member(tx, &house.org(), by_id).await);
        assert_eq!(found.expect("a look-up").expect("found").user.id, guest);
        in_tx!(store, tx => accept(tx, &house.org(), guest).await).expect("accepted");
        let found = in_tx!(store, tx => users::find_member(tx, &house.org(), by_id).await);
        assert_eq!(found, Ok(None));
        let twice = in_tx!(store, tx => accept(tx, &house.org(), guest).await);
        assert_eq!(twice, Err(StoreError::missing("invitation")));
    }

    async fn members_are_invited_into_projects(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let id = add_person(&store, a, 'g', Membership::Active, &[OrgRole::Member]).await;
        let user = in_tx!(store, tx => users::member(tx, &a.org(), id).await).expect("there").user;
        let one = &into_project(&store, user.clone(), 60_000);
        in_tx!(store, tx => insert_in_project(tx, &a.project(), one).await).expect("invited");
        let twin = &ProjectInvitation { id: InvitationId::new([9; 12]), ..one.clone() };
        let twice = in_tx!(store, tx => insert_in_project(tx, &a.project(), twin).await);
        assert!(twice.expect_err("invited").is_conflict_in("project_invitations"));
        let foreign = in_tx!(store, tx => insert_in_project(tx, &b.project(), twin).await);
        assert_eq!(foreign, Err(StoreError::missing("user")));
        let found = in_tx!(store, tx => {
            list_in_project(tx, &a.project(), Some(one.id), Some("G@example.com")).await
        })
        .expect("a list");
        assert_eq!(found[0].roles, [ProjectRole::Owner, ProjectRole::ReadOnly]);
        let roles = &[ProjectRole::BackupManager];
        in_tx!(store, tx => set_roles_in_project(tx, &a.project(), one.id, roles).await)
            .expect("changed");
        let wrong = &b.org().in_project(a.project_id);
        for (place, count) in [(&a.project(), 1), (&b.project(), 0), (wrong, 0)] {
            let found = in_tx!(store, tx => list_in_project(tx, place, None, None).await);
            assert_eq!(found.expect("a list").len(), count);
        }
        in_tx!(store, tx => users::remove_member(tx, &a.org(), id).await).expect("gone");
        let found = in_tx!(store, tx => list_in_project(tx, &a.project(), None, None).await);
        assert_eq!(found, Ok(vec![]));
    }

    async fn one_into_a_project_ends_too(store) {
        let house = &House::build(&store, 'a').await;
        let owner = in_tx!(store, tx => users::member(tx, &house.org(), house.owner).await)
            .expect("the owner");
        let ended = &into_project(&store, owner.user.clone(), 0);
        in_tx!(store, tx => insert_in_project(tx, &house.project(), ended).await).expect("made");
        let found = in_tx!(store, tx => list_in_project(tx, &house.project(), None, None).await);
        assert_eq!(found, Ok(vec![]));
        let next = &into_project(&store, owner.user, 60_000);
        in_tx!(store, tx => insert_in_project(tx, &house.project(), next).await).expect("room");
        in_tx!(store, tx => remove_in_project(tx, &house.project(), house.owner).await)
            .expect("removed");
        let found = in_tx!(store, tx => list_in_project(tx, &house.project(), None, None).await);
        assert_eq!(found, Ok(vec![]));
    }
}
