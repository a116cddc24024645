//! What queries on read endpoints may read, and have read. Owns tables `query_limits` and
//! `query_usage`.

use portolan_auth::{Authorized, Instance, ProjectScope};
use portolan_model::{ClusterId, EpochMs, OverrunPolicy, QueryLimitName};

use crate::{FromRow, Row, StoreError, Tx, args};

const DAY_MS: i64 = 86_400_000;

/// An endpoint of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadEndpoint {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Whether it shows the archive alone.
    pub archive_only: bool,
}

/// A limit in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimit {
    /// Which one.
    pub name: QueryLimitName,
    /// Bytes.
    pub bytes: i64,
    /// What happens to queries that run when it is reached.
    pub overrun_policy: OverrunPolicy,
    /// When it was set.
    pub modified_at: EpochMs,
}

impl FromRow for QueryLimit {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.parse("name")?,
            bytes: row.int("bytes")?,
            overrun_policy: row.parse("overrun_policy")?,
            modified_at: row.int("modified_at")?,
        })
    }
}

/// The day of a time, in days since the epoch.
#[must_use]
pub const fn day_of(time_ms: EpochMs) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// Sets a limit of an endpoint. The caller found the cluster in the witness's project.
///
/// # Errors
/// The database's.
pub async fn set(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    endpoint: ReadEndpoint,
    limit: &QueryLimit,
) -> Result<(), StoreError> {
    remove(tx, authorized, endpoint, limit.name).await?;
    tx.execute(
        "INSERT INTO query_limits \
         (cluster_id, archive_only, name, bytes, overrun_policy, modified_at) \
         SELECT id, $2, $3, $4, $5, $6 FROM clusters WHERE id = $1 AND project_id = $7",
        args![
            endpoint.cluster_id,
            endpoint.archive_only,
            limit.name.as_str(),
            limit.bytes,
            limit.overrun_policy.as_str(),
            limit.modified_at,
            authorized.project_id(),
        ],
    )
    .await?;
    Ok(())
}

/// Removes a limit; false when there was none.
///
/// # Errors
/// The database's.
pub async fn remove(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    endpoint: ReadEndpoint,
    name: QueryLimitName,
) -> Result<bool, StoreError> {
    let removed = tx
        .execute(
            "DELETE FROM query_limits WHERE cluster_id = $1 AND archive_only = $2 AND name = $3 \
             AND EXISTS (SELECT 1 FROM clusters WHERE id = $1 AND project_id = $4)",
            args![
                endpoint.cluster_id,
                endpoint.archive_only,
                name.as_str(),
                authorized.project_id()
            ],
        )
        .await?;
    Ok(removed > 0)
}

/// The limits of an endpoint.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    endpoint: ReadEndpoint,
) -> Result<Vec<QueryLimit>, StoreError> {
    tx.fetch_all(
        "SELECT name, bytes, overrun_policy, modified_at FROM query_limits \
         WHERE cluster_id = $1 AND archive_only = $2 \
         AND EXISTS (SELECT 1 FROM clusters WHERE id = $1 AND project_id = $3) ORDER BY name",
        args![endpoint.cluster_id, endpoint.archive_only, authorized.project_id()],
    )
    .await
}

/// The limits of an endpoint, for the endpoint itself.
///
/// # Errors
/// The database's.
pub async fn in_force(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    endpoint: ReadEndpoint,
) -> Result<Vec<QueryLimit>, StoreError> {
    let sql = "SELECT name, bytes, overrun_policy, modified_at FROM query_limits \
               WHERE cluster_id = $1 AND archive_only = $2 ORDER BY name";
    tx.fetch_all(sql, args![endpoint.cluster_id, endpoint.archive_only]).await
}

/// Adds to what an endpoint's queries read on a day.
///
/// # Errors
/// The database's.
pub async fn add_usage(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    endpoint: ReadEndpoint,
    day: i64,
    bytes: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO query_usage (cluster_id, archive_only, day, bytes) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (cluster_id, archive_only, day) \
         DO UPDATE SET bytes = query_usage.bytes + excluded.bytes",
        args![endpoint.cluster_id, endpoint.archive_only, day, bytes],
    )
    .await?;
    Ok(())
}

/// What an endpoint's queries have read in the period of a limit that holds `now_ms`.
///
/// # Errors
/// The database's.
pub async fn usage(
    tx: &mut Tx<'_>,
    endpoint: ReadEndpoint,
    name: QueryLimitName,
    now_ms: EpochMs,
) -> Result<i64, StoreError> {
    let Some(first) = name.first_day(day_of(now_ms)) else { return Ok(0) };
    // PostgreSQL sums BIGINT to NUMERIC.
    let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM query_usage \
               WHERE cluster_id = $1 AND archive_only = $2 AND day >= $3";
    tx.count(sql, args![endpoint.cluster_id, endpoint.archive_only, first]).await
}

/// Forgets what was read before a day.
///
/// # Errors
/// The database's.
pub async fn prune_usage(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    before_day: i64,
) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM query_usage WHERE day < $1", args![before_day]).await
}

#[cfg(test)]
mod tests;
