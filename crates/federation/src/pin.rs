//! Pins: the version of each table that a query reads, together with what the journal says of it.
//!
//! A pin is a fresh look at the log, never a cached one, taken after the cluster was scanned and
//! after the source's fence and the journal's list were read: everything that the scan could not see
//! any more is then in a pinned version.

use std::collections::HashMap;

use bson::RawDocumentBuf;
use portolan_lake::{Predicate, Row, ScanPlan, Table, Version};
use portolan_model::{Namespace, ShardKey};

use crate::query::Query;
use crate::session::Session;
use crate::source_fence::{self, Deleted, Fit};
use crate::{ArchiveSource, FederationError, Kept};

/// How often fences are read again because a worker took over between them and the pins.
const READINGS_MAX: u32 = 5;

/// One archive at one version.
pub(crate) struct Pin {
    pub(crate) source: ArchiveSource,
    pub(crate) table: Table,
    pub(crate) version: Version,
    kept: Kept,
    /// Where the fence at the source decides: rows after it are not moved.
    deleted: Option<Deleted>,
}

/// Confirmed and committed numbers of tables, by archive.
pub(crate) type Numbers = HashMap<String, (i64, i64)>;

impl Pin {
    /// Whether a row's move is committed and not confirmed: its document may still be in the
    /// cluster.
    pub(crate) fn is_open(&self, seq: i64) -> bool {
        seq > self.version.confirmed
    }

    /// Whether the source says of every row whether it was moved: nothing need be looked up for that.
    pub(crate) const fn is_fenced(&self) -> bool {
        self.deleted.is_some()
    }

    /// Whether a row never counts: its document was not deleted by us, or a newer row took its place.
    pub(crate) fn is_void(&self, row: &Row, identity: &[u8]) -> bool {
        row.superseded_by.is_some()
            || self.is_beyond(row.seq, row.batch)
            || self.is_kept(row.seq, identity)
    }

    /// Whether the source had not deleted this batch when its fence was read.
    pub(crate) fn is_beyond(&self, seq: i64, batch: i32) -> bool {
        self.deleted.is_some_and(|deleted| (seq, batch) > deleted)
    }

    pub(crate) fn is_kept(&self, seq: i64, identity: &[u8]) -> bool {
        !self.kept.is_empty() && self.kept.contains(&(seq, identity.to_vec()))
    }

    /// The version with only those files that may hold rows of moves above `seq`.
    pub(crate) fn above(version: &Version, seq: i64) -> Option<Version> {
        let mut narrowed = Version { files: Vec::new(), ..version.clone() };
        narrowed.files = version.files.iter().filter(|file| file.seq_max > seq).cloned().collect();
        (!narrowed.files.is_empty()).then_some(narrowed)
    }

    pub(crate) fn plan(&self, query: &Query) -> ScanPlan {
        let predicate = Predicate::from_filter(&query.filter, self.table.spec());
        self.table.scan(&self.version, &predicate)
    }
}

/// The numbers of a namespace's tables now, and the shard key that the newest of them knows.
pub(crate) async fn numbers(
    session: &Session,
    namespace: &Namespace,
) -> Result<(Numbers, Option<ShardKey>), FederationError> {
    let (mut numbers, mut shard_key) = (Numbers::new(), None);
    for source in session.archives(namespace).await? {
        let table = session.catalog.table(&source.table_uri).await?;
        if numbers.is_empty() {
            shard_key.clone_from(&table.spec().shard_key);
        }
        let version = table.load().await?;
        numbers.insert(source.archive_id, (version.confirmed, version.committed));
    }
    Ok((numbers, shard_key))
}

/// Pins every archive of a namespace, newest first.
///
/// `seen` are numbers that this query loaded earlier: a table that is now behind them was read from
/// an old copy, and nothing may be concluded from it.
pub(crate) async fn pin_all(
    session: &Session,
    namespace: &Namespace,
    seen: &Numbers,
) -> Result<Vec<Pin>, FederationError> {
    for _ in 0..READINGS_MAX {
        if let Some(pins) = try_pin_all(session, namespace, seen).await? {
            return Ok(pins);
        }
    }
    Err(FederationError::Stale("workers take over from one another all the time".to_owned()))
}

/// `None`: a worker took over between the reading of a fence and the pin.
async fn try_pin_all(
    session: &Session,
    namespace: &Namespace,
    seen: &Numbers,
) -> Result<Option<Vec<Pin>>, FederationError> {
    // Fences and kept lists first: a list is cleared only after its move was confirmed in the table, so
    // one that is read before the version never lacks what the version still needs.
    let mut sources = Vec::new();
    for source in session.archives(namespace).await? {
        let fence = source_fence::read(session, &source).await?;
        let kept = session.catalog.kept(&source.archive_id).await?;
        sources.push((source, fence, kept));
    }
    let mut pins = Vec::with_capacity(sources.len());
    for (source, fence, mut kept) in sources {
        let table = session.catalog.table(&source.table_uri).await?;
        let version = table.load().await?;
        check_not_older(&source, &version, seen)?;
        let (confirmed, _) = seen.get(&source.archive_id).copied().unwrap_or_default();
        let deleted = match fence.fit(&version, confirmed) {
            Fit::Decides(deleted) => {
                fence.add_kept(&mut kept);
                Some(deleted)
            }
            Fit::Nothing => None,
            Fit::Again => return Ok(None),
        };
        pins.push(Pin { source, table, version, kept, deleted });
    }
    Ok(Some(pins))
}

fn check_not_older(
    source: &ArchiveSource,
    version: &Version,
    seen: &Numbers,
) -> Result<(), FederationError> {
    let (confirmed, committed) = seen.get(&source.archive_id).copied().unwrap_or_default();
    if version.confirmed < confirmed || version.committed < committed {
        return Err(FederationError::Stale(format!(
            "the table of archive {} was found older than a moment ago",
            source.archive_id
        )));
    }
    Ok(())
}

/// A row that may become an answer.
pub(crate) struct Candidate {
    pub(crate) identity: Vec<u8>,
    pub(crate) seq: i64,
    /// Its move was not confirmed in the pinned version.
    pub(crate) open: bool,
    /// Its file's `_id` range is empty in the cluster.
    pub(crate) proved_absent: bool,
    /// A file of an open move has a range of `_id`s that meets that of its file.
    pub(crate) has_rivals: bool,
    pub(crate) document: RawDocumentBuf,
}
