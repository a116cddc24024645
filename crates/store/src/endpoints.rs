//! Ports of sandbox clusters and read endpoints. Owns table `endpoints`.
//!
//! A port is given for life, so that connection strings stay what they are. Ports of deleted clusters
//! are given again only when no other is left, the longest unused first: an old connection string
//! should meet nobody rather than somebody else.

use std::ops::RangeInclusive;

use portolan_auth::{Authorized, Instance};
use portolan_model::ClusterId;

use crate::{FromRow, Row, StoreError, Tx, args};

/// What listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointRole {
    /// A sandbox cluster itself.
    Cluster,
    /// The archives of a cluster.
    Archive,
    /// A cluster and its archives in one.
    ClusterAndArchive,
}

impl EndpointRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Archive, Self::ClusterAndArchive];

    /// The name in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "CLUSTER",
            Self::Archive => "ARCHIVE",
            Self::ClusterAndArchive => "CLUSTER_AND_ARCHIVE",
        }
    }
}

/// A port that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// To this cluster.
    pub cluster_id: ClusterId,
    /// For this role.
    pub role: EndpointRole,
    /// The port.
    pub port: u16,
}

impl FromRow for Endpoint {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let role = row.text("role")?;
        let role = EndpointRole::ALL.into_iter().find(|known| known.as_str() == role);
        Ok(Self {
            cluster_id: row.parse("cluster_id")?,
            role: role.ok_or_else(|| StoreError::corrupt("endpoints.role", "unknown"))?,
            port: port(row)?,
        })
    }
}

fn port(row: &Row) -> Result<u16, StoreError> {
    u16::try_from(row.int("port")?).map_err(|error| StoreError::corrupt("endpoints.port", error))
}

struct Taken {
    port: u16,
    released_at: Option<i64>,
}

impl FromRow for Taken {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { port: port(row)?, released_at: row.opt_int("released_at")? })
    }
}

/// The ports that may be given, best first.
///
/// # Errors
/// The database's.
pub async fn candidates(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    range: RangeInclusive<u16>,
) -> Result<Vec<u16>, StoreError> {
    let sql = "SELECT port, released_at FROM endpoints ORDER BY released_at, port";
    let taken: Vec<Taken> = tx.fetch_all(sql, args![]).await?;
    let fresh = range.clone().filter(|port| taken.iter().all(|other| other.port != *port));
    let released = taken.iter().filter(|other| other.released_at.is_some());
    let again = released.map(|other| other.port).filter(|port| range.contains(port));
    Ok(fresh.chain(again).collect())
}

/// Gives a port. A cluster that has one for this role keeps it; the answer tells which.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody else was given the port meanwhile.
pub async fn assign(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    endpoint: Endpoint,
) -> Result<u16, StoreError> {
    let Endpoint { cluster_id, role, port: wanted } = endpoint;
    let sql = "SELECT cluster_id, role, port FROM endpoints WHERE cluster_id = $1 AND role = $2";
    let own: Option<Endpoint> = tx.fetch_optional(sql, args![cluster_id, role.as_str()]).await?;
    if let Some(own) = own {
        return Ok(own.port);
    }
    let free = "DELETE FROM endpoints WHERE port = $1 AND released_at IS NOT NULL";
    tx.execute(free, args![wanted]).await?;
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO endpoints (port, cluster_id, role, assigned_at) VALUES ($1, $2, $3, $4)",
        args![wanted, cluster_id, role.as_str(), now_ms],
    )
    .await?;
    Ok(wanted)
}

/// The ports of one cluster.
///
/// # Errors
/// The database's.
pub async fn of_cluster(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
) -> Result<Vec<Endpoint>, StoreError> {
    let sql = "SELECT cluster_id, role, port FROM endpoints \
               WHERE cluster_id = $1 AND released_at IS NULL ORDER BY port";
    tx.fetch_all(sql, args![cluster_id]).await
}

/// Every port in use, for the process that listens.
///
/// # Errors
/// The database's.
pub async fn list_all(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Vec<Endpoint>, StoreError> {
    let sql = "SELECT cluster_id, role, port FROM endpoints \
               WHERE released_at IS NULL ORDER BY port";
    tx.fetch_all(sql, args![]).await
}

/// Gives back the ports of a cluster that is gone.
///
/// # Errors
/// The database's.
pub async fn release(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE endpoints SET released_at = $2 WHERE cluster_id = $1 AND released_at IS NULL",
        args![cluster_id, now_ms],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
