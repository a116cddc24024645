//! Projects.
//!
//! Table `projects`: one row each; the name is unique in the organization, `name_folded` serves
//! searches, `tags` is a JSON list of objects with key and value. Moving one to another organization
//! is in [`crate::project_move`].

use portolan_auth::{Authorized, OrgScope, Principal, ProjectScope, Scope};
use portolan_model::{OrgId, Project, ProjectId, Tag};
use serde::{Deserialize, Serialize};

use crate::organizations::like_pattern;
use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, Value, args, in_list};

#[derive(Serialize, Deserialize)]
struct StoredTag {
    key: String,
    value: String,
}

/// Tags as they are stored: JSON.
#[must_use]
pub fn tags_to_json(tags: &[Tag]) -> String {
    let tags: Vec<StoredTag> = tags
        .iter()
        .map(|tag| StoredTag { key: tag.key.clone(), value: tag.value.clone() })
        .collect();
    serde_json::to_string(&tags).expect("texts are always JSON")
}

/// Tags as they were stored.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn tags_from_row(row: &Row, column: &str) -> Result<Vec<Tag>, StoreError> {
    let tags: Vec<StoredTag> = row.json(column)?;
    Ok(tags.into_iter().map(|tag| Tag { key: tag.key, value: tag.value }).collect())
}

impl FromRow for Project {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            org_id: row.parse("org_id")?,
            name: row.text("name")?,
            tags: tags_from_row(row, "tags")?,
            with_default_alerts_settings: row.flag("with_default_alerts_settings")?,
            created_at: row.int("created_at")?,
        })
    }
}

const COLUMNS: &str = "id, org_id, name, tags, with_default_alerts_settings, created_at";

/// Makes a project in the organization that allowed it, whatever the value's own `org_id` says.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken there, and the database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    project: &Project,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO projects (id, org_id, name, name_folded, tags, \
         with_default_alerts_settings, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            project.id,
            authorized.org_id(),
            project.name,
            project.name.to_lowercase(),
            tags_to_json(&project.tags),
            project.with_default_alerts_settings,
            project.created_at,
        ],
    )
    .await?;
    Ok(())
}

struct Owner(OrgId);

impl FromRow for Owner {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("org_id")?))
    }
}

/// Which organization owns a project. The first step of every authorization.
///
/// # Errors
/// The database's.
pub async fn locate(tx: &mut Tx<'_>, project_id: ProjectId) -> Result<Option<OrgId>, StoreError> {
    let sql = "SELECT org_id FROM projects WHERE id = $1";
    let owner: Option<Owner> = tx.fetch_optional(sql, args![project_id]).await?;
    Ok(owner.map(|Owner(org_id)| org_id))
}

/// The project.
///
/// # Errors
/// [`StoreError::Missing`], also when it left the organization since the caller was checked, and the
/// database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<Project, StoreError> {
    let sql = "SELECT id, org_id, name, tags, with_default_alerts_settings, created_at \
               FROM projects WHERE id = $1 AND org_id = $2";
    let ids = args![authorized.project_id(), authorized.org_id()];
    tx.fetch_one(sql, ids, "project").await
}

/// That the project belongs to the organization for which the caller was checked. For functions whose
/// statements do not say so themselves.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn require(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) FROM projects WHERE id = $1 AND org_id = $2";
    match tx.count(sql, args![authorized.project_id(), authorized.org_id()]).await? {
        0 => Err(StoreError::missing("project")),
        _ => Ok(()),
    }
}

/// Which of the visible projects to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProjectFilter<'a> {
    /// Those of one organization.
    pub org_id: Option<OrgId>,
    /// Those whose name contains this, whatever the case.
    pub name_contains: Option<&'a str>,
    /// Those with exactly this name.
    pub name: Option<&'a str>,
}

/// The projects that a caller may read, oldest first: those in which it has a role, and all of the
/// organizations in which its role reads every project.
///
/// # Errors
/// The database's.
pub async fn list_visible(
    tx: &mut Tx<'_>,
    principal: &Principal,
    filter: ProjectFilter<'_>,
    page: Page,
) -> Result<Listed<Project>, StoreError> {
    let (orgs, projects) = visible(principal);
    // Only conditions that there are: one that holds for every row keeps the database from its indexes.
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    if filter.name_contains.is_some_and(|text| !text.is_empty()) {
        values.push(like_pattern(filter.name_contains).to_value());
        conditions.push(format!("name_folded LIKE ${} ESCAPE '\\'", values.len()));
    }
    if let Some(org_id) = filter.org_id {
        values.push(org_id.to_value());
        conditions.push(format!("org_id = ${}", values.len()));
    }
    if let Some(name) = filter.name {
        values.push(name.to_value());
        conditions.push(format!("name = ${}", values.len()));
    }
    let mut seen = Vec::new();
    for (column, ids) in [("org_id", texts(&orgs)), ("id", texts(&projects))] {
        if !ids.is_empty() {
            seen.push(format!("{column} IN {}", in_list(values.len(), ids.len())));
            values.extend(ids);
        }
    }
    if seen.is_empty() {
        return Ok(Listed { items: Vec::new(), total: 0 });
    }
    conditions.push(format!("({})", seen.join(" OR ")));
    let tail = format!("FROM projects WHERE {}", conditions.join(" AND "));
    tx.fetch_page(COLUMNS, &tail, "created_at, id", values, page).await
}

fn texts<T: ToValue>(ids: &[T]) -> Vec<Value> {
    ids.iter().map(ToValue::to_value).collect()
}

/// Organizations whose projects are all visible, and single visible projects.
fn visible(principal: &Principal) -> (Vec<OrgId>, Vec<ProjectId>) {
    // No project has this id, so only what the organization's roles imply can make it visible.
    let no_project = ProjectId::new([0; 12]);
    let sees_all = |org_id| ProjectScope { org_id, project_id: no_project }.visible_to(principal);
    let mut orgs: Vec<OrgId> = principal.grants.orgs.iter().map(|(id, _)| *id).collect();
    orgs.sort_unstable();
    orgs.dedup();
    orgs.retain(|org_id| sees_all(*org_id));
    let mut projects: Vec<ProjectId> =
        principal.grants.projects.iter().map(|(id, _)| *id).collect();
    projects.sort_unstable();
    projects.dedup();
    (orgs, projects)
}

/// All projects of an organization, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_in_org(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    page: Page,
) -> Result<Listed<Project>, StoreError> {
    let tail = "FROM projects WHERE org_id = $1";
    tx.fetch_page(COLUMNS, tail, "created_at, id", args![authorized.org_id()], page).await
}

/// How many projects an organization has.
///
/// # Errors
/// The database's.
pub async fn count_in_org(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM projects WHERE org_id = $1";
    tx.count(sql, args![authorized.org_id()]).await
}

/// Whether an organization has a project of this name.
///
/// # Errors
/// The database's.
pub async fn name_taken(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    name: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM projects WHERE org_id = $1 AND name = $2";
    Ok(tx.count(sql, args![authorized.org_id(), name]).await? > 0)
}

/// Changes name, tags and alert default.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken, [`StoreError::Missing`], and the database's.
pub async fn update(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    name: &str,
    tags: &[Tag],
    with_default_alerts_settings: bool,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE projects SET name = $1, name_folded = $2, tags = $3, \
         with_default_alerts_settings = $4 WHERE id = $5 AND org_id = $6",
        args![
            name,
            name.to_lowercase(),
            tags_to_json(tags),
            with_default_alerts_settings,
            authorized.project_id(),
            authorized.org_id(),
        ],
        "project",
    )
    .await
}

/// Deletes it with the roles in it.
///
/// # Errors
/// [`StoreError::Referenced`] while something that must not be lost is in it,
/// [`StoreError::Missing`], and the database's.
pub async fn delete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<(), StoreError> {
    tx.execute_one(
        "DELETE FROM projects WHERE id = $1 AND org_id = $2",
        args![authorized.project_id(), authorized.org_id()],
        "project",
    )
    .await
}

#[cfg(test)]
mod tests;
