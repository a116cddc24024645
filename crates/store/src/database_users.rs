//! Database users of projects. Owns table `database_users`.
//!
//! SCRAM secrets are sealed: who holds them can pose as the server. Passwords are never stored.
//! [`account`] is the look-up of the listeners and the one function here without a witness.

use portolan_auth::{Authorized, ProjectScope};
use portolan_model::{DatabaseRole, DatabaseUser, ProjectId, ScopeKind, UserScope};
use portolan_security::Place;
use portolan_security::scram::ScramCredentials;

use crate::clusters::{json_text, tags_from, tags_json};
use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

const COLUMNS: &str = "project_id, database_name, username, roles, scopes, labels, description, \
     delete_after, created_at";

impl FromRow for DatabaseUser {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            project_id: row.parse("project_id")?,
            database: row.text("database_name")?,
            username: row.text("username")?,
            roles: roles(row)?,
            scopes: scopes(row)?,
            labels: tags_from(row, "labels")?,
            description: row.opt_text("description")?,
            delete_after: row.opt_int("delete_after")?,
            created_at: row.int("created_at")?,
        })
    }
}

fn roles(row: &Row) -> Result<Vec<DatabaseRole>, StoreError> {
    let stored: Vec<(String, String, Option<String>)> = row.json("roles")?;
    let role = |(role, database, collection)| DatabaseRole { role, database, collection };
    Ok(stored.into_iter().map(role).collect())
}

fn roles_json(roles: &[DatabaseRole]) -> String {
    let plain: Vec<_> =
        roles.iter().map(|role| (&role.role, &role.database, &role.collection)).collect();
    json_text(&plain)
}

fn scopes(row: &Row) -> Result<Vec<UserScope>, StoreError> {
    let stored: Vec<(String, String)> = row.json("scopes")?;
    let scope = |(name, kind): (String, String)| {
        let kind = ScopeKind::parse(&kind);
        let kind = kind.ok_or_else(|| StoreError::corrupt("database_users.scopes", &name))?;
        Ok(UserScope { name, kind })
    };
    stored.into_iter().map(scope).collect()
}

fn scopes_json(scopes: &[UserScope]) -> String {
    let plain: Vec<_> = scopes.iter().map(|scope| (&scope.name, scope.kind.as_str())).collect();
    json_text(&plain)
}

/// The place of a user's secrets. A NUL cannot occur in names, so no two users share a row text.
fn place_row(project_id: ProjectId, database: &str, username: &str) -> String {
    format!("{project_id}\0{database}\0{username}")
}

fn seal(tx: &Tx<'_>, user: &DatabaseUser, credentials: &ScramCredentials) -> Vec<u8> {
    let row = place_row(user.project_id, &user.database, &user.username);
    tx.seal(&place(&row), credentials.encode().as_bytes())
}

fn place(row: &str) -> Place<'_> {
    Place { table: "database_users", row, column: "credentials_sealed" }
}

/// Adds a user. Its project is that of the witness.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of that name.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    user: &DatabaseUser,
    credentials: &ScramCredentials,
) -> Result<(), StoreError> {
    let sealed = seal(tx, user, credentials);
    tx.execute(
        "INSERT INTO database_users (project_id, database_name, username, credentials_sealed, \
         roles, scopes, labels, description, delete_after, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        args![
            authorized.project_id(),
            user.database,
            user.username,
            sealed,
            roles_json(&user.roles),
            scopes_json(&user.scopes),
            tags_json(&user.labels),
            user.description,
            user.delete_after,
            user.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// Writes everything but the name; the secrets only when new ones are given.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such user.
pub async fn update(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    user: &DatabaseUser,
    credentials: Option<&ScramCredentials>,
) -> Result<(), StoreError> {
    let key = args![authorized.project_id(), user.database, user.username];
    let mut values = key.clone();
    values.extend(args![
        roles_json(&user.roles),
        scopes_json(&user.scopes),
        tags_json(&user.labels),
        user.description,
        user.delete_after,
    ]);
    tx.execute_one(
        "UPDATE database_users SET roles = $4, scopes = $5, labels = $6, description = $7, \
         delete_after = $8 WHERE project_id = $1 AND database_name = $2 AND username = $3",
        values,
        "database user",
    )
    .await?;
    let Some(credentials) = credentials else { return Ok(()) };
    let mut values = key;
    values.extend(args![seal(tx, user, credentials)]);
    tx.execute_one(
        "UPDATE database_users SET credentials_sealed = $4 \
         WHERE project_id = $1 AND database_name = $2 AND username = $3",
        values,
        "database user",
    )
    .await
}

/// A user by name.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    database: &str,
    username: &str,
) -> Result<Option<DatabaseUser>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM database_users \
         WHERE project_id = $1 AND database_name = $2 AND username = $3"
    );
    let values = args![authorized.project_id(), database, username];
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), values).await
}

/// The project's users by name.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    page: Page,
) -> Result<Listed<DatabaseUser>, StoreError> {
    let tail = "FROM database_users WHERE project_id = $1";
    let values = args![authorized.project_id()];
    tx.fetch_page(COLUMNS, tail, "username, database_name", values, page).await
}

/// The users who may log in to a cluster of the project, by name.
///
/// # Errors
/// The database's.
pub async fn of_cluster(
    tx: &mut Tx<'_>,
    project_id: ProjectId,
    cluster_name: &str,
) -> Result<Vec<DatabaseUser>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM database_users WHERE project_id = $1 \
         ORDER BY username, database_name"
    );
    let now_ms = tx.now_ms();
    let mut users: Vec<DatabaseUser> =
        tx.fetch_all(sqlx::AssertSqlSafe(sql), args![project_id]).await?;
    users.retain(|user| user.may_log_in(cluster_name, now_ms));
    Ok(users)
}

/// How many users the project has.
///
/// # Errors
/// The database's.
pub async fn count(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM database_users WHERE project_id = $1";
    tx.count(sql, args![authorized.project_id()]).await
}

/// Removes a user.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such user.
pub async fn remove(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    database: &str,
    username: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        "DELETE FROM database_users \
         WHERE project_id = $1 AND database_name = $2 AND username = $3",
        args![authorized.project_id(), database, username],
        "database user",
    )
    .await
}

/// A user with what it takes to check its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseAccount {
    /// The user.
    pub user: DatabaseUser,
    /// Its secrets.
    pub credentials: ScramCredentials,
}

struct SealedAccount(DatabaseUser, Vec<u8>);

impl FromRow for SealedAccount {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(DatabaseUser::from_row(row)?, row.blob("credentials_sealed")?))
    }
}

/// Who wants to log in to a cluster of the project or to its read endpoints. `None` also for users
/// that may not log in there, or no longer.
///
/// # Errors
/// [`StoreError::Secret`] when its secrets do not open, and the database's.
pub async fn account(
    tx: &mut Tx<'_>,
    project_id: ProjectId,
    cluster_name: &str,
    database: &str,
    username: &str,
) -> Result<Option<DatabaseAccount>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, credentials_sealed FROM database_users \
         WHERE project_id = $1 AND database_name = $2 AND username = $3"
    );
    let values = args![project_id, database, username];
    let found = tx.fetch_optional(sqlx::AssertSqlSafe(sql), values).await?;
    let Some(SealedAccount(user, sealed)) = found else { return Ok(None) };
    if !user.may_log_in(cluster_name, tx.now_ms()) {
        return Ok(None);
    }
    let opened = tx.open(&place(&place_row(project_id, database, username)), &sealed)?;
    let corrupt = || StoreError::corrupt("database_users.credentials_sealed", "no text");
    let text = opened.to_text().ok_or_else(corrupt)?;
    Ok(Some(DatabaseAccount { user, credentials: text.expose().parse()? }))
}

#[cfg(test)]
mod tests;
