//! Layout version 1: the columns of a table, in Arrow's and in Delta's words.
//!
//! `_doc` holds the exact BSON bytes and is the truth; every other column follows from it or places
//! the row in the move protocol. Keys are hex text because binary columns are never pruned by
//! range.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::{DataType as DeltaType, StructField};
use portolan_model::PartitionFieldType;

use crate::TableSpec;

pub(crate) const DOC: &str = "_doc";
pub(crate) const ID: &str = "_id";
pub(crate) const ID_KEY: &str = "_id_key";
pub(crate) const MONTH: &str = "month";
pub(crate) const ARCHIVED_AT: &str = "_archived_at";
pub(crate) const SEQ: &str = "_seq";
pub(crate) const BATCH: &str = "_batch";
pub(crate) const SUPERSEDED_BY: &str = "_superseded_by";
pub(crate) const DOC_HASH: &str = "_doc_hash";

/// Names of the key columns of the partition fields.
pub(crate) const PARTITION_KEYS: [&str; 3] = ["p1_key", "p2_key", "p3_key"];

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether the log carries statistics of it.
    pub(crate) stats: bool,
    /// The true path of a partition field, whose column name may be mangled.
    path: Option<String>,
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Long,
    Timestamp,
    Binary,
}

/// The columns of one table.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Columns in the data files, in order.
    pub(crate) columns: Vec<Column>,
    /// Whether the table is partitioned by month.
    pub(crate) month: bool,
    pub(crate) arrow: SchemaRef,
}

impl Layout {
    pub(crate) fn new(spec: &TableSpec) -> Self {
        let mut columns = vec![
            column(DOC, Kind::Binary, false),
            column(ID, Kind::Text, true),
            column(ID_KEY, Kind::Text, true),
        ];
        let partitions = spec.partition_paths.len().min(PARTITION_KEYS.len());
        columns.extend(PARTITION_KEYS[..partitions].iter().map(|n| column(n, Kind::Text, true)));
        columns.extend(partition_columns(spec));
        columns.extend([
            column(ARCHIVED_AT, Kind::Timestamp, true),
            column(SEQ, Kind::Long, true),
            column(BATCH, Kind::Int, true),
            column(SUPERSEDED_BY, Kind::Long, true),
            column(DOC_HASH, Kind::Binary, false),
        ]);
        let arrow = Arc::new(Schema::new(columns.iter().map(Column::arrow).collect::<Vec<_>>()));
        Self { columns, month: spec.month.is_some(), arrow }
    }

    /// The table's schema for the log; the partition column comes last.
    pub(crate) fn delta_fields(&self) -> Vec<StructField> {
        let month = self.month.then(|| column(MONTH, Kind::Text, false));
        self.columns.iter().chain(&month).map(Column::delta).collect()
    }

    /// Value of `delta.dataSkippingStatsColumns`.
    pub(crate) fn stats_columns(&self) -> String {
        let names: Vec<&str> =
            self.columns.iter().filter(|c| c.stats).map(|c| c.name.as_str()).collect();
        names.join(",")
    }

    /// Every column but `_doc` (first) and `_doc_hash` (last).
    pub(crate) fn cell_columns(&self) -> &[Column] {
        &self.columns[1..self.columns.len() - 1]
    }

    /// The columns that follow from the document alone.
    pub(crate) fn derived(&self) -> &[Column] {
        &self.columns[1..self.columns.len() - 5]
    }

    /// Names of the key columns, `_id_key` first, with the path that each stands for.
    pub(crate) fn key_columns(spec: &TableSpec) -> Vec<(&'static str, &str)> {
        let partitions =
            PARTITION_KEYS.into_iter().zip(spec.partition_paths.iter().map(String::as_str));
        std::iter::once((ID_KEY, ID)).chain(partitions).collect()
    }
}

impl Column {
    fn arrow(&self) -> Field {
        let data_type = match self.kind {
            Kind::Text => DataType::Utf8,
            Kind::Int => DataType::Int32,
            Kind::Long => DataType::Int64,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Binary => DataType::Binary,
        };
        Field::new(&self.name, data_type, self.nullable())
    }

    fn delta(&self) -> StructField {
        let data_type = match self.kind {
            Kind::Text => DeltaType::STRING,
            Kind::Int => DeltaType::INTEGER,
            Kind::Long => DeltaType::LONG,
            Kind::Timestamp => DeltaType::TIMESTAMP,
            Kind::Binary => DeltaType::BINARY,
        };
        let field = StructField::new(self.name.clone(), data_type, self.nullable());
        match &self.path {
            None => field,
            Some(path) => field.with_metadata(HashMap::from([("portolan.path", path.as_str())])),
        }
    }

    fn nullable(&self) -> bool {
        self.name != DOC
    }
}

fn column(name: &str, kind: Kind, stats: bool) -> Column {
    Column { name: name.to_owned(), kind, stats, path: None }
}

/// The readable columns `p_<field>`, with names that differ even where case does not count.
fn partition_columns(spec: &TableSpec) -> Vec<Column> {
    let mut taken: Vec<String> = PARTITION_KEYS.map(str::to_owned).to_vec();
    spec.partition_paths
        .iter()
        .enumerate()
        .map(|(index, path)| {
            let name = free_name(path, &taken);
            taken.push(name.to_ascii_lowercase());
            let kind = partition_kind(spec.partition_type(index));
            Column { name, kind, stats: true, path: Some(path.clone()) }
        })
        .collect()
}

fn free_name(path: &str, taken: &[String]) -> String {
    let safe: String =
        path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let plain = format!("p_{safe}");
    (1..)
        .map(|n| if n == 1 { plain.clone() } else { format!("{plain}_{n}") })
        .find(|name| !taken.contains(&name.to_ascii_lowercase()))
        .expect("some number is free")
}

fn partition_kind(kind: Option<PartitionFieldType>) -> Kind {
    match kind {
        Some(PartitionFieldType::Date) => Kind::Timestamp,
        Some(PartitionFieldType::Int) => Kind::Int,
        Some(PartitionFieldType::Long) => Kind::Long,
        _ => Kind::Text,
    }
}
