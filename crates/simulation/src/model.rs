//! What clients believe: the last version of each document that the cluster acknowledged to them.

use std::collections::{BTreeMap, BTreeSet};

use bson::{RawDocumentBuf, rawdoc};

/// When worlds begin, milliseconds since the epoch.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// Documents by `_id`.
pub(crate) type Documents = BTreeMap<i32, RawDocumentBuf>;

/// The clients' knowledge.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) expected: Documents,
    /// Documents that left the cluster without a client's doing.
    pub(crate) moved: BTreeSet<i32>,
    versions: i32,
}

/// A document; cold when it is more than ten days old.
pub(crate) fn document(id: i32, days: i64, version: i32) -> RawDocumentBuf {
    let at = bson::DateTime::from_millis(NOW_MS - days * DAY_MS);
    rawdoc! { "_id": id, "at": at, "side": id % 2, "version": version }
}

/// `_id` of a document of these worlds.
pub(crate) fn id_of(document: &RawDocumentBuf) -> i32 {
    document.get_i32("_id").unwrap_or(-1)
}

impl Model {
    pub(crate) fn next_version(&mut self) -> i32 {
        self.versions += 1;
        self.versions
    }

    pub(crate) fn wrote(&mut self, document: RawDocumentBuf) {
        self.expected.insert(id_of(&document), document);
    }

    pub(crate) fn deleted(&mut self, id: i32) {
        self.expected.remove(&id);
    }

    /// Notes what is not in the cluster although no client deleted it.
    pub(crate) fn look(&mut self, live: &[RawDocumentBuf]) {
        let live: BTreeSet<i32> = live.iter().map(id_of).collect();
        self.moved.extend(self.expected.keys().filter(|id| !live.contains(id)));
    }
}
