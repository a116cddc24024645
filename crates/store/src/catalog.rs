//! What tables a database has, told alike for both. For copies of the whole state and for tests; what
//! is not here: the tables' meaning, which each resource's file knows.

use crate::migrate::MIGRATIONS;
use crate::{Dialect, FromRow, Row, StoreError, Tx, Value, args};

/// The three types that the tables use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Int,
    Blob,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
}

impl FromRow for Column {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (name, kind) = (row.text("name")?, row.text("kind")?);
        let kind = match kind.to_ascii_lowercase().as_str() {
            "text" => ColumnKind::Text,
            "bigint" => ColumnKind::Int,
            "blob" | "bytea" => ColumnKind::Blob,
            other => return Err(StoreError::corrupt(&name, format!("a column of type {other}"))),
        };
        Ok(Self { name, kind })
    }
}

impl Table {
    /// `SELECT` of every column and row, in an order that depends on the rows alone.
    pub(crate) fn select_all(&self) -> String {
        let order: Vec<String> = (1..=self.columns.len().min(4)).map(|n| n.to_string()).collect();
        format!("SELECT {} FROM {} ORDER BY {}", self.column_list(), self.name, order.join(", "))
    }

    /// `INSERT` of every column.
    pub(crate) fn insert(&self) -> String {
        let marks: Vec<String> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
        let (name, columns) = (&self.name, self.column_list());
        format!("INSERT INTO {name} ({columns}) VALUES ({})", marks.join(", "))
    }

    fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    }

    /// A row's values.
    pub(crate) fn values(&self, row: &Row) -> Result<Vec<Value>, StoreError> {
        self.columns.iter().map(|column| column.value(row)).collect()
    }
}

impl Column {
    fn value(&self, row: &Row) -> Result<Value, StoreError> {
        Ok(match self.kind {
            ColumnKind::Text => Value::Text(row.opt_text(&self.name)?),
            ColumnKind::Int => Value::Int(row.opt_int(&self.name)?),
            ColumnKind::Blob => Value::Blob(row.opt_blob(&self.name)?),
        })
    }
}

/// The tables that are there, in the order in which the migrations make them: a table comes after those
/// that it refers to. The record of migrations is not among them.
pub(crate) async fn tables(tx: &mut Tx<'_>) -> Result<Vec<Table>, StoreError> {
    let mut tables: Vec<Table> = Vec::new();
    for name in MIGRATIONS.iter().flat_map(|migration| created(migration.sql)) {
        if tables.iter().any(|table| table.name == name) {
            continue;
        }
        let columns = columns(tx, name).await?;
        if !columns.is_empty() {
            tables.push(Table { name: name.to_owned(), columns });
        }
    }
    Ok(tables)
}

/// The names after `CREATE TABLE`, at the beginning of a line.
fn created(sql: &str) -> impl Iterator<Item = &str> {
    let named = sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
    named.filter_map(|rest| rest.split([' ', '(']).next())
}

async fn columns(tx: &mut Tx<'_>, table: &str) -> Result<Vec<Column>, StoreError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name, type AS kind FROM pragma_table_info($1) ORDER BY cid",
        Dialect::Postgres => {
            "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS kind \
             FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
        }
    };
    tx.fetch_all(sql, args![table]).await
}

/// Whether a table of that name is there.
pub(crate) async fn has_table(tx: &mut Tx<'_>, table: &str) -> Result<bool, StoreError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = $1"
        }
    };
    Ok(tx.count(sql, args![table]).await? > 0)
}

struct Reference {
    from: String,
    to: String,
}

impl FromRow for Reference {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { from: row.text("referring")?, to: row.text("referred")? })
    }
}

/// All tables of a SQLite database, and pairs of a table and one that it refers to.
pub(crate) async fn names_and_references(
    tx: &mut Tx<'_>,
) -> Result<(Vec<String>, Vec<(String, String)>), StoreError> {
    let names = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let names = tx.fetch_all(names, args![]).await?;
    let references = "SELECT m.name AS referring, f.\"table\" AS referred \
                      FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f \
                      WHERE m.type = 'table'";
    let references: Vec<Reference> = tx.fetch_all(references, args![]).await?;
    Ok((names, references.into_iter().map(|pair| (pair.from, pair.to)).collect()))
}
