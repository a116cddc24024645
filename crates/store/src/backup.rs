//! A copy of the whole control state, in a format of its own that both databases can be restored from.
//!
//! A backup is text, one JSON value a line: a header with the schema's version, then for each table a
//! line with its name and columns and one array per row, and last a line with the number of rows and
//! the SHA-256 of everything before it. It is written from one consistent state while the instance
//! runs. Secrets stay sealed: the master key is not in it and has to be kept elsewhere. What is not
//! here: files and their compression, which the caller brings.

mod read;
mod write;

use std::collections::BTreeSet;
use std::io::BufRead;

use portolan_runtime::Runtime;
use portolan_security::KeyRing;
use serde::{Deserialize, Serialize};

use crate::catalog::Table;
use crate::{Store, StoreError, Tx, migrate, sealed};

#[cfg(test)]
pub(crate) use read::load;

/// Version of the format.
const FORMAT: u32 = 1;

/// The first line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupHeader {
    /// Version of the format.
    pub portolan_backup: u32,
    /// Version of the schema that the rows are of.
    pub schema: i64,
    /// Checksums of the migrations that made it, the first first.
    pub migrations: Vec<String>,
    /// When it was written, in milliseconds since the epoch.
    pub created_at: i64,
    /// Ids of the master keys that its secrets are sealed under.
    pub key_ids: Vec<String>,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// Its header.
    pub header: BackupHeader,
    /// Rows in all tables.
    pub rows: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableLine {
    table: String,
    columns: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: bool,
    rows: u64,
    sha256: String,
}

fn refused(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Backup { reason: reason.to_string() }
}

/// Reads a backup to its end and checks that it is whole. Nothing is restored.
///
/// # Errors
/// [`StoreError::Backup`] saying what is wrong with it.
pub fn verify(mut input: impl BufRead) -> Result<BackupSummary, StoreError> {
    let mut lines = read::Lines::new(&mut input);
    let header = lines.header()?;
    loop {
        match lines.next()? {
            read::Line::End { rows } => return Ok(BackupSummary { header, rows }),
            read::Line::Table(_) | read::Line::Row(_) => {}
        }
    }
}

/// Restores a backup into an empty database and brings its schema up to date: all of it or nothing.
///
/// `open` opens the same backup twice: it is checked as a whole before the database is touched.
///
/// # Errors
/// [`StoreError::Backup`] for a damaged one or one of a newer schema, [`StoreError::Secret`] when its
/// secrets are sealed under a key that `keys` lacks, [`StoreError::NotEmpty`] when the database holds
/// control state, and the database's.
pub async fn restore<R: BufRead + Send>(
    url: &str,
    keys: KeyRing,
    runtime: Runtime,
    open: impl Fn() -> std::io::Result<R>,
) -> Result<BackupSummary, StoreError> {
    let summary = verify(open().map_err(refused)?)?;
    check_header(&summary.header, &keys)?;
    let store = Store::connect(url, keys, runtime).await?;
    let restored = read::load(&store, open().map_err(refused)?).await;
    let upgraded = match restored {
        Ok(()) => migrate::run(&store).await,
        Err(error) => Err(error),
    };
    store.close().await;
    upgraded.map(|()| summary)
}

fn check_header(header: &BackupHeader, keys: &KeyRing) -> Result<(), StoreError> {
    migrate::check_history(header.schema, &header.migrations)?;
    match header.key_ids.iter().find(|id| !keys.key_ids().contains(id)) {
        Some(missing) => {
            Err(portolan_security::SecurityError::UnknownKey { key_id: missing.clone() }.into())
        }
        None => Ok(()),
    }
}

/// The ids of the keys that the database's secrets are sealed under.
async fn key_ids(tx: &mut Tx<'_>, tables: &[Table]) -> Result<Vec<String>, StoreError> {
    let mut ids = BTreeSet::new();
    for column in sealed::of_tables(tables) {
        for sealed in sealed::all(tx, column).await? {
            let id = KeyRing::key_id_of(&sealed.bytes);
            let what = || StoreError::corrupt(column.column, "not a sealed value");
            ids.insert(id.ok_or_else(what)?);
        }
    }
    Ok(ids.into_iter().collect())
}

#[cfg(test)]
mod tests;
