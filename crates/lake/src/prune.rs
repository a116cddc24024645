//! Pruning: which files and rows can hold what a query asks for. Bounds are inclusive and a NULL key
//! always stays in, so that nothing that matches is ever left out; `mql` decides in the end.

use portolan_mql::{Filter, KeyRange};

use crate::TableSpec;

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
