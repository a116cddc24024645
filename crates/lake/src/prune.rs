//! Pruning: which files and rows can hold what is asked for. Bounds are inclusive and a NULL key
//! always stays in, so that nothing that matches is ever left out; `mql` decides in the end.

use std::collections::BTreeSet;
use std::ops::Bound;

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use portolan_mql::{Filter, KeyRange};

use crate::layout::{BATCH, Layout, SEQ};
use crate::stats::FileStats;
use crate::{DataFile, TableSpec};

/// Restrictions by prune keys, all of which must hold.
#[derive(Debug, Clone, Default)]
pub struct Predicate {
    /// `_id` or a partition path, and the ranges that its key may lie in.
    pub columns: Vec<(String, Vec<KeyRange>)>,
}

impl Predicate {
    /// What a filter says about `_id` and the partition fields.
    #[must_use]
    pub fn from_filter(filter: &Filter, spec: &TableSpec) -> Self {
        let paths = std::iter::once("_id").chain(spec.partition_paths.iter().map(String::as_str));
        let columns = paths
            .filter_map(|path| filter.ranges(path).map(|ranges| (path.to_owned(), ranges)))
            .collect();
        Self { columns }
    }
}

/// What a read is after, in terms of columns. Everything given must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Select {
    /// Key columns and what their values may be; NULL may be anything.
    pub(crate) keys: Vec<(&'static str, Keys)>,
    /// Only rows of these moves (inclusive).
    pub(crate) seq: Option<(i64, i64)>,
    /// Only rows of this batch.
    pub(crate) batch: Option<i32>,
}

/// A set of keys.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Ranges(Vec<KeyRange>),
    Points(BTreeSet<String>),
}

impl Keys {
    fn overlaps(&self, min: &str, max: &str) -> bool {
        match self {
            Self::Ranges(ranges) => ranges.iter().any(|range| {
                range.low.as_deref().is_none_or(|low| low <= max)
                    && range.high.as_deref().is_none_or(|high| high >= min)
            }),
            Self::Points(points) => {
                let bounds = (Bound::Included(min), Bound::Included(max));
                min <= max && points.range::<str, _>(bounds).next().is_some()
            }
        }
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        match self {
            Self::Points(points) => points.contains(key),
            Self::Ranges(_) => self.overlaps(key, key),
        }
    }
}

impl Select {
    /// A predicate in terms of the table's columns; paths without a key column restrict nothing.
    pub(crate) fn new(predicate: &Predicate, spec: &TableSpec) -> Self {
        let columns = Layout::key_columns(spec);
        let keys = predicate.columns.iter().filter_map(|(path, ranges)| {
            let (column, _) = columns.iter().find(|(_, known)| known == path)?;
            Some((*column, Keys::Ranges(ranges.clone())))
        });
        Self { keys: keys.collect(), ..Self::default() }
    }

    /// Whether anything is restricted at all.
    pub(crate) fn is_everything(&self) -> bool {
        self.keys.is_empty() && self.seq.is_none() && self.batch.is_none()
    }

    /// The columns whose values decide.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let keys = self.keys.iter().map(|(column, _)| *column);
        let seq = self.seq.map(|_| SEQ);
        keys.chain(seq).chain(self.batch.map(|_| BATCH)).collect()
    }

    /// Whether a file can hold what is asked for, by its statistics in the log.
    pub(crate) fn file(&self, file: &DataFile) -> bool {
        let stats: &FileStats = &file.stats;
        let keys = self.keys.iter().all(|(column, keys)| {
            stats.may_be_null(column)
                || stats.texts(column).is_none_or(|(min, max)| keys.overlaps(min, max))
        });
        keys && self.seq.is_none_or(|(low, high)| low <= file.seq_max && high >= file.seq_min)
            && self.batch.is_none_or(|batch| (file.batch_min..=file.batch_max).contains(&batch))
    }

    /// Whether a row group can hold what is asked for, by the statistics in the file itself.
    pub(crate) fn row_group(&self, group: &RowGroupMetaData) -> bool {
        let stats = |name: &str| {
            let column = group.columns().iter().find(|c| c.column_path().string() == name)?;
            column.statistics()
        };
        let keys = self.keys.iter().all(|(column, keys)| match stats(column) {
            Some(stats @ Statistics::ByteArray(_)) => {
                stats.null_count_opt() != Some(0)
                    || texts(stats).is_none_or(|(min, max)| keys.overlaps(min, max))
            }
            _ => true,
        });
        let within = |name: &str, low: i64, high: i64| {
            stats(name).and_then(integers).is_none_or(|(min, max)| low <= max && high >= min)
        };
        keys && self.seq.is_none_or(|(low, high)| within(SEQ, low, high))
            && self.batch.is_none_or(|batch| within(BATCH, batch.into(), batch.into()))
    }
}

fn texts(stats: &Statistics) -> Option<(&str, &str)> {
    let min = std::str::from_utf8(stats.min_bytes_opt()?).ok()?;
    let max = std::str::from_utf8(stats.max_bytes_opt()?).ok()?;
    Some((min, max))
}

fn integers(stats: &Statistics) -> Option<(i64, i64)> {
    match stats {
        Statistics::Int32(stats) => Some(((*stats.min_opt()?).into(), (*stats.max_opt()?).into())),
        Statistics::Int64(stats) => Some((*stats.min_opt()?, *stats.max_opt()?)),
        _ => None,
    }
}
