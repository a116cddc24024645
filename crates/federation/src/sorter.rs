//! A bounded sort: all documents, or the first few of them, in memory that has a limit.

use bson::RawDocumentBuf;
use portolan_mql::{Sort, identity};

use crate::FederationError;

/// Below this many documents nothing is thrown away early.
const SLACK: usize = 1_000;

/// Collects documents and gives them back in order. Documents that sort alike are ordered by `_id`,
/// so that pages of one order fit together.
pub(crate) struct Sorter {
    sort: Sort,
    keep: Option<usize>,
    rows: Vec<(Vec<u8>, RawDocumentBuf)>,
    size_bytes: usize,
    bytes_max: usize,
}

impl Sorter {
    /// Keeps the first `keep` documents of the order, or all.
    pub(crate) fn new(sort: Sort, keep: Option<u64>, bytes_max: usize) -> Self {
        let keep = keep.and_then(|keep| usize::try_from(keep).ok());
        Self { sort, keep, rows: Vec::new(), size_bytes: 0, bytes_max }
    }

    pub(crate) fn push(&mut self, document: RawDocumentBuf) -> Result<(), FederationError> {
        let mut key = self.sort.key(&document)?;
        key.extend_from_slice(&identity::of(&document, []));
        self.size_bytes += size_of_row(&key, &document);
        self.rows.push((key, document));
        if self.keep.is_some_and(|keep| self.rows.len() >= keep.saturating_mul(2).max(SLACK)) {
            self.cut();
        }
        if self.size_bytes <= self.bytes_max {
            return Ok(());
        }
        self.cut();
        if self.size_bytes <= self.bytes_max {
            return Ok(());
        }
        Err(FederationError::TooLarge(format!(
            "Sort exceeded memory limit of {} bytes; sort fewer documents or give a limit",
            self.bytes_max
        )))
    }

    fn cut(&mut self) {
        let Some(keep) = self.keep else { return };
        self.rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.rows.truncate(keep);
        self.size_bytes = self.rows.iter().map(|(key, document)| size_of_row(key, document)).sum();
    }

    pub(crate) fn finish(mut self) -> Vec<RawDocumentBuf> {
        self.rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.rows.truncate(self.keep.unwrap_or(usize::MAX));
        self.rows.into_iter().map(|(_, document)| document).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.size_bytes = 0;
    }
}

fn size_of_row(key: &[u8], document: &RawDocumentBuf) -> usize {
    key.len() + document.as_bytes().len() + 48
}

#[cfg(test)]
mod tests;
