//! One look at an archive: is there anything to do, and may it be done now? Most looks end here
//! without a lease, a run or a commit.

use std::collections::HashSet;
use std::sync::Arc;

use futures::TryStreamExt;
use portolan_cluster::{Cluster, CollectionInfo, CollectionKind, ReadOptions};
use portolan_lake::identity_under;
use portolan_model::{ArchiveState, OnlineArchive, ShardKey};

use crate::criteria::{Frozen, safe_now_ms};
use crate::protocol::may_begin;
use crate::run::key_of;
use crate::worker::Shared;
use crate::{ArchiverError, ArchiverOptions};

/// What a look decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Run: move what is cold (`begin`), or only finish what is open.
    Run {
        /// Whether new moves may begin.
        begin: bool,
    },
    /// Nothing to do now; look again later, less and less often.
    Quiet,
    /// Outside the schedule's window, or the collection does not exist yet.
    Waiting,
    /// The collection is gone, or another one.
    Orphaned,
}

/// What the archive's row and journal say before the cluster is asked.
pub(crate) struct Known<'a> {
    pub(crate) archive: &'a OnlineArchive,
    /// A move is unfinished.
    pub(crate) unfinished: bool,
    /// UUID of the collection in the newest committed move; outer `None`: nothing was committed.
    pub(crate) pinned: Option<Option<[u8; 16]>>,
    /// It was looked at before and had nothing to do: the first look always runs.
    pub(crate) ran: bool,
    /// An operator asked for a run: neither the schedule nor the size of what is cold matters.
    pub(crate) requested: bool,
}

pub(crate) async fn decide(
    shared: &Shared,
    cluster: &Arc<dyn Cluster>,
    known: &Known<'_>,
) -> Result<Decision, ArchiverError> {
    let archive = known.archive;
    if !may_begin(archive.state) {
        let finish = known.unfinished || archive.state == ArchiveState::Pausing;
        return Ok(if finish { Decision::Run { begin: false } } else { Decision::Waiting });
    }
    let info = cluster.collection(&archive.namespace).await?;
    if lost(known, info.as_ref()) {
        // What is open is closed first; the run that does it finds the collection lost again.
        let open = Decision::Run { begin: false };
        return Ok(if known.unfinished { open } else { Decision::Orphaned });
    }
    let Some(info) = info else { return Ok(Decision::Waiting) };
    check_kind(&info)?;
    if known.unfinished {
        return Ok(Decision::Run { begin: true });
    }
    let own_ms = shared.runtime.now_ms();
    if !known.requested && !archive.schedule.allows(own_ms) {
        return Ok(Decision::Waiting);
    }
    if !known.ran {
        return Ok(Decision::Run { begin: true });
    }
    let now_ms = safe_now_ms(own_ms, cluster.clock_ms().await?)?;
    let needed = bytes_needed(&shared.options, archive, now_ms);
    let frozen = Frozen::new(&archive.criteria, now_ms)?;
    let held_back = shared.journal.held_back(&key_of(archive)).await?;
    let held_back = HeldBack { identities: &held_back, shard_key: info.shard_key.as_ref() };
    let enough = reaches(cluster.as_ref(), archive, &frozen, (needed, held_back)).await?;
    Ok(if enough { Decision::Run { begin: true } } else { Decision::Quiet })
}

fn lost(known: &Known<'_>, info: Option<&CollectionInfo>) -> bool {
    match (known.pinned, info) {
        (Some(pinned), Some(info)) => info.uuid != pinned,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => known.archive.state != ArchiveState::Pending,
    }
}

fn check_kind(info: &CollectionInfo) -> Result<(), ArchiverError> {
    if info.capped {
        return Err(ArchiverError::Denied("a capped collection cannot be archived".into()));
    }
    match info.kind {
        CollectionKind::Collection => Ok(()),
        CollectionKind::View => Err(ArchiverError::Denied("a view cannot be archived".into())),
        CollectionKind::TimeSeries => Err(ArchiverError::Denied(
            "time-series collections are not archived by this version".into(),
        )),
    }
}

/// A young archive moves whatever matches; an older one waits for a reasonable amount.
fn bytes_needed(options: &ArchiverOptions, archive: &OnlineArchive, now_ms: i64) -> u64 {
    let young = now_ms.saturating_sub(archive.created_at) < options.small_runs_for_ms;
    if young { 1 } else { options.bytes_min }
}

/// Documents that are not to be read, by their identities under the collection's shard key.
pub(crate) struct HeldBack<'a> {
    pub(crate) identities: &'a HashSet<Vec<u8>>,
    pub(crate) shard_key: Option<&'a ShardKey>,
}

/// Whether so many bytes of documents are cold. Reads no more than that.
pub(crate) async fn reaches(
    cluster: &dyn Cluster,
    archive: &OnlineArchive,
    frozen: &Frozen,
    (bytes, held_back): (u64, HeldBack<'_>),
) -> Result<bool, ArchiverError> {
    let options = ReadOptions { majority: true, batch_size: Some(101), ..ReadOptions::default() };
    let mut stream = cluster.read(&archive.namespace, frozen.filter(), options).await?;
    let mut found = 0;
    while let Some(document) = stream.try_next().await? {
        if frozen.is_candidate(&document)
            && !held_back.identities.contains(&identity_under(&document, held_back.shard_key))
        {
            found += document.as_bytes().len() as u64;
        }
        if found >= bytes {
            return Ok(true);
        }
    }
    Ok(false)
}
