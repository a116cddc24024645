//! IP access lists of projects: from where their clusters and read endpoints are reached.
//!
//! Table `network_entries`: one row per project and network, in CIDR notation. An entry whose
//! `delete_after` has passed counts nowhere and is removed with the next change of its project's list.
//! [`open_networks`] is the look-up of the listeners and the one function here without a witness.

use portolan_auth::{Authorized, ProjectScope};
use portolan_model::{NetworkEntry, ProjectId};
use portolan_security::IpNet;

use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args, projects};

const COLUMNS: &str = "cidr, comment, delete_after, changed_at";

impl FromRow for NetworkEntry {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            cidr: row.text("cidr")?,
            comment: row.opt_text("comment")?,
            delete_after: row.opt_int("delete_after")?,
            changed_at: row.int("changed_at")?,
        })
    }
}

/// Adds an entry, or replaces the one of the same network; whether it is new.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn put(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    entry: &NetworkEntry,
) -> Result<bool, StoreError> {
    projects::require(tx, authorized).await?;
    let known = get(tx, authorized, &entry.cidr).await.is_ok();
    tx.execute(
        "INSERT INTO network_entries (project_id, cidr, comment, delete_after, changed_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, cidr) DO UPDATE SET \
         comment = excluded.comment, delete_after = excluded.delete_after, \
         changed_at = excluded.changed_at",
        args![
            authorized.project_id(),
            entry.cidr,
            entry.comment,
            entry.delete_after,
            entry.changed_at,
        ],
    )
    .await?;
    Ok(!known)
}

/// Removes the entries of the project that have ended.
///
/// # Errors
/// The database's.
pub async fn purge(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    let sql = "DELETE FROM network_entries WHERE project_id = $1 AND delete_after <= $2";
    tx.execute(sql, args![authorized.project_id(), now_ms]).await?;
    Ok(())
}

/// The entries, by network.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    page: Page,
) -> Result<Listed<NetworkEntry>, StoreError> {
    projects::require(tx, authorized).await?;
    let values = args![authorized.project_id(), tx.now_ms()];
    let tail = "FROM network_entries WHERE project_id = $1 \
                AND (delete_after IS NULL OR delete_after > $2)";
    tx.fetch_page(COLUMNS, tail, "cidr", values, page).await
}

/// How many entries the project has.
///
/// # Errors
/// The database's.
pub async fn count(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<i64, StoreError> {
    let values = args![authorized.project_id(), tx.now_ms()];
    let sql = "SELECT COUNT(*) FROM network_entries WHERE project_id = $1 \
               AND (delete_after IS NULL OR delete_after > $2)";
    tx.count(sql, values).await
}

/// The entry of a network.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cidr: &str,
) -> Result<NetworkEntry, StoreError> {
    projects::require(tx, authorized).await?;
    let values = args![authorized.project_id(), cidr, tx.now_ms()];
    let sql = "SELECT cidr, comment, delete_after, changed_at FROM network_entries \
               WHERE project_id = $1 AND cidr = $2 AND (delete_after IS NULL OR delete_after > $3)";
    tx.fetch_one(sql, values, "access list entry").await
}

/// Removes the entry of a network.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn remove(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cidr: &str,
) -> Result<(), StoreError> {
    projects::require(tx, authorized).await?;
    let sql = "DELETE FROM network_entries WHERE project_id = $1 AND cidr = $2";
    tx.execute_one(sql, args![authorized.project_id(), cidr], "access list entry").await
}

/// The networks from which a project's listeners are reached just now. Serves the listeners themselves.
///
/// # Errors
/// The database's.
pub async fn open_networks(
    tx: &mut Tx<'_>,
    project_id: ProjectId,
) -> Result<Vec<IpNet>, StoreError> {
    let values = args![project_id, tx.now_ms()];
    let sql = "SELECT cidr FROM network_entries WHERE project_id = $1 \
               AND (delete_after IS NULL OR delete_after > $2)";
    let texts: Vec<String> = tx.fetch_all(sql, values).await?;
    let network =
        |text: String| text.parse::<IpNet>().map_err(|error| StoreError::corrupt("cidr", error));
    texts.into_iter().map(network).collect()
}

#[cfg(test)]
mod tests;
