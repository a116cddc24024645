//! Invitations that wait to be accepted.
//!
//! An invitation into an organization is a row of `org_members` with the status PENDING: whoever is
//! invited stands among its users, with the roles and teams that they will have. Table
//! `project_invitations`: invitations of its members into a project, one per person and project;
//! `roles` are what they will get. Nobody sees an invitation after its end.

use portolan_auth::{Authorized, OrgScope, ProjectScope};
use portolan_model::{EpochMs, InvitationId, ProjectRole, UserId};

use crate::users::{Id, USER_COLUMNS, User, remove_member};
use crate::{FromRow, Row, StoreError, Tx, args};

/// An invitation of a member of the organization into one of its projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectInvitation {
    /// Its id.
    pub id: InvitationId,
    /// Who is invited.
    pub user: User,
    /// The roles to be had, in the order of the enumeration.
    pub roles: Vec<ProjectRole>,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it ends.
    pub expires_at: EpochMs,
    /// Who made it: a user name, a public key or a client id.
    pub inviter_username: String,
}

impl FromRow for ProjectInvitation {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let names: Vec<String> = row.json("roles")?;
        let roles = names.iter().map(|name| name.parse()).collect::<Result<_, _>>();
        Ok(Self {
            id: row.parse("invitation")?,
            user: User::from_row(row)?,
            roles: roles.map_err(|error| StoreError::corrupt("roles", error))?,
            created_at: row.int("invited_at")?,
            expires_at: row.int("expires_at")?,
            inviter_username: row.text("inviter_username")?,
        })
    }
}

fn written(roles: &[ProjectRole]) -> String {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    serde_json::to_string(&names).expect("a list of strings always serializes")
}

/// Removes what has ended: invitations into the organization, with the roles and teams behind them,
/// and invitations into its projects.
///
/// # Errors
/// The database's.
pub async fn drop_ended(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    let ended: Vec<Id> = tx
        .fetch_all(
            "SELECT user_id AS id FROM org_members WHERE org_id = $1 AND status = 'PENDING' \
             AND invitation_expires_at <= $2",
            args![authorized.org_id(), now_ms],
        )
        .await?;
    for Id(user_id) in ended {
        remove_member(tx, authorized, user_id).await?;
    }
    tx.execute(
        "DELETE FROM project_invitations WHERE expires_at <= $1 \
         AND project_id IN (SELECT id FROM projects WHERE org_id = $2)",
        args![now_ms, authorized.org_id()],
    )
    .await?;
    Ok(())
}

/// Turns an invitation into the organization into a membership.
///
/// # Errors
/// [`StoreError::Missing`] when there is no invitation, and the database's.
pub async fn accept(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute_one(
        "UPDATE org_members SET status = 'ACTIVE', joined_at = $1, invitation_id = NULL, \
         invited_through = NULL, invitation_created_at = NULL, invitation_expires_at = NULL, \
         inviter_username = NULL WHERE org_id = $2 AND user_id = $3 AND status = 'PENDING' \
         AND invitation_expires_at > $1",
        args![now_ms, authorized.org_id(), user_id],
        "invitation",
    )
    .await
}

/// Invites a member of the organization into the project.
///
/// # Errors
/// [`StoreError::Conflict`] when they are invited already, [`StoreError::Missing`] when the project is
/// not in that organization, and the database's.
pub async fn insert_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    invitation: &ProjectInvitation,
) -> Result<(), StoreError> {
    crate::projects::require(tx, authorized).await?;
    crate::users::require_member(tx, authorized.org_id(), invitation.user.id).await?;
    let now_ms = tx.now_ms();
    tx.execute(
        "DELETE FROM project_invitations WHERE project_id = $1 AND user_id = $2 \
         AND expires_at <= $3",
        args![authorized.project_id(), invitation.user.id, now_ms],
    )
    .await?;
    tx.execute(
        "INSERT INTO project_invitations (id, project_id, user_id, roles, created_at, \
         expires_at, inviter_username) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            invitation.id,
            authorized.project_id(),
            invitation.user.id,
            written(&invitation.roles),
            invitation.created_at,
            invitation.expires_at,
            invitation.inviter_username,
        ],
    )
    .await?;
    Ok(())
}

/// The invitations of members into the project, oldest first; `id` and `username` narrow them down.
///
/// # Errors
/// The database's.
pub async fn list_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: Option<InvitationId>,
    username: Option<&str>,
) -> Result<Vec<ProjectInvitation>, StoreError> {
    let now_ms = tx.now_ms();
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT i.id AS invitation, i.roles, i.created_at AS invited_at, i.expires_at, \
         i.inviter_username, {USER_COLUMNS} FROM project_invitations i \
         JOIN users u ON u.id = i.user_id JOIN projects p ON p.id = i.project_id \
         WHERE i.project_id = $1 AND p.org_id = $2 AND i.expires_at > $3 \
         AND ($4 IS NULL OR i.id = $4) AND ($5 IS NULL OR u.username = $5) \
         ORDER BY i.created_at, i.id"
    ));
    let (project_id, org_id) = (authorized.project_id(), authorized.org_id());
    let username = username.map(str::to_lowercase);
    tx.fetch_all(sql, args![project_id, org_id, now_ms, id, username]).await
}

/// Replaces the roles to be had.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn set_roles_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: InvitationId,
    roles: &[ProjectRole],
) -> Result<(), StoreError> {
    let sql = "UPDATE project_invitations SET roles = $1 WHERE id = $2 AND project_id = $3";
    let values = args![written(roles), id, authorized.project_id()];
    tx.execute_one(sql, values, "invitation").await
}

/// Removes the invitation of a member into the project, if there is one.
///
/// # Errors
/// The database's.
pub async fn remove_in_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM project_invitations WHERE project_id = $1 AND user_id = $2";
    tx.execute(sql, args![authorized.project_id(), user_id]).await?;
    Ok(())
}

/// Removes every invitation of a member into the project.
pub(crate) async fn leave_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM project_invitations WHERE project_id = $1";
    tx.execute(sql, args![authorized.project_id()]).await?;
    Ok(())
}

/// Removes a person's invitations into projects of the organization.
pub(crate) async fn drop_project_invitations_of(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    user_id: UserId,
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM project_invitations WHERE user_id = $1 \
         AND project_id IN (SELECT id FROM projects WHERE org_id = $2)",
        args![user_id, authorized.org_id()],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
