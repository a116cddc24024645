//! Validations of live migrations. Owns table `live_validations`.

use portolan_auth::{Authorized, ProjectScope};
use portolan_model::{EpochMs, MigrationId, ProjectId};

use crate::{FromRow, Row, StoreError, Tx, args};

/// A validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveValidation {
    /// Its id.
    pub id: MigrationId,
    /// The project of the destination.
    pub project_id: ProjectId,
    /// The project of the source.
    pub source_project_id: ProjectId,
    /// `PENDING`, `SUCCESS` or `FAILED`.
    pub status: String,
    /// Why it failed.
    pub error_message: Option<String>,
    /// When it was asked for.
    pub created_at: EpochMs,
}

impl FromRow for LiveValidation {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            project_id: row.parse("project_id")?,
            source_project_id: row.parse("source_project_id")?,
            status: row.text("status")?,
            error_message: row.opt_text("error_message")?,
            created_at: row.int("created_at")?,
        })
    }
}

/// Adds a validation, pending, and forgets those of the project from before `keep_from_ms`.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    validation: &LiveValidation,
    keep_from_ms: EpochMs,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM live_validations WHERE project_id = $1 AND created_at < $2";
    tx.execute(sql, args![authorized.project_id(), keep_from_ms]).await?;
    tx.execute(
        "INSERT INTO live_validations \
         (id, project_id, source_project_id, status, error_message, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![
            validation.id,
            authorized.project_id(),
            validation.source_project_id,
            validation.status,
            validation.error_message,
            validation.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// Ends a validation that is pending. One whose project is gone is gone, too.
///
/// # Errors
/// The database's.
pub async fn finish(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: MigrationId,
    error_message: Option<&str>,
) -> Result<(), StoreError> {
    let status = if error_message.is_none() { "SUCCESS" } else { "FAILED" };
    tx.execute(
        "UPDATE live_validations SET status = $3, error_message = $4 \
         WHERE id = $1 AND project_id = $2 AND status = 'PENDING'",
        args![id, authorized.project_id(), status, error_message],
    )
    .await?;
    Ok(())
}

/// A validation of the project.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: MigrationId,
) -> Result<Option<LiveValidation>, StoreError> {
    let sql = "SELECT id, project_id, source_project_id, status, error_message, created_at \
               FROM live_validations WHERE id = $1 AND project_id = $2";
    tx.fetch_optional(sql, args![id, authorized.project_id()]).await
}

#[cfg(test)]
mod tests;
