//! Leases and their fencing tokens: table `leases`.
//!
//! A lease saves work; it does not give safety by itself. Its epoch is written as a fence into the
//! archive's table before its holder acts, and each transaction of the journal locks the lease row
//! first and matches the token. Time is not kept here: the holder counts on its own clock, and so
//! does whoever wants to take over.

use portolan_model::{ClusterId, Namespace};

use crate::{FromRow, Row, StoreError, Tx, args};

/// The collection that a lease is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey {
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its name.
    pub namespace: Namespace,
}

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Token of the last taker.
    pub token: String,
    /// How often it was renewed.
    pub renewals: i64,
    /// Number of the taking.
    pub epoch: i64,
    /// Who took it, for people.
    pub holder: String,
    /// Given back: free for the next taker.
    pub released: bool,
}

/// What a taker writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLease {
    /// A random token.
    pub token: String,
    /// Greater than every epoch seen in the lease and in the tables.
    pub epoch: i64,
    /// Who takes it, for people.
    pub holder: String,
}

impl FromRow for Lease {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            token: row.text("token")?,
            renewals: row.int("renewals")?,
            epoch: row.int("epoch")?,
            holder: row.text("holder")?,
            released: row.flag("released")?,
        })
    }
}

/// The lease, if anyone ever took it.
///
/// # Errors
/// The database's.
pub async fn read(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
    tx.fetch_optional(
        "SELECT token, renewals, epoch, holder, released FROM leases \
         WHERE cluster_id = $1 AND database_name = $2 AND collection_name = $3",
        args![key.cluster_id, key.namespace.database, key.namespace.collection],
    )
    .await
}

/// Takes the lease if it still stands as `seen` (`None`: never taken). Answers whether it did.
///
/// # Errors
/// The database's.
pub async fn take(
    tx: &mut Tx<'_>,
    key: &LeaseKey,
    seen: Option<&Lease>,
    new: &NewLease,
) -> Result<bool, StoreError> {
    if read(tx, key).await?.as_ref() != seen {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO leases (cluster_id, database_name, collection_name, token, renewals, epoch, \
         holder, released) VALUES ($1, $2, $3, $4, 0, $5, $6, 0) \
         ON CONFLICT (cluster_id, database_name, collection_name) DO UPDATE SET \
         token = excluded.token, renewals = 0, epoch = excluded.epoch, \
         holder = excluded.holder, released = 0",
        args![
            key.cluster_id,
            key.namespace.database,
            key.namespace.collection,
            new.token,
            new.epoch,
            new.holder
        ],
    )
    .await?;
    Ok(true)
}

/// Renews the lease. `false`: it is not this token's any more.
///
/// # Errors
/// The database's.
pub async fn renew(tx: &mut Tx<'_>, key: &LeaseKey, token: &str) -> Result<bool, StoreError> {
    change(tx, key, token, Change::Renew).await
}

/// Locks the lease row for this transaction. `false`: it is not this token's any more, and nothing may
/// be written.
///
/// # Errors
/// The database's.
pub async fn hold(tx: &mut Tx<'_>, key: &LeaseKey, token: &str) -> Result<bool, StoreError> {
    change(tx, key, token, Change::Lock).await
}

/// Gives the lease back. `false`: it was somebody else's.
///
/// # Errors
/// The database's.
pub async fn release(tx: &mut Tx<'_>, key: &LeaseKey, token: &str) -> Result<bool, StoreError> {
    change(tx, key, token, Change::Release).await
}

#[derive(Clone, Copy)]
enum Change {
    Lock,
    Renew,
    Release,
}

async fn change(
    tx: &mut Tx<'_>,
    key: &LeaseKey,
    token: &str,
    change: Change,
) -> Result<bool, StoreError> {
    let sql = match change {
        // Writing a row locks it on both databases; `SELECT … FOR UPDATE` is PostgreSQL's alone.
        Change::Lock => {
            "UPDATE leases SET renewals = renewals WHERE cluster_id = $1 \
             AND database_name = $2 AND collection_name = $3 AND token = $4 AND released = 0"
        }
        Change::Renew => {
            "UPDATE leases SET renewals = renewals + 1 WHERE cluster_id = $1 \
             AND database_name = $2 AND collection_name = $3 AND token = $4 AND released = 0"
        }
        Change::Release => {
            "UPDATE leases SET released = 1, renewals = renewals + 1 WHERE cluster_id = $1 \
             AND database_name = $2 AND collection_name = $3 AND token = $4 AND released = 0"
        }
    };
    let values = args![key.cluster_id, key.namespace.database, key.namespace.collection, token];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Takes the lease away from whoever holds it: its token matches nothing any more.
///
/// # Errors
/// The database's.
pub async fn revoke(tx: &mut Tx<'_>, key: &LeaseKey) -> Result<(), StoreError> {
    let token = hex::encode(tx.runtime().random_bytes::<16>());
    tx.execute(
        "UPDATE leases SET token = $4, released = 1, renewals = renewals + 1 \
         WHERE cluster_id = $1 AND database_name = $2 AND collection_name = $3",
        args![key.cluster_id, key.namespace.database, key.namespace.collection, token],
    )
    .await?;
    Ok(())
}

/// The same of all leases of a cluster.
///
/// # Errors
/// The database's.
pub async fn revoke_of_cluster(tx: &mut Tx<'_>, cluster_id: ClusterId) -> Result<(), StoreError> {
    let token = hex::encode(tx.runtime().random_bytes::<16>());
    tx.execute(
        "UPDATE leases SET token = $2, released = 1, renewals = renewals + 1 WHERE cluster_id = $1",
        args![cluster_id, token],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
