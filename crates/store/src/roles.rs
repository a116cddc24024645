//! Roles of users, keys and service accounts.
//!
//! Tables `org_roles` and `project_roles`: one row per principal, scope and role, the same for all
//! three kinds of principal, so that one look-up finds what a caller may do. Rows go with their
//! organization or project; whoever deletes a principal calls [`forget`].

use std::collections::HashMap;

use portolan_auth::{Authorized, Grants, ProjectScope};
use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole};
use sqlx::AssertSqlSafe;

use crate::{FromRow, Row, StoreError, ToValue, Tx, args, in_list};

/// The three kinds of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    ApiKey,
    ServiceAccount,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::ApiKey => "API_KEY",
            Self::ServiceAccount => "SERVICE_ACCOUNT",
        }
    }
}

/// The roles of a principal in one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The project.
    pub project_id: ProjectId,
    /// Roles, in the order of the enumeration.
    pub roles: Vec<ProjectRole>,
}

struct OrgRoleRow {
    principal_id: String,
    org_id: OrgId,
    role: OrgRole,
}

impl FromRow for OrgRoleRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            principal_id: row.text("principal_id")?,
            org_id: row.parse("org_id")?,
            role: row.parse("role")?,
        })
    }
}

struct ProjectRoleRow {
    principal_id: String,
    project_id: ProjectId,
    role: ProjectRole,
}

impl FromRow for ProjectRoleRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            principal_id: row.text("principal_id")?,
            project_id: row.parse("project_id")?,
            role: row.parse("role")?,
        })
    }
}

/// Replaces the roles of a principal in an organization.
pub(crate) async fn set_org_roles(
    tx: &mut Tx<'_>,
    kind: Kind,
    principal_id: &str,
    org_id: OrgId,
    roles: &[OrgRole],
) -> Result<(), StoreError> {
    let sql = "DELETE FROM org_roles WHERE principal_id = $1 AND org_id = $2";
    tx.execute(sql, args![principal_id, org_id]).await?;
    for role in distinct(roles) {
        tx.execute(
            "INSERT INTO org_roles (principal_id, principal_kind, org_id, role) \
             VALUES ($1, $2, $3, $4)",
            args![principal_id, kind.as_str(), org_id, role.as_str()],
        )
        .await?;
    }
    Ok(())
}

/// Replaces the roles of a principal in a project; the number of roles taken away.
pub(crate) async fn set_project_roles(
    tx: &mut Tx<'_>,
    kind: Kind,
    principal_id: &str,
    authorized: &Authorized<ProjectScope>,
    roles: &[ProjectRole],
) -> Result<u64, StoreError> {
    crate::projects::require(tx, authorized).await?;
    let project_id = authorized.project_id();
    let sql = "DELETE FROM project_roles WHERE principal_id = $1 AND project_id = $2";
    let removed = tx.execute(sql, args![principal_id, project_id]).await?;
    for role in distinct(roles) {
        tx.execute(
            "INSERT INTO project_roles (principal_id, principal_kind, project_id, role) \
             VALUES ($1, $2, $3, $4)",
            args![principal_id, kind.as_str(), project_id, role.as_str()],
        )
        .await?;
    }
    Ok(removed)
}

fn distinct<R: Copy + Ord>(roles: &[R]) -> Vec<R> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// Takes every role of a principal away.
pub(crate) async fn forget(tx: &mut Tx<'_>, principal_id: &str) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM org_roles WHERE principal_id = $1",
        "DELETE FROM project_roles WHERE principal_id = $1",
    ] {
        tx.execute(sql, args![principal_id]).await?;
    }
    Ok(())
}

/// Takes every role of a principal in an organization and its projects away.
pub(crate) async fn forget_in_org(
    tx: &mut Tx<'_>,
    principal_id: &str,
    org_id: OrgId,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM org_roles WHERE principal_id = $1 AND org_id = $2",
        "DELETE FROM project_roles WHERE principal_id = $1 \
         AND project_id IN (SELECT id FROM projects WHERE org_id = $2)",
    ] {
        tx.execute(sql, args![principal_id, org_id]).await?;
    }
    Ok(())
}

/// All roles of one principal.
pub(crate) async fn grants(tx: &mut Tx<'_>, principal_id: &str) -> Result<Grants, StoreError> {
    let sql = "SELECT principal_id, org_id, role FROM org_roles WHERE principal_id = $1";
    let orgs: Vec<OrgRoleRow> = tx.fetch_all(sql, args![principal_id]).await?;
    let sql = "SELECT principal_id, project_id, role FROM project_roles WHERE principal_id = $1";
    let projects: Vec<ProjectRoleRow> = tx.fetch_all(sql, args![principal_id]).await?;
    Ok(Grants {
        orgs: orgs.into_iter().map(|row| (row.org_id, row.role)).collect(),
        projects: projects.into_iter().map(|row| (row.project_id, row.role)).collect(),
    })
}

/// The roles of several principals in one organization.
pub(crate) async fn in_org(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    principals: &[String],
) -> Result<HashMap<String, Vec<OrgRole>>, StoreError> {
    let sql = format!(
        "SELECT principal_id, org_id, role FROM org_roles WHERE org_id = $1 \
         AND principal_id IN {}",
        in_list(1, principals.len())
    );
    let mut values = args![org_id];
    values.extend(principals.iter().map(ToValue::to_value));
    let rows: Vec<OrgRoleRow> = tx.fetch_all(AssertSqlSafe(sql), values).await?;
    Ok(grouped(rows.into_iter().map(|row| (row.principal_id, row.role))))
}

/// The roles of several principals in one project.
pub(crate) async fn in_project(
    tx: &mut Tx<'_>,
    project_id: ProjectId,
    principals: &[String],
) -> Result<HashMap<String, Vec<ProjectRole>>, StoreError> {
    let sql = format!(
        "SELECT principal_id, project_id, role FROM project_roles WHERE project_id = $1 \
         AND principal_id IN {}",
        in_list(1, principals.len())
    );
    let mut values = args![project_id];
    values.extend(principals.iter().map(ToValue::to_value));
    let rows: Vec<ProjectRoleRow> = tx.fetch_all(AssertSqlSafe(sql), values).await?;
    Ok(grouped(rows.into_iter().map(|row| (row.principal_id, row.role))))
}

/// The roles of several principals in all projects of one organization, by project id.
pub(crate) async fn assignments(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    principals: &[String],
) -> Result<HashMap<String, Vec<Assignment>>, StoreError> {
    let sql = format!(
        "SELECT r.principal_id, r.project_id, r.role FROM project_roles r \
         JOIN projects p ON p.id = r.project_id WHERE p.org_id = $1 AND r.principal_id IN {}",
        in_list(1, principals.len())
    );
    let mut values = args![org_id];
    values.extend(principals.iter().map(ToValue::to_value));
    let rows: Vec<ProjectRoleRow> = tx.fetch_all(AssertSqlSafe(sql), values).await?;
    let by_both = rows.into_iter().map(|row| ((row.principal_id, row.project_id), row.role));
    let mut found: HashMap<String, Vec<Assignment>> = HashMap::new();
    for ((principal_id, project_id), roles) in grouped(by_both) {
        found.entry(principal_id).or_default().push(Assignment { project_id, roles });
    }
    for assignments in found.values_mut() {
        assignments.sort_unstable_by_key(|assignment| assignment.project_id);
    }
    Ok(found)
}

fn grouped<K: std::hash::Hash + Eq, R: Ord>(
    rows: impl Iterator<Item = (K, R)>,
) -> HashMap<K, Vec<R>> {
    let mut found: HashMap<K, Vec<R>> = HashMap::new();
    for (key, role) in rows {
        found.entry(key).or_default().push(role);
    }
    for roles in found.values_mut() {
        roles.sort_unstable();
    }
    found
}
