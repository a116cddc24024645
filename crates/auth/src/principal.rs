//! The caller, as the store found it: who it is, and which roles it holds.

use std::fmt;

use portolan_model::{ApiKeyId, OrgId, OrgRole, ProjectId, ProjectRole, ServiceAccountId, UserId};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A programmatic API key.
    ApiKey {
        /// Its id.
        id: ApiKeyId,
        /// Its public key.
        public_key: String,
    },
    /// A service account, through an access token.
    ServiceAccount {
        /// Its client id.
        id: ServiceAccountId,
    },
    /// A person.
    User {
        /// Their id.
        id: UserId,
        /// Their user name, an e-mail address.
        username: String,
    },
    /// Portolan itself.
    System {
        /// Why it acts, for audit rows.
        reason: &'static str,
    },
}

impl Actor {
    /// `API_KEY`, `SERVICE_ACCOUNT`, `USER` or `SYSTEM`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ApiKey { .. } => "API_KEY",
            Self::ServiceAccount { .. } => "SERVICE_ACCOUNT",
            Self::User { .. } => "USER",
            Self::System { .. } => "SYSTEM",
        }
    }

    /// The id of the key, account or user; the reason of the system.
    #[must_use]
    pub fn id_text(&self) -> String {
        match self {
            Self::ApiKey { id, .. } => id.to_string(),
            Self::ServiceAccount { id } => id.to_string(),
            Self::User { id, .. } => id.to_string(),
            Self::System { reason } => (*reason).to_owned(),
        }
    }

    /// What people know it by: public key, client id, user name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::ApiKey { public_key, .. } => public_key.clone(),
            Self::User { username, .. } => username.clone(),
            Self::ServiceAccount { id } => id.to_string(),
            Self::System { .. } => "portolan".to_owned(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

/// The roles that a caller holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Roles in organizations.
    pub orgs: Vec<(OrgId, OrgRole)>,
    /// Roles in projects.
    pub projects: Vec<(ProjectId, ProjectRole)>,
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub actor: Actor,
    /// The organization that a key or service account belongs to; `None` for people.
    pub home_org_id: Option<OrgId>,
    /// What it may do.
    pub grants: Grants,
}

impl Principal {
    /// Roles in one organization.
    pub fn org_roles(&self, org_id: OrgId) -> impl Iterator<Item = OrgRole> + '_ {
        self.grants.orgs.iter().filter(move |(id, _)| *id == org_id).map(|(_, role)| *role)
    }

    /// Roles in one project, without what organization roles imply.
    pub fn project_roles(&self, project_id: ProjectId) -> impl Iterator<Item = ProjectRole> + '_ {
        self.grants.projects.iter().filter(move |(id, _)| *id == project_id).map(|(_, role)| *role)
    }

    /// Whether it owns the organization.
    #[must_use]
    pub fn owns(&self, org_id: OrgId) -> bool {
        self.org_roles(org_id).any(|role| role == OrgRole::Owner)
    }
}
