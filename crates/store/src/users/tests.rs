//! Tests of users.

use super::*;
use crate::tests::fixture::{House, add_person, invitation, person};
use crate::tests::{in_tx, on_each_database};

on_each_database! {
    async fn members_are_listed_with_their_roles(store) {
        let house = &House::build(&store, 'a').await;
        let waiting = invitation(&store, 60_000);
        let guest = add_person(&store, house, 'g', waiting.clone(), &[OrgRole::ReadOnly]).await;
        let all = &UserFilter::default();
        let members = in_tx!(store, tx => list_members(tx, &house.org(), all, Page::ALL).await)
            .expect("a list");
        assert_eq!(members.total, 2);
        let owner = &members.items[0];
        assert_eq!((owner.user.id, &owner.membership), (house.owner, &Membership::Active));
        assert_eq!(owner.assignments[0].roles, [ProjectRole::Owner, ProjectRole::ReadOnly]);
        assert_eq!((members.items[1].user.id, &members.items[1].membership), (guest, &waiting));
        let pending = Statuses { active: false, pending: true };
        let nobody = Statuses { active: false, pending: false };
        for (filter, total) in [
            (UserFilter { username: Some("A@example.com"), ..UserFilter::default() }, 1),
            (UserFilter { username: Some("a@"), ..UserFilter::default() }, 0),
            (UserFilter { username_contains: Some("EXAMPLE"), ..UserFilter::default() }, 2),
            (UserFilter { statuses: pending, ..UserFilter::default() }, 1),
            (UserFilter { statuses: nobody, ..UserFilter::default() }, 0),
            (UserFilter { id: Some(guest), ..UserFilter::default() }, 1),
        ] {
            let filter = &filter;
            let found = in_tx!(store, tx => {
                list_members(tx, &house.org(), filter, Page::new(1, 0)).await
            });
            assert_eq!(found.expect("a list").total, total, "{filter:?}");
        }
    }

    async fn only_active_owners_count_as_owners(store) {
        let house = &House::build(&store, 'a').await;
        add_person(&store, house, 'g', invitation(&store, 60_000), &[OrgRole::Owner]).await;
        let second = add_person(&store, house, 'h', Membership::Active, &[OrgRole::Member]).await;
        let owners_now = in_tx!(store, tx => owners(tx, &house.org()).await);
        assert_eq!(owners_now, Ok(vec![house.owner]));
        let roles = &[OrgRole::Owner, OrgRole::Member, OrgRole::Owner];
        in_tx!(store, tx => set_member_roles(tx, &house.org(), second, roles).await)
            .expect("promoted");
        let owners_now = in_tx!(store, tx => owners(tx, &house.org()).await);
        assert_eq!(owners_now, Ok(vec![house.owner, second]));
        let member = in_tx!(store, tx => member(tx, &house.org(), second).await).expect("a member");
        assert_eq!(member.org_roles, [OrgRole::Owner, OrgRole::Member]);
    }

    async fn a_user_name_is_one_person(store) {
        let a = &House::build(&store, 'a').await;
        let b = &House::build(&store, 'b').await;
        let found = in_tx!(store, tx => find_by_username(tx, &b.org(), "A@Example.com").await);
        assert_eq!(found.expect("a look-up").expect("a user").id, a.owner);
        let id = UserId::new([7; 12]);
        let twin = in_tx!(store, tx => insert(tx, &b.org(), &person(tx, id, 'a')).await);
        assert!(twin.expect_err("taken").is_conflict_in("users"));
        let twice = in_tx!(store, tx => {
            add_member(tx, &a.org(), a.owner, &Membership::Active, &[]).await
        });
        assert!(twice.expect_err("a member already").is_conflict_in("org_members"));
    }
}
