//! The witness that somebody checked: the store asks for it, and only this file can make one.
//!
//! A query takes the tenant from the witness ([`Authorized::scope`]), never from an argument of its
//! own, so that a forgotten check does not compile and a wrong one cannot name a foreign tenant.

use portolan_model::{OrgId, ProjectId};

use crate::policy::{allowed_in_org, allowed_in_project, implied_in_projects};
use crate::{Action, Actor, Principal};

/// One organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrgScope {
    /// Its id.
    pub org_id: OrgId,
}

/// One project, with the organization that owned it when the caller was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProjectScope {
    /// The organization.
    pub org_id: OrgId,
    /// The project.
    pub project_id: ProjectId,
}

/// The whole instance: for workers and for lists that the store filters by grants itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instance;

/// What a permission can be about.
pub trait Scope: Copy + Send + Sync + std::fmt::Debug + sealed::Sealed {
    /// Whether the caller may see it at all.
    fn visible_to(&self, principal: &Principal) -> bool;
    /// Whether the caller may do this to it.
    fn allows(&self, principal: &Principal, action: Action) -> bool;
}

mod sealed {
    /// Keeps the set of scopes closed.
    pub trait Sealed {}
    impl Sealed for super::OrgScope {}
    impl Sealed for super::ProjectScope {}
    impl Sealed for super::Instance {}
}

impl Scope for OrgScope {
    fn visible_to(&self, principal: &Principal) -> bool {
        principal.org_roles(self.org_id).next().is_some()
    }

    fn allows(&self, principal: &Principal, action: Action) -> bool {
        principal.org_roles(self.org_id).any(|role| allowed_in_org(role, action))
    }
}

impl Scope for ProjectScope {
    fn visible_to(&self, principal: &Principal) -> bool {
        self.allows(principal, Action::ProjectRead)
    }

    fn allows(&self, principal: &Principal, action: Action) -> bool {
        principal.project_roles(self.project_id).any(|role| allowed_in_project(role, action))
            || principal.org_roles(self.org_id).any(|role| implied_in_projects(role, action))
    }
}

impl Scope for Instance {
    fn visible_to(&self, _principal: &Principal) -> bool {
        false
    }

    fn allows(&self, _principal: &Principal, _action: Action) -> bool {
        false
    }
}

/// Why a caller was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The caller may not even know that it exists.
    #[error("not visible to the caller")]
    Invisible,
    /// The caller sees it but lacks the role.
    #[error("the caller lacks a role that allows {}", .0.as_str())]
    RoleMissing(Action),
}

/// Proof that an action on a scope was allowed. Its fields are private and it has no other
/// constructors than [`authorize`] and [`Authorized::system`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized<S: Scope> {
    scope: S,
    action: Option<Action>,
    actor: Actor,
}

/// Checks the policy table.
///
/// # Errors
/// [`Refused::Invisible`] before [`Refused::RoleMissing`]: foreign and absent look the same.
pub fn authorize<S: Scope>(
    principal: &Principal,
    action: Action,
    scope: S,
) -> Result<Authorized<S>, Refused> {
    if scope.allows(principal, action) {
        return Ok(Authorized { scope, action: Some(action), actor: principal.actor.clone() });
    }
    if scope.visible_to(principal) {
        return Err(Refused::RoleMissing(action));
    }
    Err(Refused::Invisible)
}

impl Authorized<Instance> {
    /// Portolan's own work, with the reason for audit rows. Narrow it with [`Authorized::in_org`] or
    /// [`Authorized::in_project`] before touching one tenant.
    #[must_use]
    pub const fn system(reason: &'static str) -> Self {
        Self { scope: Instance, action: None, actor: Actor::System { reason } }
    }

    /// The same, for one organization.
    #[must_use]
    pub fn in_org(&self, org_id: OrgId) -> Authorized<OrgScope> {
        self.narrow(OrgScope { org_id })
    }

    /// The same, for one project.
    #[must_use]
    pub fn in_project(&self, org_id: OrgId, project_id: ProjectId) -> Authorized<ProjectScope> {
        self.narrow(ProjectScope { org_id, project_id })
    }

    fn narrow<S: Scope>(&self, scope: S) -> Authorized<S> {
        Authorized { scope, action: self.action, actor: self.actor.clone() }
    }
}

impl Authorized<OrgScope> {
    /// The organization.
    #[must_use]
    pub const fn org_id(&self) -> OrgId {
        self.scope.org_id
    }

    /// Work inside an organization on one of its projects, allowed by the right on the organization:
    /// creating it, receiving it, listing it. The store still checks that the project belongs to it.
    #[must_use]
    pub fn in_project(&self, project_id: ProjectId) -> Authorized<ProjectScope> {
        Authorized {
            scope: ProjectScope { org_id: self.scope.org_id, project_id },
            action: self.action,
            actor: self.actor.clone(),
        }
    }
}

impl Authorized<ProjectScope> {
    /// The organization.
    #[must_use]
    pub const fn org_id(&self) -> OrgId {
        self.scope.org_id
    }

    /// The project.
    #[must_use]
    pub const fn project_id(&self) -> ProjectId {
        self.scope.project_id
    }
}

impl<S: Scope> Authorized<S> {
    /// What it is about.
    #[must_use]
    pub const fn scope(&self) -> &S {
        &self.scope
    }

    /// What was allowed; `None` for the system.
    #[must_use]
    pub const fn action(&self) -> Option<Action> {
        self.action
    }

    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }
}
