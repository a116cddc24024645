//! Moving a project to another organization, and telling beforehand what that does.
//!
//! Users come along: they become members of the destination and keep their project roles. Keys and
//! service accounts belong to the old organization and lose the project. Clusters, archives and
//! database users hang on the project alone and notice nothing.

use portolan_auth::{Authorized, OrgScope, ProjectScope};
use portolan_model::{ApiKeyId, OrgId, OrgRole, ServiceAccountId, UserId};

use crate::roles::{Kind, set_org_roles};
use crate::{FromRow, Row, StoreError, Tx, args};

/// What a move does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MoveEffects {
    /// Users with a role in the project: these come along.
    pub users: Vec<MovedUser>,
    /// API keys that lose the project.
    pub api_keys_dropped: Vec<(ApiKeyId, String)>,
    /// Service accounts that lose the project, with their names.
    pub service_accounts_dropped: Vec<(ServiceAccountId, String)>,
}

/// A user of a project that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedUser {
    /// The user.
    pub id: UserId,
    /// Their user name.
    pub username: String,
    /// Whether they are a member of the destination already.
    pub member_already: bool,
}

impl FromRow for MovedUser {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            username: row.text("username")?,
            member_already: row.int("memberships")? > 0,
        })
    }
}

struct Dropped(String, String);

impl FromRow for Dropped {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.text("id")?, row.text("name")?))
    }
}

/// What moving the project to an organization would do.
///
/// # Errors
/// The database's.
pub async fn preview(
    tx: &mut Tx<'_>,
    source: &Authorized<ProjectScope>,
    destination: OrgId,
) -> Result<MoveEffects, StoreError> {
    let project_id = source.project_id();
    let users = tx
        .fetch_all(
            "SELECT u.id, u.username, (SELECT COUNT(*) FROM org_members m \
             WHERE m.user_id = u.id AND m.org_id = $2) AS memberships FROM users u \
             WHERE u.id IN (SELECT principal_id FROM project_roles \
             WHERE project_id = $1 AND principal_kind = 'USER') ORDER BY u.id",
            args![project_id, destination],
        )
        .await?;
    let keys: Vec<Dropped> = tx
        .fetch_all(
            "SELECT k.id, k.public_key AS name FROM api_keys k WHERE k.id IN (SELECT \
             principal_id FROM project_roles WHERE project_id = $1) ORDER BY k.id",
            args![project_id],
        )
        .await?;
    let accounts: Vec<Dropped> = tx
        .fetch_all(
            "SELECT a.id, a.name FROM service_accounts a WHERE a.id IN (SELECT \
             principal_id FROM project_roles WHERE project_id = $1) ORDER BY a.id",
            args![project_id],
        )
        .await?;
    Ok(MoveEffects {
        users,
        api_keys_dropped: parse_all(keys)?,
        service_accounts_dropped: parse_all(accounts)?,
    })
}

fn parse_all<I>(rows: Vec<Dropped>) -> Result<Vec<(I, String)>, StoreError>
where
    I: std::str::FromStr,
    I::Err: std::fmt::Display,
{
    rows.into_iter()
        .map(|Dropped(id, name)| {
            let id = id.parse().map_err(|error| StoreError::corrupt("id", error))?;
            Ok((id, name))
        })
        .collect()
}

/// Moves the project.
///
/// # Errors
/// [`StoreError::Conflict`] in `projects` when the destination has a project of that name,
/// [`StoreError::Missing`], and the database's.
pub async fn run(
    tx: &mut Tx<'_>,
    source: &Authorized<ProjectScope>,
    destination: &Authorized<OrgScope>,
) -> Result<MoveEffects, StoreError> {
    let effects = preview(tx, source, destination.org_id()).await?;
    for user in effects.users.iter().filter(|user| !user.member_already) {
        join(tx, user.id, source.org_id(), destination.org_id()).await?;
    }
    tx.execute(
        "DELETE FROM project_roles WHERE project_id = $1 AND principal_kind <> 'USER'",
        args![source.project_id()],
    )
    .await?;
    tx.execute_one(
        "UPDATE projects SET org_id = $1 WHERE id = $2 AND org_id = $3",
        args![destination.org_id(), source.project_id(), source.org_id()],
        "project",
    )
    .await?;
    Ok(effects)
}

/// An invitation that was not accepted yet stays one.
async fn join(
    tx: &mut Tx<'_>,
    user_id: UserId,
    source: OrgId,
    destination: OrgId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute_one(
        "INSERT INTO org_members (org_id, user_id, status, joined_at, invitation_created_at, \
         invitation_expires_at, inviter_username) SELECT $1, user_id, status, $2, \
         invitation_created_at, invitation_expires_at, inviter_username \
         FROM org_members WHERE org_id = $3 AND user_id = $4",
        args![destination, now_ms, source, user_id],
        "member",
    )
    .await?;
    let user = user_id.to_string();
    set_org_roles(tx, Kind::User, &user, destination, &[OrgRole::Member]).await
}
