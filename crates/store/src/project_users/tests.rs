//! Tests of users of projects.

use super::*;
use crate::tests::fixture::{House, add_person};
use crate::tests::{in_tx, on_each_database};
use crate::users;

const ALL: UserFilter<'static> = UserFilter {
    username: None,
    username_contains: None,
    statuses: users::Statuses { active: true, pending: true },
    id: None,
    invitation_id: None,
    team_id: None,
};

on_each_database! {
    async fn project_users_come_and_go(store) {
        let house = &House::build(&store, 'a').await;
        let user = add_person(&store, house, 'g', Membership::Active, &[OrgRole::Member]).await;
        let only = Reach::default();
        let absent = in_tx!(store, tx => get(tx, &house.project(), user).await);
        assert_eq!(absent, Err(StoreError::missing("user")));
        let roles = &[ProjectRole::ReadOnly];
        in_tx!(store, tx => users::set_project_roles(tx, &house.project(), user, roles).await)
            .expect("added");
        let found = in_tx!(store, tx => get(tx, &house.project(), user).await);
        assert_eq!(found.expect("a user").roles, roles);
        let listed = in_tx!(store, tx => list(tx, &house.project(), &ALL, only, Page::ALL).await);
        assert_eq!(listed.expect("a list").total, 2);
        in_tx!(store, tx => users::remove_member(tx, &house.org(), user).await).expect("removed");
        let listed = in_tx!(store, tx => list(tx, &house.project(), &ALL, only, Page::ALL).await);
        assert_eq!(listed.expect("a list").total, 1);
        let stranger = in_tx!(store, tx => {
            users::set_project_roles(tx, &house.project(), user, roles).await
        });
        assert_eq!(stranger, Err(StoreError::missing("user")));
    }

    async fn teams_and_the_organization_bring_more(store) {
        let house = &House::build(&store, 'a').await;
        let mate = add_person(&store, house, 'm', Membership::Active, &[OrgRole::Member]).await;
        let reader = add_person(&store, house, 'r', Membership::Active, &[OrgRole::ReadOnly]).await;
        let team = crate::teams::tests::team(&store, house, "T").await;
        in_tx!(store, tx => {
            teams::add_member(tx, &house.org(), team, mate).await?;
            teams::set_roles(tx, &house.project(), team, &[ProjectRole::BackupManager]).await
        })
        .expect("a team with a role");
        for (reach, expected) in [
            (Reach::default(), vec![house.owner]),
            (Reach { teams: true, org: false }, vec![house.owner, mate]),
            (Reach { teams: false, org: true }, vec![house.owner, reader]),
            (Reach { teams: true, org: true }, vec![house.owner, mate, reader]),
        ] {
            let found = in_tx!(store, tx => {
                list(tx, &house.project(), &ALL, reach, Page::ALL).await
            });
            let found = found.expect("a list");
            let ids: Vec<UserId> = found.items.iter().map(|item| item.user.id).collect();
            assert_eq!((ids, found.total), (expected.clone(), expected.len() as i64), "{reach:?}");
        }
        let both = Reach { teams: true, org: true };
        let found = in_tx!(store, tx => list(tx, &house.project(), &ALL, both, Page::ALL).await)
            .expect("a list");
        assert_eq!(found.items[1].team_roles, [ProjectRole::BackupManager]);
        assert_eq!(found.items[1].team_ids, [team]);
        assert_eq!(found.items[2].org_roles, [OrgRole::ReadOnly]);
    }
}
