//! Moving a project to another organization, and telling beforehand what that does.
//!
//! Users come along: they become members of the destination and keep their project roles; who was only
//! invited is invited there too. Keys, service accounts and teams belong to the old organization and
//! lose the project, and its members' invitations into the project lapse. Clusters, archives and
//! database users hang on the project alone and notice nothing.

use portolan_auth::{Authorized, Instance, OrgScope, ProjectScope};
use portolan_model::{ApiKeyId, InvitationId, OrgId, OrgRole, ServiceAccountId, TeamId, UserId};

use crate::roles::{Kind, set_org_roles};
use crate::{FromRow, Row, StoreError, Tx, args, invitations, teams};

/// What a move does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MoveEffects {
    /// Users with a role in the project: these come along.
    pub users: Vec<MovedUser>,
    /// API keys that lose the project.
    pub api_keys_dropped: Vec<(ApiKeyId, String)>,
    /// Service accounts that lose the project, with their names.
    pub service_accounts_dropped: Vec<(ServiceAccountId, String)>,
    /// Teams that lose the project, with their names.
    pub teams_dropped: Vec<(TeamId, String)>,
    /// Members' invitations into the project that lapse, with their user names.
    pub invitations_dropped: Vec<(InvitationId, String)>,
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
    let now_ms = tx.now_ms();
    let users = tx
        .fetch_all(
            "SELECT u.id, u.username, (SELECT COUNT(*) FROM org_members d \
             WHERE d.user_id = u.id AND d.org_id = $2 \
             AND (d.status = 'ACTIVE' OR d.invitation_expires_at > $3)) AS memberships \
             FROM users u JOIN org_members m ON m.user_id = u.id AND m.org_id = $4 \
             WHERE (m.status = 'ACTIVE' OR m.invitation_expires_at > $3) \
             AND u.id IN (SELECT principal_id FROM project_roles \
             WHERE project_id = $1 AND principal_kind = 'USER') ORDER BY u.id",
            args![project_id, destination, now_ms, source.org_id()],
        )
        .await?;
    let dropped = [
        "SELECT k.id, k.public_key AS name FROM api_keys k WHERE k.id IN (SELECT \
         principal_id FROM project_roles WHERE project_id = $1) ORDER BY k.id",
        "SELECT a.id, a.name FROM service_accounts a WHERE a.id IN (SELECT \
         principal_id FROM project_roles WHERE project_id = $1) ORDER BY a.id",
        "SELECT t.id, t.name FROM teams t WHERE t.id IN (SELECT \
         team_id FROM team_roles WHERE project_id = $1) ORDER BY t.id",
    ];
    let [keys, accounts, teams] = dropped;
    let waiting = invitations::list_in_project(tx, source, None, None).await?;
    Ok(MoveEffects {
        users,
        api_keys_dropped: parse_all(tx.fetch_all(keys, args![project_id]).await?)?,
        service_accounts_dropped: parse_all(tx.fetch_all(accounts, args![project_id]).await?)?,
        teams_dropped: parse_all(tx.fetch_all(teams, args![project_id]).await?)?,
        invitations_dropped: waiting.into_iter().map(|one| (one.id, one.user.username)).collect(),
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
    invitations::drop_ended(tx, &org_of(source)).await?;
    invitations::drop_ended(tx, destination).await?;
    let effects = preview(tx, source, destination.org_id()).await?;
    for user in effects.users.iter().filter(|user| !user.member_already) {
        join(tx, user.id, source.org_id(), destination.org_id()).await?;
    }
    invitations::leave_project(tx, source).await?;
    teams::leave_project(tx, source).await?;
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

/// The organization of the project, whose right the move has proven.
fn org_of(source: &Authorized<ProjectScope>) -> Authorized<OrgScope> {
    Authorized::<Instance>::system("move of a project").in_org(source.org_id())
}

/// An invitation that was not accepted yet stays one, under an id of its own.
async fn join(
    tx: &mut Tx<'_>,
    user_id: UserId,
    source: OrgId,
    destination: OrgId,
) -> Result<(), StoreError> {
    let (now_ms, id) = (tx.now_ms(), InvitationId::new(tx.runtime().object_id()));
    tx.execute_one(
        "INSERT INTO org_members (org_id, user_id, status, joined_at, invitation_id, \
         invited_through, invitation_created_at, invitation_expires_at, inviter_username) \
         SELECT $1, user_id, status, $2, CASE WHEN status = 'PENDING' THEN $5 END, \
         invited_through, invitation_created_at, invitation_expires_at, inviter_username \
         FROM org_members WHERE org_id = $3 AND user_id = $4",
        args![destination, now_ms, source, user_id, id],
        "member",
    )
    .await?;
    let user = user_id.to_string();
    set_org_roles(tx, Kind::User, &user, destination, &[OrgRole::Member]).await
}
