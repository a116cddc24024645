//! Loads of sample data into clusters. Owns table `sample_loads`.

use portolan_auth::{Authorized, Instance, ProjectScope};
use portolan_model::{ClusterId, EpochMs, JobId};

use crate::{FromRow, Row, StoreError, Tx, args};

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleLoadState {
    /// Under way; taken up again after a restart.
    Working,
    /// Everything is there.
    Completed,
    /// It cannot be done.
    Failed,
}

impl SampleLoadState {
    /// The name in the store and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "WORKING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

impl std::str::FromStr for SampleLoadState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Working, Self::Completed, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| text.to_owned())
    }
}

/// A load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLoad {
    /// Its id.
    pub id: JobId,
    /// Into which cluster.
    pub cluster_id: ClusterId,
    /// Its name when the load was asked for.
    pub cluster_name: String,
    /// How far it is.
    pub state: SampleLoadState,
    /// Why it failed, for the client.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
}

impl FromRow for SampleLoad {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            cluster_id: row.parse("cluster_id")?,
            cluster_name: row.text("cluster_name")?,
            state: row.parse("state")?,
            error: row.opt_text("error")?,
            created_at: row.int("created_at")?,
            ended_at: row.opt_int("ended_at")?,
        })
    }
}

/// Adds a load to the project of the witness.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    load: &SampleLoad,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sample_loads (id, project_id, cluster_id, cluster_name, state, error, \
         created_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            load.id,
            authorized.project_id(),
            load.cluster_id,
            load.cluster_name,
            load.state.as_str(),
            load.error,
            load.created_at,
            load.ended_at,
        ],
    )
    .await?;
    Ok(())
}

/// A load of the project.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: JobId,
) -> Result<Option<SampleLoad>, StoreError> {
    let sql = "SELECT id, cluster_id, cluster_name, state, error, created_at, ended_at \
               FROM sample_loads WHERE id = $1 AND project_id = $2";
    tx.fetch_optional(sql, args![id, authorized.project_id()]).await
}

/// Every load that is under way, for the process that does them.
///
/// # Errors
/// The database's.
pub async fn working(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Vec<SampleLoad>, StoreError> {
    let sql = "SELECT id, cluster_id, cluster_name, state, error, created_at, ended_at \
               FROM sample_loads WHERE state = 'WORKING' ORDER BY created_at, id";
    tx.fetch_all(sql, args![]).await
}

/// Ends a load that is under way, well or with an error.
///
/// # Errors
/// The database's.
pub async fn end(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: JobId,
    error: Option<&str>,
) -> Result<(), StoreError> {
    let state = if error.is_some() { SampleLoadState::Failed } else { SampleLoadState::Completed };
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE sample_loads SET state = $2, error = $3, ended_at = $4 \
         WHERE id = $1 AND state = 'WORKING'",
        args![id, state.as_str(), error, now_ms],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
