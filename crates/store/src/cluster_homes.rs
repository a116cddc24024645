//! Which folder holds the data of a sandbox cluster. Owns table `cluster_homes`.
//!
//! Replicas on one PostgreSQL have a folder each. A sandbox cluster lives in one of them; a process
//! that opened it in another would find it empty, and archives of it lost. A home is an id that a
//! folder keeps for life. What is not here: clusters themselves ([`crate::clusters`]).

use portolan_auth::{Authorized, Instance};
use portolan_model::ClusterId;

use crate::{FromRow, Row, StoreError, Tx, args};

struct Id(ClusterId);

impl FromRow for Id {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.parse("cluster_id")?))
    }
}

/// The home of a cluster, if one was claimed.
///
/// # Errors
/// The database's.
pub async fn get(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT home FROM cluster_homes WHERE cluster_id = $1";
    tx.fetch_optional(sql, args![cluster_id]).await
}

/// Makes `home` the home of a cluster that has none; the home that it has afterwards.
///
/// # Errors
/// The database's.
pub async fn claim(
    tx: &mut Tx<'_>,
    system: &Authorized<Instance>,
    cluster_id: ClusterId,
    home: &str,
) -> Result<String, StoreError> {
    if let Some(taken) = get(tx, system, cluster_id).await? {
        return Ok(taken);
    }
    set(tx, system, cluster_id, home).await?;
    Ok(home.to_owned())
}

/// Makes `home` the home of a cluster, whatever it was: its data was found there.
///
/// # Errors
/// The database's.
pub async fn set(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
    home: &str,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO cluster_homes (cluster_id, home, claimed_at) VALUES ($1, $2, $3) \
         ON CONFLICT (cluster_id) DO UPDATE SET home = excluded.home, \
         claimed_at = excluded.claimed_at",
        args![cluster_id, home, now_ms],
    )
    .await?;
    Ok(())
}

/// The clusters of a home that are gone: their data may be removed.
///
/// # Errors
/// The database's.
pub async fn list_orphans(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    home: &str,
) -> Result<Vec<ClusterId>, StoreError> {
    let sql = "SELECT cluster_id FROM cluster_homes WHERE home = $1 AND NOT EXISTS \
               (SELECT 1 FROM clusters c WHERE c.id = cluster_homes.cluster_id) \
               ORDER BY cluster_id";
    let found: Vec<Id> = tx.fetch_all(sql, args![home]).await?;
    Ok(found.into_iter().map(|Id(id)| id).collect())
}

/// Forgets the home of a cluster whose data is gone.
///
/// # Errors
/// The database's.
pub async fn forget(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cluster_homes WHERE cluster_id = $1", args![cluster_id]).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
