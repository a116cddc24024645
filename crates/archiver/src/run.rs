//! One run of an archive: take over, finish what is open, then move after move until nothing cold is
//! left, the archive is paused or deleted, or the process goes down.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portolan_cluster::{Cluster, Probe};
use portolan_lake::Table;
use portolan_model::{ArchiveEvent, ArchiveId, GuardLevel, JobId, OnlineArchive, SuspendReason};
use portolan_store::archives::StoredArchive;
use portolan_store::jobs::Cold;
use portolan_store::leases::LeaseKey;
use portolan_store::moves::{Move, MoveState};
use portolan_store::runs::ArchiveRun;
use tokio_util::sync::CancellationToken;

use crate::lease::{Held, Taken};
use crate::load::Gate;
use crate::look::HeldBack;
use crate::protocol::may_begin;
use crate::scene::{Scene, TableOf};
use crate::steps::{self, plan, read};
use crate::takeover::{self, Seen};
use crate::worker::Shared;
use crate::{ArchiverError, damage, look, sampling, source_fence};

/// What is to be run.
pub(crate) struct Task {
    pub(crate) archive: OnlineArchive,
    /// All archives of the same collection, this one included, until their tables are purged.
    pub(crate) siblings: Vec<StoredArchive>,
    /// Whether new moves may begin.
    pub(crate) begin: bool,
    /// An operator asked for it: the schedule does not matter.
    pub(crate) requested: bool,
    /// Why the last look failed, if it did.
    pub(crate) last_error: Option<String>,
    /// The level of earlier runs.
    pub(crate) level_before: Option<GuardLevel>,
    pub(crate) shutdown: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Somebody else holds the lease, or was quicker.
    Busy,
    /// It ran; so many documents were moved.
    Ran {
        /// Documents in confirmed files.
        documents: i64,
        /// The cluster's level.
        level: GuardLevel,
        /// What stayed cold when the window of the schedule closed, or nothing, when all was moved;
        /// `None`: it ended otherwise.
        left: Option<Cold>,
    },
}

/// Runs under a lease, which stays in `taken`: its holder sets the time of the next look before it gives
/// the lease back, so that nobody runs the same look again in between.
pub(crate) async fn run(
    shared: &Shared,
    cluster: Arc<dyn Cluster>,
    task: Task,
    taken: &mut Option<Taken>,
) -> Result<Ended, ArchiverError> {
    let key = key_of(&task.archive);
    let level = level(shared, &task, &cluster.probe().await?).await?;
    let seen = takeover::open_tables(shared, task.siblings.clone()).await?;
    let Some(held) = takeover::take_lease(shared, &key, cluster.as_ref(), &seen).await? else {
        return Ok(Ended::Busy);
    };
    let kept = Taken::keep(held, &shared.journal, Some(cluster.clone()), &shared.runtime);
    let held = kept.held().clone();
    *taken = Some(kept);
    if !shared.journal.is_due(task.archive.id, shared.runtime.now_ms()).await? {
        // Another worker did it between this one's look and its lease.
        return Ok(Ended::Busy);
    }
    let mut scene = scene(shared, cluster, &task, held, level)?;
    let ended = match Box::pin(under_lease(shared, &mut scene, &task, seen)).await {
        Err(error) => Err(damage::named(shared, &scene, task.last_error.as_deref(), error).await),
        ended => ended,
    };
    let ended = end(&mut scene, ended).await;
    shared.metrics.run_ended(&scene.run);
    ended.map(|()| Ended::Ran { documents: scene.run.documents_moved, level, left: scene.left })
}

pub(crate) fn key_of(archive: &OnlineArchive) -> LeaseKey {
    LeaseKey { cluster_id: archive.cluster_id, namespace: archive.namespace.clone() }
}

/// The level to use. It must not fall below that of earlier runs, and without any guard the operator
/// must have stated that nobody writes.
async fn level(shared: &Shared, task: &Task, probe: &Probe) -> Result<GuardLevel, ArchiverError> {
    let level = probe.level;
    if task.level_before.is_some_and(|before| level < before) {
        if probe.denied {
            let why = probe.reasons.join("; ");
            return Err(ArchiverError::Denied(format!(
                "what the cluster can guarantee could not be tried as in earlier runs: {why}"
            )));
        }
        let detail = format!("the cluster is now at level {level}: {}", probe.reasons.join("; "));
        let reason = SuspendReason::LevelFell;
        return Err(ArchiverError::suspended(task.archive.id, reason, detail));
    }
    let cluster_id = task.archive.cluster_id;
    if level == GuardLevel::L0 && !shared.journal.writes_quiesced(cluster_id).await? {
        let why = probe.reasons.join("; ");
        return Err(ArchiverError::Denied(format!(
            "the cluster cannot guard deletes ({why}), and writesQuiesced is not set"
        )));
    }
    Ok(level)
}

fn scene(
    shared: &Shared,
    cluster: Arc<dyn Cluster>,
    task: &Task,
    held: Arc<Held>,
    level: GuardLevel,
) -> Result<Scene, ArchiverError> {
    let runtime = shared.runtime.clone();
    let id = JobId::new(runtime.object_id());
    let load = shared.loads.of(task.archive.cluster_id, &shared.options, &shared.metrics);
    Ok(Scene {
        location: shared.outside.location(&task.archive.table_uri)?,
        journal: shared.journal.clone(),
        options: shared.options.clone(),
        shutdown: task.shutdown.clone(),
        cluster,
        load,
        held,
        archive: task.archive.clone(),
        run: ArchiveRun::begin(id, task.archive.id, level, runtime.now_ms()),
        runtime,
        tables: Vec::new(),
        level,
        collection: None,
        excluded: HashSet::new(),
        skipped: Vec::new(),
        documents: Vec::new(),
        staged: None,
        identities: HashMap::new(),
        pinned: None,
        permitted: None,
        repeated_batch: None,
        left: None,
    })
}

async fn under_lease(
    shared: &Shared,
    scene: &mut Scene,
    task: &Task,
    seen: Vec<Seen>,
) -> Result<(), ArchiverError> {
    scene.journal.start_run(&scene.held, &scene.run, task.begin).await?;
    let ids: Vec<ArchiveId> = seen.iter().map(|entry| entry.archive.archive.id).collect();
    let (unfinished, newest) = scene.journal.moves(&scene.held.key, &ids).await?;
    takeover::compare(&shared.options.owner, &seen, &newest)?;
    scene.collection = scene.cluster.collection(scene.namespace()).await?;
    let pinned = newest.get(&scene.archive.id).map(|item| item.collection_uuid);
    scene.tables = seen
        .into_iter()
        .filter_map(|entry| {
            let archive_id = entry.archive.archive.id;
            entry.table.map(|table: Table| TableOf { archive_id, table })
        })
        .collect();
    if task.begin {
        Box::pin(prepare_table(shared, scene)).await?;
    }
    Box::pin(source_fence::raise_all(scene, &unfinished, &newest)).await?;
    Box::pin(takeover::fence(scene)).await?;
    let open = Box::pin(takeover::reconcile(scene, unfinished)).await?;
    let unfenced = open.iter().any(source_fence::is_unfenced);
    Box::pin(finish(scene, open)).await?;
    if unfenced {
        Box::pin(source_fence::raise_all(scene, &[], &newest)).await?;
    }
    let held_back = scene.journal.held_back(&scene.held.key).await?;
    scene.excluded.extend(held_back);
    still_there(scene, pinned)?;
    if task.begin { Box::pin(move_all(scene, task.requested)).await } else { Ok(()) }
}

/// The first run samples the types of the partition fields and creates the table.
async fn prepare_table(shared: &Shared, scene: &mut Scene) -> Result<(), ArchiverError> {
    if scene.table(scene.archive.id).is_ok() {
        return Ok(());
    }
    if scene.collection.is_none() {
        return Ok(());
    }
    let plan = plan::freeze(scene).await?;
    sampling::run(scene, &plan.frozen).await?;
    let table = takeover::create_table(shared, scene).await?;
    scene.tables.push(table);
    Ok(())
}

async fn finish(scene: &mut Scene, open: Vec<Move>) -> Result<(), ArchiverError> {
    for mut item in open {
        let open = item.state >= MoveState::Committed && item.state < MoveState::Closing;
        if open && !scene.tells_alike(item.archive_id) {
            steps::delete::close(scene, &mut item, "the collection is sharded otherwise").await?;
        }
        Box::pin(steps::drive(scene, &mut item)).await?;
    }
    Ok(())
}

/// # Errors
/// [`ArchiverError::CollectionLost`] when the name stands for another collection than in earlier
/// moves, for one that is sharded otherwise than when the table was made, or for none.
fn still_there(scene: &Scene, pinned: Option<Option<[u8; 16]>>) -> Result<(), ArchiverError> {
    let found = scene.collection.as_ref().map(|info| info.uuid);
    // A table says whose rows it may hold before any was committed to it.
    let table = scene.table(scene.archive.id).ok();
    let pinned = pinned.or_else(|| table.map(|table| table.spec().collection_uuid()));
    match pinned {
        Some(pinned) if found != Some(pinned) => Err(ArchiverError::CollectionLost),
        _ if found.is_some() && !scene.tells_alike(scene.archive.id) => {
            Err(ArchiverError::CollectionLost)
        }
        _ => Ok(()),
    }
}

/// Move after move. Each begins only while the archive may run, inside the window of its schedule; one
/// under way when the window closes is finished (Atlas documentation, "Configure Online Archive").
async fn move_all(scene: &mut Scene, requested: bool) -> Result<(), ArchiverError> {
    loop {
        scene.check()?;
        scene.ease().await?;
        match scene.journal.archive(scene.archive.id).await? {
            Some(stored) if may_begin(stored.archive.state) => scene.archive = stored.archive,
            _ => return Ok(()),
        }
        let now_ms = scene.runtime.now_ms();
        if !requested && !scene.archive.schedule.allows(now_ms) {
            if scene.archive.schedule.allows(scene.run.started_at) {
                scene.left = left(scene).await?;
            }
            return Ok(());
        }
        if scene.load.closed(now_ms).is_some() {
            return Ok(());
        }
        let planned = plan::freeze(scene).await?;
        scene.check_collection(planned.item.collection_uuid).await?;
        let found = read::run(scene, &planned.frozen).await?;
        scene.skipped = found.skipped;
        if found.documents.is_empty() {
            scene.left = found.complete.then(Cold::default);
            return Ok(());
        }
        scene.documents = found.documents;
        let mut item = planned.item.clone();
        plan::journal(scene, &item).await?;
        steps::drive(scene, &mut item).await?;
    }
}

/// What is left for the next window, counted no further than a look does; `None`: the cluster may not be
/// read so far just now.
async fn left(scene: &Scene) -> Result<Option<Cold>, ArchiverError> {
    let planned = plan::freeze(scene).await?;
    let (load, runtime) = (scene.load.as_ref(), &scene.runtime);
    let (cluster, shutdown) = (scene.cluster.as_ref(), &scene.shutdown);
    let gate = Gate { load, runtime, cluster, shutdown };
    let held_back = HeldBack { identities: &scene.excluded, shard_key: scene.shard_key() };
    let enough = scene.options.bytes_min;
    let fit_at = Some(scene.level);
    let counted =
        look::cold(&gate, &scene.archive, &planned.frozen, (enough, held_back, fit_at)).await?;
    Ok(counted.ok())
}

/// Journals how the run ended, with what it means for the archive.
async fn end(scene: &mut Scene, ended: Result<(), ArchiverError>) -> Result<(), ArchiverError> {
    let mut events = vec![(scene.archive.id, ArchiveEvent::RunEnded)];
    let phase = match &ended {
        Ok(()) => "DONE",
        Err(ArchiverError::Stopping) => "STOPPED",
        Err(error) => {
            scene.run.error = Some(error.to_string());
            if error.is_collection_lost() {
                events.push((scene.archive.id, ArchiveEvent::CollectionLost));
            }
            if let ArchiverError::Suspended { archive_id, reason, .. } = error {
                events.push((*archive_id, ArchiveEvent::Suspended(*reason)));
            }
            "FAILED"
        }
    };
    // A run that stops half-way is not over for the archive: the next one goes on with it.
    if matches!(ended, Err(ArchiverError::Stopping)) {
        events.clear();
    }
    scene.enter(phase);
    scene.run.ended_at = Some(scene.runtime.now_ms());
    let journalled = scene.journal.end_run(&scene.held, &scene.run, &scene.skipped, &events).await;
    ended.and(journalled)
}
