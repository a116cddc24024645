//! Reading a backup: its lines, and loading them into an empty database.

use std::io::BufRead;

use portolan_security::Sha256;
use serde_json::Value as Json;

use super::{BackupHeader, EndLine, FORMAT, TableLine, refused};
use crate::catalog::{self, Column, ColumnKind, Table};
use crate::{Store, StoreError, Tx, Value, migrate, sealed};

/// A line is read into memory; no row comes near this.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// A line after the header.
pub(super) enum Line {
    Table(TableLine),
    Row(Vec<Json>),
    /// The end, found to be right.
    End {
        rows: u64,
    },
}

/// The lines of a backup, counted and hashed.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    hash: Sha256,
    rows: u64,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, hash: Sha256::new(), rows: 0, number: 0 }
    }

    /// The first line.
    pub(super) fn header(&mut self) -> Result<BackupHeader, StoreError> {
        let line = self.line()?;
        let header: BackupHeader = serde_json::from_slice(&line)
            .map_err(|_| refused("it does not begin as a backup of Portolan does"))?;
        if header.portolan_backup != FORMAT {
            let format = header.portolan_backup;
            return Err(refused(format!(
                "its format {format} is not {FORMAT}, the one known here"
            )));
        }
        self.hash.update(&line);
        Ok(header)
    }

    /// The next line. After the end there is none.
    pub(super) fn next(&mut self) -> Result<Line, StoreError> {
        let line = self.line()?;
        let damaged = |error| refused(format!("line {} is damaged: {error}", self.number));
        if line.starts_with(b"{\"end\"") {
            let end = serde_json::from_slice(&line).map_err(damaged)?;
            return self.end(&end);
        }
        self.hash.update(&line);
        if line.starts_with(b"{") {
            return serde_json::from_slice(&line).map(Line::Table).map_err(damaged);
        }
        self.rows += 1;
        serde_json::from_slice(&line).map(Line::Row).map_err(damaged)
    }

    fn line(&mut self) -> Result<Vec<u8>, StoreError> {
        use std::io::Read;
        let mut line = Vec::new();
        let mut limited = (&mut *self.input).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line).map_err(refused)?;
        self.number += 1;
        if line.last() == Some(&b'\n') { Ok(line) } else { Err(refused("it is cut off")) }
    }

    fn end(&mut self, end: &EndLine) -> Result<Line, StoreError> {
        let hash = std::mem::replace(&mut self.hash, Sha256::new()).finish();
        if end.rows != self.rows || end.sha256 != hex::encode(hash) {
            return Err(refused("its checksum is wrong: it was changed or damaged"));
        }
        let rest = self.input.fill_buf().map_err(refused)?;
        if !rest.is_empty() {
            return Err(refused("something follows its end"));
        }
        Ok(Line::End { rows: end.rows })
    }
}

/// Makes the schema of the backup in an empty database and loads its rows.
pub(crate) async fn load(store: &Store, mut input: impl BufRead + Send) -> Result<(), StoreError> {
    let mut tx = Tx::begin_schema_change(store, "store.restore").await?;
    match load_into(&mut tx, &mut input).await {
        Ok(()) => tx.commit().await,
        Err(error) => {
            tx.close().await;
            Err(error)
        }
    }
}

async fn load_into(tx: &mut Tx<'_>, input: &mut (dyn BufRead + Send)) -> Result<(), StoreError> {
    if let Some(found) = migrate::version(tx).await? {
        return Err(StoreError::NotEmpty { found });
    }
    let mut lines = Lines::new(input);
    let header = lines.header()?;
    migrate::up_to(tx, header.schema).await?;
    let tables = catalog::tables(tx).await?;
    // A migration may have made rows, which the backup holds too.
    for table in tables.iter().rev() {
        let sql = format!("DELETE FROM {}", table.name);
        tx.execute_script(sqlx::AssertSqlSafe(sql)).await?;
    }
    load_rows(tx, &mut lines, &tables).await?;
    for column in sealed::of_tables(&tables) {
        for sealed in sealed::all(tx, column).await? {
            tx.open(&column.place(&sealed.row), &sealed.bytes)?;
        }
    }
    Ok(())
}

async fn load_rows(
    tx: &mut Tx<'_>,
    lines: &mut Lines<'_>,
    tables: &[Table],
) -> Result<(), StoreError> {
    let mut current: Option<&Table> = None;
    let mut sql = String::new();
    loop {
        match lines.next()? {
            Line::End { .. } => return Ok(()),
            Line::Table(line) => {
                let table = named(tables, &line)?;
                (current, sql) = (Some(table), table.insert());
            }
            Line::Row(row) => {
                let table = current.ok_or_else(|| refused("a row comes before its table"))?;
                let values = values(table, row)?;
                tx.execute(sqlx::AssertSqlSafe(sql.clone()), values).await?;
            }
        }
    }
}

fn named<'a>(tables: &'a [Table], line: &TableLine) -> Result<&'a Table, StoreError> {
    let known = tables.iter().find(|table| table.name == line.table);
    let known =
        known.ok_or_else(|| refused(format!("table {} is not in its schema", line.table)))?;
    let same = known.columns.iter().map(|column| &column.name).eq(&line.columns);
    if same { Ok(known) } else { Err(refused(format!("table {} has other columns", line.table))) }
}

fn values(table: &Table, row: Vec<Json>) -> Result<Vec<Value>, StoreError> {
    if row.len() != table.columns.len() {
        return Err(refused(format!("a row of {} has {} values", table.name, row.len())));
    }
    table.columns.iter().zip(row).map(|(column, json)| value(table, column, json)).collect()
}

fn value(table: &Table, column: &Column, json: Json) -> Result<Value, StoreError> {
    let wrong = || refused(format!("{}.{} holds a value of another type", table.name, column.name));
    Ok(match (column.kind, json) {
        (ColumnKind::Text, Json::Null) => Value::Text(None),
        (ColumnKind::Int, Json::Null) => Value::Int(None),
        (ColumnKind::Blob, Json::Null) => Value::Blob(None),
        (ColumnKind::Text, Json::String(text)) => Value::Text(Some(text)),
        (ColumnKind::Int, Json::Number(number)) => {
            Value::Int(Some(number.as_i64().ok_or_else(wrong)?))
        }
        (ColumnKind::Blob, Json::String(text)) => {
            Value::Blob(Some(hex::decode(text).map_err(|_| wrong())?))
        }
        _ => return Err(wrong()),
    })
}
