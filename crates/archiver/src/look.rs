//! One look at an archive: is there anything to do, and may it be done now? Most looks end here
//! without a lease, a run or a commit.

use std::collections::HashSet;
use std::sync::Arc;

use bson::RawDocument;
use portolan_cluster::{Cluster, CollectionInfo, CollectionKind, ReadOptions};
use portolan_lake::identity_under;
use portolan_model::{ArchiveState, GuardLevel, OnlineArchive, ShardKey};
use portolan_store::jobs::Cold;
use tokio_util::sync::CancellationToken;

use crate::criteria::{Frozen, Judged};
use crate::load::{Gate, Hindrance, Pace};
use crate::protocol::may_begin;
use crate::run::key_of;
use crate::steps::signed;
use crate::worker::Shared;
use crate::{ArchiverError, ArchiverOptions, clocks};

/// Documents of one answer of the server.
const BATCH: u32 = 101;

/// What a look decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Run: move what is cold (`begin`), or only finish what is open.
    Run {
        /// Whether new moves may begin.
        begin: bool,
    },
    /// Too little to move now; look again later, less and less often.
    Quiet(Cold),
    /// It is paused, and its collection is there.
    Resting,
    /// Outside the schedule's window, or the collection does not exist yet.
    Waiting,
    /// The cluster may not be burdened now.
    Hindered(Hindrance),
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
    /// The process goes down.
    pub(crate) shutdown: &'a CancellationToken,
}

pub(crate) async fn decide(
    shared: &Shared,
    cluster: &Arc<dyn Cluster>,
    known: &Known<'_>,
) -> Result<Decision, ArchiverError> {
    let archive = known.archive;
    if !may_begin(archive.state) {
        let finish = known.unfinished || archive.state == ArchiveState::Pausing;
        return match archive.state {
            _ if finish => Ok(Decision::Run { begin: false }),
            ArchiveState::Paused => rest(cluster.as_ref(), known).await,
            _ => Ok(Decision::Waiting),
        };
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
    let load = shared.loads.of(archive.cluster_id, &shared.options, &shared.metrics);
    if let Some(closed) = load.closed(own_ms) {
        return Ok(Decision::Hindered(closed));
    }
    if !known.ran {
        return Ok(Decision::Run { begin: true });
    }
    let now_ms = clocks::of_look(shared, cluster.as_ref()).await?;
    let needed = bytes_needed(&shared.options, archive, now_ms);
    let frozen = Frozen::new(&archive.criteria, now_ms)?;
    let held_back = shared.journal.held_back(&key_of(archive)).await?;
    let held_back = HeldBack { identities: &held_back, shard_key: info.shard_key.as_ref() };
    let (runtime, cluster) = (&shared.runtime, cluster.as_ref());
    let gate = Gate { load: &load, runtime, cluster, shutdown: known.shutdown };
    Ok(match cold(&gate, archive, &frozen, (needed, held_back, None)).await? {
        Err(hindrance) => Decision::Hindered(hindrance),
        Ok(cold) if cold.bytes.unsigned_abs() >= needed => Decision::Run { begin: true },
        Ok(cold) => Decision::Quiet(cold),
    })
}

/// A paused archive moves nothing, and is told when its collection goes. One that never moved anything may
/// have been made before its collection.
async fn rest(cluster: &dyn Cluster, known: &Known<'_>) -> Result<Decision, ArchiverError> {
    let info = cluster.collection(&known.archive.namespace).await?;
    let gone = known.pinned.is_some() && lost(known, info.as_ref());
    Ok(if gone { Decision::Orphaned } else { Decision::Resting })
}

fn lost(known: &Known<'_>, info: Option<&CollectionInfo>) -> bool {
    match (known.pinned, info) {
        (Some(pinned), Some(info)) => info.uuid != pinned,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => known.archive.state != ArchiveState::Pending,
    }
}

pub(crate) fn check_kind(info: &CollectionInfo) -> Result<(), ArchiverError> {
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

impl HeldBack<'_> {
    fn holds(&self, document: &RawDocument) -> bool {
        self.identities.contains(&identity_under(document, self.shard_key))
    }
}

/// What is cold, up to so many bytes, or what hinders counting it. Reads no more than that. At a known level
/// only what can be archived counts; otherwise all of it does, so that a run lists what cannot.
pub(crate) async fn cold(
    gate: &Gate<'_>,
    archive: &OnlineArchive,
    frozen: &Frozen,
    (bytes, held_back, fit_at): (u64, HeldBack<'_>, Option<GuardLevel>),
) -> Result<Result<Cold, Hindrance>, ArchiverError> {
    if let Some(hindrance) = gate.pass().await? {
        return Ok(Err(hindrance));
    }
    let (load, runtime) = (gate.load, gate.runtime);
    let options = ReadOptions { majority: true, batch_size: Some(BATCH), ..ReadOptions::default() };
    let mut pace = Pace::new(runtime);
    let mut stream = gate.cluster.read(&archive.namespace, frozen.filter(), options).await?;
    let mut found = Cold::default();
    while let Some(document) = pace.next(runtime, &mut stream).await? {
        let size = document.as_bytes().len();
        let counts = match frozen.judge(&document, fit_at.unwrap_or(GuardLevel::L3)) {
            Judged::Warm => false,
            Judged::Unfit(_) => fit_at.is_none(),
            Judged::Cold => true,
        };
        if counts && !held_back.holds(&document) {
            found.documents += 1;
            found.bytes += signed(size as u64);
        }
        let is_batch = pace.is_batch(size, BATCH);
        if found.bytes.unsigned_abs() >= bytes {
            break;
        }
        if is_batch {
            pace.book(load, runtime);
            if let Some(hindrance) = gate.pass().await? {
                return Ok(Err(hindrance));
            }
            pace.go_on(runtime);
        }
    }
    pace.book(load, runtime);
    Ok(Ok(found))
}
