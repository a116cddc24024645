//! Organizations and projects.

use crate::{EpochMs, OrgId, ProjectId};

/// An organization: the owner of projects, users, keys and service accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its name, 1 to 64 characters.
    pub name: String,
    /// Whether new projects go without default alert settings.
    pub skip_default_alerts_settings: bool,
    /// Whether keys and service accounts need a non-empty access list.
    pub api_access_list_required: bool,
    /// When it was created.
    pub created_at: EpochMs,
}

/// A project (`group` on the wire): the owner of clusters, archives and database users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The organization that it belongs to.
    pub org_id: OrgId,
    /// Its name, unique in the organization, 1 to 64 characters.
    pub name: String,
    /// Labels, in the order given.
    pub tags: Vec<Tag>,
    /// Whether it was created with default alert settings.
    pub with_default_alerts_settings: bool,
    /// When it was created.
    pub created_at: EpochMs,
}

/// A label of a project or cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 255 characters.
    pub key: String,
    /// 1 to 255 characters.
    pub value: String,
}
