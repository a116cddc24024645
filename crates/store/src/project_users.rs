//! Users of one project: those with a role in it, and, when asked for, those whom a team or a role in
//! the organization brings into it.
//!
//! No table of its own.

use portolan_auth::{Authorized, ProjectScope};
use portolan_model::{OrgRole, ProjectRole, TeamId, UserId};

use crate::users::{MEMBER_COLUMNS, MemberRow, Membership, User, UserFilter};
use crate::{Listed, Page, StoreError, Tx, args, roles, teams};

/// A user of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectUser {
    /// The person.
    pub user: User,
    /// Member of the organization, or invited.
    pub membership: Membership,
    /// Their own roles in the project.
    pub roles: Vec<ProjectRole>,
    /// Roles that their teams have in it; empty unless teams were asked for.
    pub team_roles: Vec<ProjectRole>,
    /// Roles in the organization; empty unless these were asked for.
    pub org_roles: Vec<OrgRole>,
    /// The teams of the organization that they are in.
    pub team_ids: Vec<TeamId>,
}

/// Who counts as a user of a project beside those with a role of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Users of teams with a role in it.
    pub teams: bool,
    /// Owners and readers of the organization.
    pub org: bool,
}

/// The users of a project, in the order of joining the organization.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    filter: &UserFilter<'_>,
    reach: Reach,
    page: Page,
) -> Result<Listed<ProjectUser>, StoreError> {
    let (condition, values) = filter.condition(4, tx.now_ms());
    let tail = format!(
        "FROM users u JOIN org_members m ON m.user_id = u.id WHERE m.org_id = $1 \
         AND (u.id IN (SELECT principal_id FROM project_roles WHERE project_id = $2) \
         OR ($3 = 1 AND u.id IN (SELECT t.user_id FROM team_members t \
         JOIN team_roles r ON r.team_id = t.team_id WHERE r.project_id = $2)) \
         OR ($4 = 1 AND u.id IN (SELECT principal_id FROM org_roles \
         WHERE org_id = $1 AND role IN ('ORG_OWNER', 'ORG_READ_ONLY')))) AND {condition}"
    );
    let first = args![authorized.org_id(), authorized.project_id(), reach.teams, reach.org];
    let values = [first, values].concat();
    let order = "m.joined_at, u.id";
    let rows: Listed<MemberRow> = tx.fetch_page(MEMBER_COLUMNS, &tail, order, values, page).await?;
    with_roles(tx, authorized, rows, reach).await
}

async fn with_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    rows: Listed<MemberRow>,
    reach: Reach,
) -> Result<Listed<ProjectUser>, StoreError> {
    let ids: Vec<String> = rows.items.iter().map(|row| row.user.id.to_string()).collect();
    let (org_id, project_id) = (authorized.org_id(), authorized.project_id());
    let mut own = roles::in_project(tx, project_id, &ids).await?;
    let mut team_ids = teams::of_users(tx, org_id, &ids).await?;
    let asked = |wanted: bool| if wanted { &ids[..] } else { &[] };
    let mut of_teams = teams::roles_of_users(tx, authorized, asked(reach.teams)).await?;
    let mut of_org = roles::in_org(tx, org_id, asked(reach.org)).await?;
    Ok(rows.map(|row| {
        let id = row.user.id.to_string();
        ProjectUser {
            user: row.user,
            membership: row.membership,
            roles: own.remove(&id).unwrap_or_default(),
            team_roles: of_teams.remove(&id).unwrap_or_default(),
            org_roles: of_org.remove(&id).unwrap_or_default(),
            team_ids: team_ids.remove(&id).unwrap_or_default(),
        }
    }))
}

/// One user with a role of their own in a project.
///
/// # Errors
/// [`StoreError::Missing`] when they have none, and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    user_id: UserId,
) -> Result<ProjectUser, StoreError> {
    let filter = UserFilter { id: Some(user_id), ..UserFilter::default() };
    let found = find(tx, authorized, &filter).await?;
    found.ok_or(StoreError::missing("user"))
}

/// The first with a role of their own that the filter lets through.
///
/// # Errors
/// The database's.
pub async fn find(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    filter: &UserFilter<'_>,
) -> Result<Option<ProjectUser>, StoreError> {
    let page = Page::new(1, 0);
    Ok(list(tx, authorized, filter, Reach::default(), page).await?.items.pop())
}

#[cfg(test)]
mod tests;
