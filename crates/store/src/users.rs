//! Users and their memberships in organizations.
//!
//! Table `users`: one row per person, known by user name (an e-mail address) on the whole instance.
//! Table `org_members`: who belongs to which organization, as an active member or by an invitation
//! that waits; one that has ended is no longer seen here, and goes with the next change. Roles are in
//! the tables of [`crate::Assignment`]'s file; a user with a role in a project is a member of its
//! organization. What is not here: users of one project ([`crate::project_users`]).

use portolan_auth::{Authorized, OrgScope, ProjectScope, Scope};
use portolan_model::{
    EpochMs, InvitationId, OrgId, OrgRole, ProjectId, ProjectRole, TeamId, UserId,
};

use crate::organizations::like_pattern;
use crate::roles::{self, Assignment, Kind};
use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, Value, args, invitations, teams};

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
    /// Telephone number.
    pub mobile_number: Option<String>,
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
    /// Its id.
    pub id: InvitationId,
    /// The project whose users were being added; `None` for an invitation by the organization.
    pub through: Option<ProjectId>,
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
    /// Its teams that they are in.
    pub team_ids: Vec<TeamId>,
}

impl Member {
    /// Whether they are a member and not only invited.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.membership == Membership::Active
    }
}

/// Members, invited people, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    /// Those who are members.
    pub active: bool,
    /// Those with an invitation that waits.
    pub pending: bool,
}

impl Default for Statuses {
    fn default() -> Self {
        Self { active: true, pending: true }
    }
}

/// Which users to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter<'a> {
    /// Exactly this user name.
    pub username: Option<&'a str>,
    /// Those whose user name contains this.
    pub username_contains: Option<&'a str>,
    /// Members, invited people, or both.
    pub statuses: Statuses,
    /// Only this user.
    pub id: Option<UserId>,
    /// Only the one invited so.
    pub invitation_id: Option<InvitationId>,
    /// Only users of this team.
    pub team_id: Option<TeamId>,
}

impl UserFilter<'_> {
    /// Its condition on `u` (users) and `m` (org_members), with the values that it adds to the
    /// `bound` ones before it. What is not asked for is not in the text, so that a look-up of one
    /// person goes by an index.
    pub(crate) fn condition(&self, bound: usize, now_ms: EpochMs) -> (String, Vec<Value>) {
        let mut values = args![self.statuses.active, self.statuses.pending, now_ms];
        let mut sql = format!(
            "((${} = 1 AND m.status = 'ACTIVE') OR (${} = 1 AND m.status = 'PENDING' \
             AND m.invitation_expires_at > ${}))",
            bound + 1,
            bound + 2,
            bound + 3
        );
        let mut and = |condition: &str, value: Value| {
            values.push(value);
            let place = format!("${}", bound + values.len());
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('?', &place));
        };
        if let Some(username) = self.username {
            and("u.username = ?", username.to_lowercase().to_value());
        }
        if self.username_contains.is_some() {
            let pattern = like_pattern(self.username_contains);
            and("u.username LIKE ? ESCAPE '\\'", pattern.to_value());
        }
        if let Some(id) = self.id {
            and("m.user_id = ?", id.to_value());
        }
        if let Some(id) = self.invitation_id {
            and("m.invitation_id = ?", id.to_value());
        }
        if let Some(id) = self.team_id {
            and("u.id IN (SELECT user_id FROM team_members WHERE team_id = ?)", id.to_value());
        }
        (sql, values)
    }
}

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            username: row.text("username")?,
            first_name: row.opt_text("first_name")?,
            last_name: row.opt_text("last_name")?,
            country: row.opt_text("country")?,
            mobile_number: row.opt_text("mobile_number")?,
            created_at: row.int("created_at")?,
            last_auth_at: row.opt_int("last_auth_at")?,
        })
    }
}

pub(crate) struct MemberRow {
    pub(crate) user: User,
    pub(crate) membership: Membership,
}

impl FromRow for MemberRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let membership = match row.text("status")?.as_str() {
            "ACTIVE" => Membership::Active,
            _ => Membership::Pending(Invitation {
                id: row.parse("invitation_id")?,
                through: row.opt_parse("invited_through")?,
                created_at: row.int("invitation_created_at")?,
                expires_at: row.int("invitation_expires_at")?,
                inviter_username: row.text("inviter_username")?,
            }),
        };
        Ok(Self { user: User::from_row(row)?, membership })
    }
}

pub(crate) const USER_COLUMNS: &str = "u.id, u.username, u.first_name, u.last_name, u.country, \
     u.mobile_number, u.created_at, u.last_auth_at";
pub(crate) const MEMBER_COLUMNS: &str = "u.id, u.username, u.first_name, u.last_name, u.country, \
     u.mobile_number, u.created_at, u.last_auth_at, m.status, m.invitation_id, m.invited_through, \
     m.invitation_created_at, m.invitation_expires_at, m.inviter_username";

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
        "INSERT INTO users (id, username, first_name, last_name, country, mobile_number, \
         created_at, last_auth_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            user.id,
            user.username.to_lowercase(),
            user.first_name,
            user.last_name,
            user.country,
            user.mobile_number,
            user.created_at,
            user.last_auth_at,
        ],
    )
    .await?;
    Ok(())
}

/// Lets a user belong to the organization. Invitations that have ended make room first.
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
    invitations::drop_ended(tx, authorized).await?;
    let invitation = match membership {
        Membership::Active => None,
        Membership::Pending(invitation) => Some(invitation),
    };
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO org_members (org_id, user_id, status, joined_at, invitation_id, \
         invited_through, invitation_created_at, invitation_expires_at, inviter_username) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            authorized.org_id(),
            user_id,
            membership.as_str(),
            now_ms,
            invitation.map(|invitation| invitation.id),
            invitation.and_then(|invitation| invitation.through),
            invitation.map(|invitation| invitation.created_at),
            invitation.map(|invitation| invitation.expires_at),
            invitation.map(|invitation| invitation.inviter_username.as_str()),
        ],
    )
    .await?;
    let (org_id, user) = (authorized.org_id(), user_id.to_string());
    roles::set_org_roles(tx, Kind::User, &user, org_id, org_roles).await
}

/// One member or invited person.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<Member, StoreError> {
    let filter = UserFilter { id: Some(user_id), ..UserFilter::default() };
    find_member(tx, authorized, &filter).await?.ok_or(StoreError::missing("user"))
}

/// The first that the filter lets through.
///
/// # Errors
/// The database's.
pub async fn find_member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    filter: &UserFilter<'_>,
) -> Result<Option<Member>, StoreError> {
    Ok(list_members(tx, authorized, filter, Page::new(1, 0)).await?.items.pop())
}

async fn with_roles(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    rows: Vec<MemberRow>,
) -> Result<Vec<Member>, StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.user.id.to_string()).collect();
    let mut org_roles = roles::in_org(tx, authorized.org_id(), &ids).await?;
    let mut assignments = roles::assignments(tx, authorized.org_id(), &ids).await?;
    let mut team_ids = teams::of_users(tx, authorized.org_id(), &ids).await?;
    let member = |(row, id): (MemberRow, &String)| Member {
        user: row.user,
        membership: row.membership,
        org_roles: org_roles.remove(id).unwrap_or_default(),
        assignments: assignments.remove(id).unwrap_or_default(),
        team_ids: team_ids.remove(id).unwrap_or_default(),
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
    let (condition, values) = filter.condition(1, tx.now_ms());
    let tail = format!(
        "FROM users u JOIN org_members m ON m.user_id = u.id WHERE m.org_id = $1 AND {condition}"
    );
    let values = [args![authorized.org_id()], values].concat();
    let rows = tx.fetch_page(MEMBER_COLUMNS, &tail, "m.joined_at, u.id", values, page).await?;
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
    let sql = "SELECT COUNT(*) FROM org_members WHERE org_id = $1 \
               AND (status = 'ACTIVE' OR invitation_expires_at > $2)";
    let now_ms = tx.now_ms();
    tx.count(sql, args![authorized.org_id(), now_ms]).await
}

/// Whether a person is a member, and not only invited, of any organization of the instance. Tells
/// nothing of which.
///
/// # Errors
/// The database's.
pub async fn is_active_somewhere(tx: &mut Tx<'_>, user_id: UserId) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM org_members WHERE user_id = $1 AND status = 'ACTIVE'";
    Ok(tx.count(sql, args![user_id]).await? > 0)
}

pub(crate) struct Id(pub(crate) UserId);

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

pub(crate) async fn require_member(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    user_id: UserId,
) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) FROM org_members WHERE org_id = $1 AND user_id = $2 \
               AND (status = 'ACTIVE' OR invitation_expires_at > $3)";
    let now_ms = tx.now_ms();
    match tx.count(sql, args![org_id, user_id, now_ms]).await? {
        0 => Err(StoreError::missing("user")),
        _ => Ok(()),
    }
}

/// Takes a user, or the invitation of one, out of the organization, its projects and its teams.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn remove_member(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    roles::forget_in_org(tx, &user_id.to_string(), authorized.org_id()).await?;
    teams::leave_all(tx, authorized, user_id).await?;
    invitations::drop_project_invitations_of(tx, authorized, user_id).await?;
    let sql = "DELETE FROM org_members WHERE org_id = $1 AND user_id = $2";
    tx.execute_one(sql, args![authorized.org_id(), user_id], "user").await
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
