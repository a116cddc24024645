//! Teams: named groups of an organization's users that hold roles in its projects.
//!
//! Table `teams`: one row each, the name unique in its organization. Table `team_members`: who is in
//! which team; invited people may be. Table `team_roles`: what a team may do in which project of its
//! organization. All three go with the organization, roles with the project too.

use std::collections::HashMap;

use portolan_auth::{Authorized, OrgScope, ProjectScope};
use portolan_model::{EpochMs, OrgId, ProjectId, ProjectRole, TeamId, UserId};
use sqlx::AssertSqlSafe;

use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, args, in_list};

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: EpochMs,
}

/// The roles of a team in one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRoles {
    /// The team.
    pub team_id: TeamId,
    /// Roles, in the order of the enumeration.
    pub roles: Vec<ProjectRole>,
}

impl FromRow for Team {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (id, name) = (row.parse("id")?, row.text("name")?);
        Ok(Self { id, name, created_at: row.int("created_at")? })
    }
}

struct IdRow(TeamId);

impl FromRow for IdRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("id")?))
    }
}

struct Owned<T> {
    owner: String,
    value: T,
}

impl<T> FromRow for Owned<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { owner: row.text("owner")?, value: row.parse("value")? })
    }
}

fn grouped<T: Ord>(rows: Vec<Owned<T>>) -> HashMap<String, Vec<T>> {
    let mut found: HashMap<String, Vec<T>> = HashMap::new();
    for row in rows {
        found.entry(row.owner).or_default().push(row.value);
    }
    for values in found.values_mut() {
        values.sort_unstable();
        values.dedup();
    }
    found
}

/// Makes a team without members.
///
/// # Errors
/// [`StoreError::Conflict`] in `teams` when the name is taken, and the database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    team: &Team,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO teams (id, org_id, name, created_at) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, args![team.id, authorized.org_id(), team.name, team.created_at]).await?;
    Ok(())
}

/// One team.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: TeamId,
) -> Result<Team, StoreError> {
    let sql = "SELECT id, name, created_at FROM teams WHERE id = $1 AND org_id = $2";
    tx.fetch_one(sql, args![id, authorized.org_id()], "team").await
}

/// The team of that name.
///
/// # Errors
/// The database's.
pub async fn find_by_name(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    name: &str,
) -> Result<Option<Team>, StoreError> {
    let sql = "SELECT id, name, created_at FROM teams WHERE org_id = $1 AND name = $2";
    tx.fetch_optional(sql, args![authorized.org_id(), name]).await
}

/// The teams of an organization, oldest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    page: Page,
) -> Result<Listed<Team>, StoreError> {
    let values = args![authorized.org_id()];
    let tail = "FROM teams WHERE org_id = $1";
    tx.fetch_page("id, name, created_at", tail, "created_at, id", values, page).await
}

/// Renames a team.
///
/// # Errors
/// [`StoreError::Conflict`] in `teams` when the name is taken, [`StoreError::Missing`], and the
/// database's.
pub async fn rename(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: TeamId,
    name: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE teams SET name = $1 WHERE id = $2 AND org_id = $3";
    tx.execute_one(sql, args![name, id, authorized.org_id()], "team").await
}

/// Deletes a team, its memberships and its roles.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn delete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: TeamId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM teams WHERE id = $1 AND org_id = $2";
    tx.execute_one(sql, args![id, authorized.org_id()], "team").await
}

/// In how many projects a team has a role.
///
/// # Errors
/// The database's.
pub async fn count_projects(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<OrgScope>,
    id: TeamId,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(DISTINCT project_id) FROM team_roles WHERE team_id = $1";
    tx.count(sql, args![id]).await
}

/// How many users and invited people a team has.
///
/// # Errors
/// The database's.
pub async fn count_members(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<OrgScope>,
    id: TeamId,
) -> Result<i64, StoreError> {
    tx.count("SELECT COUNT(*) FROM team_members WHERE team_id = $1", args![id]).await
}

/// Takes a member of the organization, or somebody invited into it, into a team.
///
/// # Errors
/// [`StoreError::Conflict`] when they are in it, [`StoreError::Missing`] of the team or the user, and
/// the database's.
pub async fn add_member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: TeamId,
    user_id: UserId,
) -> Result<(), StoreError> {
    get(tx, authorized, id).await?;
    crate::users::require_member(tx, authorized.org_id(), user_id).await?;
    let sql = "INSERT INTO team_members (team_id, user_id) VALUES ($1, $2)";
    tx.execute(sql, args![id, user_id]).await?;
    Ok(())
}

/// Takes somebody out of a team.
///
/// # Errors
/// [`StoreError::Missing`] when they are not in it, and the database's.
pub async fn remove_member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: TeamId,
    user_id: UserId,
) -> Result<(), StoreError> {
    tx.execute_one(
        "DELETE FROM team_members WHERE team_id = $1 AND user_id = $2 \
         AND team_id IN (SELECT id FROM teams WHERE org_id = $3)",
        args![id, user_id, authorized.org_id()],
        "user",
    )
    .await
}

/// Takes somebody out of every team of the organization.
pub(crate) async fn leave_all(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM team_members WHERE user_id = $1 \
         AND team_id IN (SELECT id FROM teams WHERE org_id = $2)",
        args![user_id, authorized.org_id()],
    )
    .await?;
    Ok(())
}

/// The teams of an organization that several users are in, by user id.
pub(crate) async fn of_users(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    users: &[String],
) -> Result<HashMap<String, Vec<TeamId>>, StoreError> {
    let sql = format!(
        "SELECT m.user_id AS owner, m.team_id AS value FROM team_members m \
         JOIN teams t ON t.id = m.team_id WHERE t.org_id = $1 AND m.user_id IN {}",
        in_list(1, users.len())
    );
    let mut values = args![org_id];
    values.extend(users.iter().map(ToValue::to_value));
    Ok(grouped(tx.fetch_all(AssertSqlSafe(sql), values).await?))
}

/// The roles that several users have in a project through their teams, by user id.
pub(crate) async fn roles_of_users(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    users: &[String],
) -> Result<HashMap<String, Vec<ProjectRole>>, StoreError> {
    let sql = format!(
        "SELECT m.user_id AS owner, r.role AS value FROM team_members m \
         JOIN team_roles r ON r.team_id = m.team_id WHERE r.project_id = $1 AND m.user_id IN {}",
        in_list(1, users.len())
    );
    let mut values = args![authorized.project_id()];
    values.extend(users.iter().map(ToValue::to_value));
    Ok(grouped(tx.fetch_all(AssertSqlSafe(sql), values).await?))
}

/// All roles in projects that a user has through teams.
pub(crate) async fn grants(
    tx: &mut Tx<'_>,
    user_id: UserId,
) -> Result<Vec<(ProjectId, ProjectRole)>, StoreError> {
    let rows: Vec<Owned<ProjectRole>> = tx
        .fetch_all(
            "SELECT r.project_id AS owner, r.role AS value FROM team_members m \
             JOIN team_roles r ON r.team_id = m.team_id WHERE m.user_id = $1",
            args![user_id],
        )
        .await?;
    let granted = |row: Owned<ProjectRole>| {
        let project_id = row.owner.parse();
        Ok((project_id.map_err(|error| StoreError::corrupt("project_id", error))?, row.value))
    };
    rows.into_iter().map(granted).collect()
}

/// Replaces the roles of a team in a project of its organization; no roles take it out.
///
/// # Errors
/// [`StoreError::Missing`] of the project or the team, and the database's.
pub async fn set_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: TeamId,
    roles: &[ProjectRole],
) -> Result<(), StoreError> {
    crate::projects::require(tx, authorized).await?;
    let here = "SELECT COUNT(*) FROM teams WHERE id = $1 AND org_id = $2";
    if tx.count(here, args![id, authorized.org_id()]).await? == 0 {
        return Err(StoreError::missing("team"));
    }
    let sql = "DELETE FROM team_roles WHERE team_id = $1 AND project_id = $2";
    tx.execute(sql, args![id, authorized.project_id()]).await?;
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    for role in roles {
        let sql = "INSERT INTO team_roles (team_id, project_id, role) VALUES ($1, $2, $3)";
        tx.execute(sql, args![id, authorized.project_id(), role.as_str()]).await?;
    }
    Ok(())
}

/// The teams with a role in a project, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    page: Page,
) -> Result<Listed<TeamRoles>, StoreError> {
    let tail = "FROM teams t WHERE t.org_id = $1 AND t.id IN \
                (SELECT team_id FROM team_roles WHERE project_id = $2)";
    let values = args![authorized.org_id(), authorized.project_id()];
    let order = "t.created_at, t.id";
    let teams: Listed<IdRow> = tx.fetch_page("t.id", tail, order, values, page).await?;
    let ids: Vec<String> = teams.items.iter().map(|IdRow(id)| id.to_string()).collect();
    let sql = format!(
        "SELECT team_id AS owner, role AS value FROM team_roles WHERE project_id = $1 \
         AND team_id IN {}",
        in_list(1, ids.len())
    );
    let mut values = args![authorized.project_id()];
    values.extend(ids.iter().map(ToValue::to_value));
    let mut roles = grouped(tx.fetch_all(AssertSqlSafe(sql), values).await?);
    Ok(teams.map(|IdRow(team_id)| {
        let roles = roles.remove(&team_id.to_string()).unwrap_or_default();
        TeamRoles { team_id, roles }
    }))
}

/// The roles of one team in a project.
///
/// # Errors
/// [`StoreError::Missing`] when it has none, and the database's.
pub async fn get_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: TeamId,
) -> Result<TeamRoles, StoreError> {
    let rows: Vec<Owned<ProjectRole>> = tx
        .fetch_all(
            "SELECT r.team_id AS owner, r.role AS value FROM team_roles r \
             JOIN teams t ON t.id = r.team_id \
             WHERE r.project_id = $1 AND r.team_id = $2 AND t.org_id = $3",
            args![authorized.project_id(), id, authorized.org_id()],
        )
        .await?;
    let roles = grouped(rows).into_values().next().ok_or(StoreError::missing("team"))?;
    Ok(TeamRoles { team_id: id, roles })
}

/// Takes every team out of a project.
pub(crate) async fn leave_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM team_roles WHERE project_id = $1";
    tx.execute(sql, args![authorized.project_id()]).await?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
