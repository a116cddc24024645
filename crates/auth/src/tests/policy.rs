//! The policy table: golden, and the rules that follow from roles of organizations.

use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole, UserId};

use crate::{
    Action, Actor, Grants, OrgScope, Principal, ProjectScope, Refused, allowed_in_org,
    allowed_in_project, authorize,
};

fn principal(orgs: Vec<(OrgId, OrgRole)>, projects: Vec<(ProjectId, ProjectRole)>) -> Principal {
    Principal {
        actor: Actor::User { id: UserId::new([1; 12]), username: "a@example.org".into() },
        home_org_id: None,
        grants: Grants { orgs, projects },
    }
}

const ORG: OrgId = OrgId::new([1; 12]);
const PROJECT: ProjectId = ProjectId::new([2; 12]);
const HERE: ProjectScope = ProjectScope { org_id: ORG, project_id: PROJECT };

#[test]
fn the_table_is_as_written_down() {
    let names = |allowed: &dyn Fn(Action) -> bool| {
        Action::ALL
            .iter()
            .filter(|a| allowed(**a))
            .map(|a| a.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let orgs = OrgRole::ALL
        .iter()
        .map(|role| format!("{role}: {}", names(&|action| allowed_in_org(*role, action))));
    let projects = ProjectRole::ALL
        .iter()
        .map(|role| format!("{role}: {}", names(&|action| allowed_in_project(*role, action))));
    let table = orgs.chain(projects).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(table);
}

#[test]
fn owners_of_an_organization_own_its_projects() {
    let owner = principal(vec![(ORG, OrgRole::Owner)], vec![]);
    for action in [Action::ProjectDelete, Action::ProjectMove, Action::ArchivesWrite] {
        assert!(authorize(&owner, action, HERE).is_ok(), "{action:?}");
    }
    let elsewhere = ProjectScope { org_id: OrgId::new([9; 12]), project_id: PROJECT };
    assert_eq!(authorize(&owner, Action::ProjectRead, elsewhere), Err(Refused::Invisible));
}

#[test]
fn roles_of_an_organization_reach_into_its_projects_and_no_further() {
    for role in OrgRole::ALL.iter().copied() {
        let principal = principal(vec![(ORG, role)], vec![]);
        for action in Action::ALL {
            let of_projects = action.as_str().starts_with("project.");
            let expected = match role {
                OrgRole::Owner => of_projects,
                OrgRole::ReadOnly => {
                    matches!(action, Action::ProjectRead | Action::LiveMigrationsRead)
                }
                _ => *action == Action::LiveMigrationsRead,
            };
            let answer = authorize(&principal, *action, HERE);
            assert_eq!(answer.is_ok(), expected, "{role} {}", action.as_str());
        }
    }
}

#[test]
fn project_owners_may_not_move_the_project() {
    let owner = principal(vec![(ORG, OrgRole::Member)], vec![(PROJECT, ProjectRole::Owner)]);
    let refused = authorize(&owner, Action::ProjectMove, HERE);
    assert_eq!(refused, Err(Refused::RoleMissing(Action::ProjectMove)));
    assert!(authorize(&owner, Action::ProjectDelete, HERE).is_ok());
}

#[test]
fn members_see_only_their_projects_and_readers_all() {
    let member = principal(vec![(ORG, OrgRole::Member)], vec![]);
    assert_eq!(authorize(&member, Action::ProjectRead, HERE), Err(Refused::Invisible));
    assert!(authorize(&member, Action::LiveMigrationsRead, HERE).is_ok());
    let reader = principal(vec![(ORG, OrgRole::ReadOnly)], vec![]);
    assert!(authorize(&reader, Action::ProjectRead, HERE).is_ok());
    let refused = authorize(&reader, Action::ProjectUpdate, HERE);
    assert_eq!(refused, Err(Refused::RoleMissing(Action::ProjectUpdate)));
}

#[test]
fn a_witness_carries_its_scope_and_actor() {
    let owner = principal(vec![(ORG, OrgRole::Owner)], vec![]);
    let witness = authorize(&owner, Action::OrgUpdate, OrgScope { org_id: ORG }).expect("owner");
    assert_eq!(witness.org_id(), ORG);
    assert_eq!(witness.actor(), &owner.actor);
    assert_eq!(witness.action(), Some(Action::OrgUpdate));
}
