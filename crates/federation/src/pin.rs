//! Pins: the version of each table that a query reads, together with what the journal says of it.
//!
//! A pin is a fresh look at the log, never a cached one, taken after the cluster was scanned and
//! after the journal's list was read: everything that the scan could not see any more is then in a
//! pinned version.

use std::collections::HashMap;

use bson::RawDocumentBuf;
use portolan_lake::{Predicate, Row, ScanPlan, Table, Version};
use portolan_model::Namespace;

use crate::query::Query;
use crate::session::Session;
use crate::{ArchiveSource, FederationError, Kept};

/// One archive at one version.
pub(crate) struct Pin {
    pub(crate) source: ArchiveSource,
    pub(crate) table: Table,
    pub(crate) version: Version,
    kept: Kept,
}

/// Confirmed and committed numbers of tables, by archive.
pub(crate) type Numbers = HashMap<String, (i64, i64)>;

impl Pin {
    /// Whether a row's move is committed and not confirmed: its document may still be in the
    /// cluster.
    pub(crate) fn is_open(&self, seq: i64) -> bool {
        seq > self.version.confirmed
    }

    /// Whether a row never counts: its document stayed in the cluster, or a newer row took its place.
    pub(crate) fn is_void(&self, row: &Row, identity: &[u8]) -> bool {
        row.superseded_by.is_some() || self.is_kept(row.seq, identity)
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

/// The numbers of a namespace's tables now.
pub(crate) async fn numbers(
    session: &Session,
    namespace: &Namespace,
) -> Result<Numbers, FederationError> {
    let mut numbers = Numbers::new();
    for source in session.archives(namespace).await? {
        let version = session.catalog.table(&source.table_uri).await?.load().await?;
        numbers.insert(source.archive_id, (version.confirmed, version.committed));
    }
    Ok(numbers)
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
    let sources = session.archives(namespace).await?;
    // Kept lists first: one is cleared only after its move was confirmed in the table, so a list
    // that is read before the version never lacks what the version still needs.
    let mut kept = Vec::with_capacity(sources.len());
    for source in &sources {
        kept.push(session.catalog.kept(&source.archive_id).await?);
    }
    let mut pins = Vec::with_capacity(sources.len());
    for (source, kept) in sources.into_iter().zip(kept) {
        let table = session.catalog.table(&source.table_uri).await?;
        let version = table.load().await?;
        check_not_older(&source, &version, seen)?;
        pins.push(Pin { source, table, version, kept });
    }
    Ok(pins)
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
