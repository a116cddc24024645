//! The one policy table: which role may do what.
//!
//! It follows the Atlas documentation's user roles
//! (<https://www.mongodb.com/docs/atlas/reference/user-roles/>) and the roles that the public OpenAPI
//! of the Admin API names per operation. An organization owner acts as project owner in each project
//! of the organization; an organization reader reads all of them. How a live migration stands, each
//! member of the organization may see.

use portolan_model::{OrgRole, ProjectRole};

use crate::Action;

/// Whether a role in an organization allows an action on that organization.
#[must_use]
pub const fn allowed_in_org(role: OrgRole, action: Action) -> bool {
    use Action as A;
    match action {
        A::OrgRead => true,
        A::ServiceAccountsRead => matches!(role, OrgRole::Owner | OrgRole::ReadOnly),
        A::ProjectCreate => matches!(role, OrgRole::Owner | OrgRole::GroupCreator),
        A::OrgUpdate
        | A::OrgDelete
        | A::OrgUsersWrite
        | A::ApiKeysWrite
        | A::ServiceAccountsWrite
        | A::LinkTokensWrite
        | A::ProjectReceive => matches!(role, OrgRole::Owner),
        _ => false,
    }
}

/// Whether a role in an organization allows an action on each of its projects.
pub(crate) const fn implied_in_projects(role: OrgRole, action: Action) -> bool {
    match role {
        OrgRole::Owner => is_project_action(action),
        OrgRole::ReadOnly => matches!(action, Action::ProjectRead | Action::LiveMigrationsRead),
        _ => matches!(action, Action::LiveMigrationsRead),
    }
}

/// Whether a role in a project allows an action on that project.
#[must_use]
pub const fn allowed_in_project(role: ProjectRole, action: Action) -> bool {
    use Action as A;
    use ProjectRole as R;
    match action {
        A::ProjectRead | A::LiveMigrationsRead => true,
        // The owner of the organization decides, not the owner of the project.
        A::ProjectMove | A::ProjectServiceAccountsInvite | A::LiveMigrationsWrite => false,
        A::ProjectUsersWrite | A::ProjectApiKeysWrite | A::ServiceAccountListsWrite => {
            matches!(role, R::Owner | R::AccessManager)
        }
        A::NetworkAccessWrite => matches!(role, R::Owner | R::NetworkAccessManager),
        A::ClusterCreate => matches!(role, R::Owner | R::ClusterCreator),
        A::ClusterUpdate => matches!(
            role,
            R::Owner | R::ClusterManager | R::ClusterResilienceTester | R::ReplicaSetManager
        ),
        A::ClusterManage => matches!(role, R::Owner | R::ClusterManager),
        A::DatabaseUsersWrite => {
            matches!(role, R::Owner | R::DatabaseAccessAdmin | R::StreamProcessingOwner)
        }
        A::ArchivesWrite => matches!(role, R::Owner | R::DataAccessAdmin | R::ClusterManager),
        A::QueryLogsRead => matches!(
            role,
            R::Owner
                | R::DataAccessAdmin
                | R::DataAccessReadWrite
                | R::DataAccessReadOnly
                | R::StreamProcessingOwner
        ),
        _ => matches!(role, R::Owner) && is_project_action(action),
    }
}

/// Whether the action is one on a project, not on an organization.
pub(crate) const fn is_project_action(action: Action) -> bool {
    use Action as A;
    !matches!(
        action,
        A::OrgRead
            | A::OrgUpdate
            | A::OrgDelete
            | A::OrgUsersWrite
            | A::ApiKeysWrite
            | A::ServiceAccountsRead
            | A::ServiceAccountsWrite
            | A::LinkTokensWrite
            | A::ProjectCreate
            | A::ProjectReceive
    )
}
