//! Rows with typed getters whose errors name the column.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::types::{FromSql, Value as SqlValue};
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Decode, Row as _, Type};

use crate::StoreError;

/// A row of an answer.
pub struct Row(Cells);

enum Cells {
    Pooled(AnyRow),
    InMemory { columns: Arc<[String]>, values: Vec<SqlValue> },
}

/// What a row can be read as.
pub trait FromRow: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] naming the column.
    fn from_row(row: &Row) -> Result<Self, StoreError>;
}

impl Row {
    pub(crate) fn new(row: AnyRow) -> Self {
        Self(Cells::Pooled(row))
    }

    pub(crate) fn in_memory(columns: Arc<[String]>, values: Vec<SqlValue>) -> Self {
        Self(Cells::InMemory { columns, values })
    }

    fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, sqlx::Any> + Type<sqlx::Any> + FromSql,
    {
        match &self.0 {
            Cells::Pooled(row) => {
                row.try_get(column).map_err(|error| StoreError::corrupt(column, error))
            }
            Cells::InMemory { columns, values } => {
                own_value(values, columns.iter().position(|name| name == column), column)
            }
        }
    }

    /// By the number of its column, the first of which is 0.
    pub(crate) fn at<'r, T>(&'r self, column: usize) -> Result<T, StoreError>
    where
        T: Decode<'r, sqlx::Any> + Type<sqlx::Any> + FromSql,
    {
        let name = || column.to_string();
        match &self.0 {
            Cells::Pooled(row) => {
                row.try_get(column).map_err(|error| StoreError::corrupt(&name(), error))
            }
            Cells::InMemory { values, .. } => own_value(values, Some(column), &name()),
        }
    }

    /// Text.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column)
    }

    /// Text or NULL.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// An integer.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.get(column)
    }

    /// An integer or NULL.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A boolean, kept as 0 or 1.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn blob(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    /// Bytes or NULL.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn opt_blob(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    /// Exactly `N` bytes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn bytes<const N: usize>(&self, column: &str) -> Result<[u8; N], StoreError> {
        let bytes = self.blob(column)?;
        let length = bytes.len();
        bytes
            .try_into()
            .map_err(|_| StoreError::corrupt(column, format!("{length} bytes instead of {N}")))
    }

    /// Text that parses: ids, roles, states.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn parse<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(column)?.parse().map_err(|error| StoreError::corrupt(column, error))
    }

    /// Text that parses, or NULL.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn opt_parse<T>(&self, column: &str) -> Result<Option<T>, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.opt_text(column)?
            .map(|text| text.parse().map_err(|error| StoreError::corrupt(column, error)))
            .transpose()
    }

    /// JSON kept as text.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|error| StoreError::corrupt(column, error))
    }
}

fn own_value<T: FromSql>(
    values: &[SqlValue],
    at: Option<usize>,
    column: &str,
) -> Result<T, StoreError> {
    let value = at.and_then(|at| values.get(at));
    let value = value.ok_or_else(|| StoreError::corrupt(column, "there is no such column"))?;
    T::column_result(value.into()).map_err(|error| StoreError::corrupt(column, error))
}

impl FromRow for i64 {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.at(0)
    }
}

impl FromRow for Option<i64> {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.at(0)
    }
}

impl FromRow for String {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.at(0)
    }
}
