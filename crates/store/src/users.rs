//! Users, their memberships in organizations and their roles in projects.
//!
//! Table `users`: one row per person, known by user name (an e-mail address) on the whole instance.
//! Table `org_members`: who belongs to which organization, as an active member or by an invitation
//! that waits. Roles are in the tables of [`crate::Assignment`]'s file; a user with a role in a
//! project is a member of its organization.

use portolan_auth::{Authorized, OrgScope, ProjectScope, Scope};
use portolan_model::{EpochMs, OrgRole, ProjectRole, UserId};

use crate::organizations::like_pattern;
use crate::roles::{self, Assignment, Kind};
use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// E-mail address, in lower case.
    pub username: String,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// ISO 3166-1 code of the country.
    pub country: Option<String>,
    /// When the row was made.
    pub created_at: EpochMs,
    /// When they last authenticated.
    pub last_auth_at: Option<EpochMs>,
}

/// How a user belongs to an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// As a member.
    Active,
    /// By an invitation that was not accepted yet.
    Pending(Invitation),
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends.
    pub expires_at: EpochMs,
    /// Who made it: a user name or a public key.
    pub inviter_username: String,
}

impl Membership {
    /// `ACTIVE` or `PENDING`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Pending(_) => "PENDING",
        }
    }
}

/// A member of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub user: User,
    /// Member or invited.
    pub membership: Membership,
    /// Roles in the organization.
    pub org_roles: Vec<OrgRole>,
    /// Roles in its projects.
    pub assignments: Vec<Assignment>,
}

/// A user of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectUser {
    /// The person.
    pub user: User,
    /// Member of the organization, or invited.
    pub membership: Membership,
    /// Roles in the project.
    pub roles: Vec<ProjectRole>,
}

/// Which users to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter<'a> {
    /// Exactly this user name.
    pub username: Option<&'a str>,
    /// Those whose user name contains this.
    pub username_contains: Option<&'a str>,
    /// `ACTIVE` or `PENDING`.
    pub status: Option<&'a str>,
}

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            username: row.text("username")?,
            first_name: row.opt_text("first_name")?,
            last_name: row.opt_text("last_name")?,
            country: row.opt_text("country")?,
            created_at: row.int("created_at")?,
            last_auth_at: row.opt_int("last_auth_at")?,
        })
    }
}

struct MemberRow {
    user: User,
    membership: Membership,
}

impl FromRow for MemberRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let membership = match row.text("status")?.as_str() {
            "ACTIVE" => Membership::Active,
            _ => Membership::Pending(Invitation {
                created_at: row.int("invitation_created_at")?,
                expires_at: row.int("invitation_expires_at")?,
                inviter_username: row.text("inviter_username")?,
            }),
        };
        Ok(Self { user: User::from_row(row)?, membership })
    }
}

const USER_COLUMNS: &str =
    "u.id, u.username, u.first_name, u.last_name, u.country, u.created_at, u.last_auth_at";
const MEMBER_COLUMNS: &str = "u.id, u.username, u.first_name, u.last_name, u.country, u.created_at, u.last_auth_at, \
     m.status, m.invitation_created_at, m.invitation_expires_at, m.inviter_username";

/// The user of that name, anywhere on the instance: who is invited somewhere may exist already.
///
/// # Errors
/// The database's.
pub async fn find_by_username<S: Scope>(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<S>,
    username: &str,
) -> Result<Option<User>, StoreError> {
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {USER_COLUMNS} FROM users u WHERE username = $1"));
    tx.fetch_optional(sql, args![username.to_lowercase()]).await
}

/// Makes a user. They belong to nothing yet.
///
/// # Errors
/// [`StoreError::Conflict`] when the user name is taken, and the database's.
pub async fn insert<S: Scope>(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<S>,
    user: &User,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO users (id, username, first_name, last_name, country, created_at, \
         last_auth_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            user.id,
            user.username.to_lowercase(),
            user.first_name,
            user.last_name,
            user.country,
            user.created_at,
            user.last_auth_at,
        ],
    )
    .await?;
    Ok(())
}

/// Lets a user belong to the organization.
///
/// # Errors
/// [`StoreError::Conflict`] when they do already, and the database's.
pub async fn add_member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
    membership: &Membership,
    org_roles: &[OrgRole],
) -> Result<(), StoreError> {
    let invitation = match membership {
        Membership::Active => None,
        Membership::Pending(invitation) => Some(invitation),
    };
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO org_members (org_id, user_id, status, joined_at, invitation_created_at, \
         invitation_expires_at, inviter_username) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            authorized.org_id(),
            user_id,
            membership.as_str(),
            now_ms,
            invitation.map(|invitation| invitation.created_at),
            invitation.map(|invitation| invitation.expires_at),
            invitation.map(|invitation| invitation.inviter_username.as_str()),
        ],
    )
    .await?;
    let (org_id, user) = (authorized.org_id(), user_id.to_string());
    roles::set_org_roles(tx, Kind::User, &user, org_id, org_roles).await
}

/// One member.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<Member, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {MEMBER_COLUMNS} FROM users u JOIN org_members m ON m.user_id = u.id \
         WHERE m.org_id = $1 AND u.id = $2"
    ));
    let row = tx.fetch_one(sql, args![authorized.org_id(), user_id], "user").await?;
    let mut members = with_roles(tx, authorized, vec![row]).await?;
    members.pop().ok_or(StoreError::missing("user"))
}

async fn with_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    rows: Vec<MemberRow>,
) -> Result<Vec<Member>, StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.user.id.to_string()).collect();
    let mut org_roles = roles::in_org(tx, authorized.org_id(), &ids).await?;
    let mut assignments = roles::assignments(tx, authorized.org_id(), &ids).await?;
    let member = |(row, id): (MemberRow, &String)| Member {
        user: row.user,
        membership: row.membership,
        org_roles: org_roles.remove(id).unwrap_or_default(),
        assignments: assignments.remove(id).unwrap_or_default(),
    };
    Ok(rows.into_iter().zip(&ids).map(member).collect())
}

/// The members of an organization, in the order of joining.
///
/// # Errors
/// The database's.
pub async fn list_members(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    filter: &UserFilter<'_>,
    page: Page,
) -> Result<Listed<Member>, StoreError> {
    let tail = "FROM users u JOIN org_members m ON m.user_id = u.id WHERE m.org_id = $1 \
                AND ($2 IS NULL OR u.username = $2) AND u.username LIKE $3 ESCAPE '\\' \
                AND ($4 IS NULL OR m.status = $4)";
    let values = args![
        authorized.org_id(),
        filter.username.map(str::to_lowercase),
        like_pattern(filter.username_contains),
        filter.status,
    ];
    let rows = tx.fetch_page(MEMBER_COLUMNS, tail, "m.joined_at, u.id", values, page).await?;
    let items = with_roles(tx, authorized, rows.items).await?;
    Ok(Listed { items, total: rows.total })
}

/// How many members and invited an organization has.
///
/// # Errors
/// The database's.
pub async fn count_members(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM org_members WHERE org_id = $1";
    tx.count(sql, args![authorized.org_id()]).await
}

struct Id(UserId);

impl FromRow for Id {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("id")?))
    }
}

/// The active members that own the organization, in the order of joining. The last one may neither
/// leave nor be demoted.
///
/// # Errors
/// The database's.
pub async fn owners(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Vec<UserId>, StoreError> {
    let rows: Vec<Id> = tx
        .fetch_all(
            "SELECT m.user_id AS id FROM org_members m JOIN org_roles r \
             ON r.principal_id = m.user_id AND r.org_id = m.org_id \
             WHERE m.org_id = $1 AND m.status = 'ACTIVE' AND r.role = $2 \
             ORDER BY m.joined_at, m.user_id",
            args![authorized.org_id(), OrgRole::Owner.as_str()],
        )
        .await?;
    Ok(rows.into_iter().map(|Id(id)| id).collect())
}

/// Replaces a member's roles in the organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn set_member_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
    org_roles: &[OrgRole],
) -> Result<(), StoreError> {
    require_member(tx, authorized.org_id(), user_id).await?;
    let (org_id, user) = (authorized.org_id(), user_id.to_string());
    roles::set_org_roles(tx, Kind::User, &user, org_id, org_roles).await
}

async fn require_member(
    tx: &mut Tx<'_>,
    org_id: portolan_model::OrgId,
    user_id: UserId,
) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) FROM org_members WHERE org_id = $1 AND user_id = $2";
    match tx.count(sql, args![org_id, user_id]).await? {
        0 => Err(StoreError::missing("user")),
        _ => Ok(()),
    }
}

/// Turns an invitation into a membership.
///
/// # Errors
/// [`StoreError::Missing`] when there is no invitation, and the database's.
pub async fn accept_invitation(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute_one(
        "UPDATE org_members SET status = 'ACTIVE', joined_at = $1, \
         invitation_created_at = NULL, invitation_expires_at = NULL, inviter_username = NULL \
         WHERE org_id = $2 AND user_id = $3 AND status = 'PENDING'",
        args![now_ms, authorized.org_id(), user_id],
        "invitation",
    )
    .await
}

/// Takes a user out of the organization and its projects.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn remove_member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    roles::forget_in_org(tx, &user_id.to_string(), authorized.org_id()).await?;
    let sql = "DELETE FROM org_members WHERE org_id = $1 AND user_id = $2";
    tx.execute_one(sql, args![authorized.org_id(), user_id], "user").await
}

/// The users with a role in a project, in the order of joining the organization.
///
/// # Errors
/// The database's.
pub async fn list_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    filter: &UserFilter<'_>,
    page: Page,
) -> Result<Listed<ProjectUser>, StoreError> {
    let tail = "FROM users u JOIN org_members m ON m.user_id = u.id WHERE m.org_id = $1 \
                AND ($2 IS NULL OR u.username = $2) AND u.username LIKE $3 ESCAPE '\\' \
                AND ($4 IS NULL OR m.status = $4) AND u.id IN \
                (SELECT principal_id FROM project_roles WHERE project_id = $5)";
    let values = args![
        authorized.org_id(),
        filter.username.map(str::to_lowercase),
        like_pattern(filter.username_contains),
        filter.status,
        authorized.project_id(),
    ];
    let rows: Listed<MemberRow> =
        tx.fetch_page(MEMBER_COLUMNS, tail, "m.joined_at, u.id", values, page).await?;
    let ids: Vec<String> = rows.items.iter().map(|row| row.user.id.to_string()).collect();
    let mut found = roles::in_project(tx, authorized.project_id(), &ids).await?;
    Ok(rows.map(|row| {
        let roles = found.remove(&row.user.id.to_string()).unwrap_or_default();
        ProjectUser { user: row.user, membership: row.membership, roles }
    }))
}

/// One user of a project.
///
/// # Errors
/// [`StoreError::Missing`] when they have no role in it, and the database's.
pub async fn in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    user_id: UserId,
) -> Result<ProjectUser, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {MEMBER_COLUMNS} FROM users u JOIN org_members m ON m.user_id = u.id \
         WHERE m.org_id = $1 AND u.id = $2"
    ));
    let row: MemberRow = tx.fetch_one(sql, args![authorized.org_id(), user_id], "user").await?;
    let id = user_id.to_string();
    let ids = std::slice::from_ref(&id);
    let mut found = roles::in_project(tx, authorized.project_id(), ids).await?;
    let roles = found.remove(&id).ok_or(StoreError::missing("user"))?;
    Ok(ProjectUser { user: row.user, membership: row.membership, roles })
}

/// Replaces the roles of a member of the organization in one of its projects; no roles take them out
/// of it.
///
/// # Errors
/// [`StoreError::Missing`] when they are no member, and the database's.
pub async fn set_project_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    user_id: UserId,
    project_roles: &[ProjectRole],
) -> Result<(), StoreError> {
    require_member(tx, authorized.org_id(), user_id).await?;
    let user = user_id.to_string();
    roles::set_project_roles(tx, Kind::User, &user, authorized, project_roles).await.map(|_| ())
}

#[cfg(test)]
mod tests;
