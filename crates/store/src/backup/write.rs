//! Writing a backup.

use std::io::Write;

use portolan_security::Sha256;
use serde::Serialize;

use super::{BackupHeader, BackupSummary, EndLine, FORMAT, TableLine, key_ids, refused};
use crate::catalog::{self, Table};
use crate::{Store, StoreError, Tx, Value, migrate};

impl Store {
    /// Writes a copy of the whole control state as it is at one moment. Others go on reading and
    /// writing meanwhile.
    ///
    /// # Errors
    /// [`StoreError::OlderDatabase`] and [`StoreError::NewerDatabase`] when its schema is not this
    /// program's, [`StoreError::Backup`] when `out` cannot be written, and the database's.
    pub async fn back_up(&self, out: &mut (dyn Write + Send)) -> Result<BackupSummary, StoreError> {
        let mut tx = Tx::begin_read(self, "store.backup").await?;
        let written = match migrate::current_history(&mut tx).await {
            Ok(history) => write(&mut tx, history, out).await,
            Err(error) => Err(error),
        };
        tx.close().await;
        written
    }

    /// Writes a copy of an old schema, as the program of its time would have.
    #[cfg(test)]
    pub(crate) async fn back_up_at(&self, version: i64, out: &mut Vec<u8>) -> BackupSummary {
        let mut tx = Tx::begin_read(self, "store.backup").await.expect("begun");
        let history = (version, migrate::checksums(version));
        let written = write(&mut tx, history, out).await.expect("written");
        tx.close().await;
        written
    }
}

async fn write(
    tx: &mut Tx<'_>,
    (schema, migrations): (i64, Vec<String>),
    out: &mut (dyn Write + Send),
) -> Result<BackupSummary, StoreError> {
    let mut out = Hashed { out, hash: Sha256::new() };
    let tables = catalog::tables(tx).await?;
    let header = BackupHeader {
        portolan_backup: FORMAT,
        schema,
        migrations,
        created_at: tx.now_ms(),
        key_ids: key_ids(tx, &tables).await?,
    };
    out.line(&header)?;
    let mut rows = 0;
    for table in &tables {
        rows += write_table(tx, &mut out, table).await?;
    }
    out.end(rows)?;
    Ok(BackupSummary { header, rows })
}

async fn write_table(
    tx: &mut Tx<'_>,
    out: &mut Hashed<'_>,
    table: &Table,
) -> Result<u64, StoreError> {
    let columns = table.columns.iter().map(|column| column.name.clone()).collect();
    out.line(&TableLine { table: table.name.clone(), columns })?;
    let mut rows = 0;
    tx.for_each(sqlx::AssertSqlSafe(table.select_all()), Vec::new(), |row| {
        let values: Vec<serde_json::Value> = table.values(row)?.iter().map(json).collect();
        rows += 1;
        out.line(&values)
    })
    .await?;
    Ok(rows)
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.as_deref().into(),
        Value::Int(number) => (*number).into(),
        Value::Blob(bytes) => bytes.as_deref().map(hex::encode).into(),
    }
}

/// Hashes what goes through.
struct Hashed<'a> {
    out: &'a mut (dyn Write + Send),
    hash: Sha256,
}

impl Hashed<'_> {
    fn line<T: Serialize>(&mut self, value: &T) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(value).map_err(refused)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.out.write_all(&line).map_err(refused)
    }

    fn end(self, rows: u64) -> Result<(), StoreError> {
        let end = EndLine { end: true, rows, sha256: hex::encode(self.hash.finish()) };
        let mut line = serde_json::to_vec(&end).map_err(refused)?;
        line.push(b'\n');
        self.out.write_all(&line).map_err(refused)?;
        self.out.flush().map_err(refused)
    }
}
