//! Resuming a suspended archive. What is wrong is looked for again, under the lease; what its operator
//! accepts by name is then made so in cluster, table and journal, in this order. Nothing is deleted on
//! account of it: a move that is open is closed by the next look as if the cluster had no fence, where the
//! absence of a document keeps its row. The archive is released by `control`, once all of this is written.

use std::collections::BTreeSet;

use portolan_cluster::Cluster;
use portolan_lake::{Change, Version};
use portolan_model::{Acceptance, ArchiveId, GuardLevel, SuspendReason};
use portolan_store::jobs::ArchiveJob;
use portolan_store::moves::{self, Move, MoveState};

use crate::journal::Standby;
use crate::lease::{Held, Taken};
use crate::run::key_of;
use crate::steps::commit::{change_under, fence_table};
use crate::takeover::{self, Finding, Seen};
use crate::worker::Shared;
use crate::{ArchiverError, attach, effects, source_fence};

/// What the journal is to know from now on.
pub(crate) struct Resumption {
    pub(crate) archive_id: ArchiveId,
    pub(crate) job: ArchiveJob,
    pub(crate) moves: Vec<Move>,
    /// The table, where the journal takes over from it how the archive is defined.
    pub(crate) defined_by: Option<Version>,
}

/// What is looked at.
struct Scene<'a> {
    shared: &'a Shared,
    cluster: &'a dyn Cluster,
    held: &'a Held,
    level: GuardLevel,
    own: &'a Seen,
    unfinished: Vec<Move>,
    newest: Option<Move>,
}

/// Looks for what is wrong with an archive, and makes so what is accepted of it.
///
/// # Errors
/// [`ArchiverError::Denied`] naming what is not accepted, [`ArchiverError::LeaseLost`] when somebody works
/// on the collection; those of cluster, table and control database.
pub(crate) async fn run(
    shared: &Shared,
    id: ArchiveId,
    accepted: &Acceptance,
) -> Result<(), ArchiverError> {
    let gone = || ArchiverError::Invalid("the archive is gone".to_owned());
    let Standby { stored, siblings, job, .. } =
        shared.journal.standby(id).await?.ok_or_else(gone)?;
    let key = key_of(&stored.archive);
    let Some(_busy) = shared.leases.begin(&key) else { return Err(ArchiverError::LeaseLost) };
    let cluster = shared.outside.cluster(key.cluster_id).await?;
    let probe = cluster.probe().await?;
    if probe.denied {
        return Err(ArchiverError::Denied(probe.reasons.join("; ")));
    }
    let seen = takeover::open_tables(shared, siblings).await?;
    let held = takeover::take_lease(shared, &key, cluster.as_ref(), &seen).await?;
    let held = held.ok_or(ArchiverError::LeaseLost)?;
    let taken = Taken::keep(held, &shared.journal, Some(cluster.clone()), &shared.runtime);
    let resumed = async {
        let (mut unfinished, mut newest) = shared.journal.moves(&key, &[id]).await?;
        unfinished.retain(|item| item.archive_id == id);
        let own = seen.iter().find(|entry| entry.archive.archive.id == id).ok_or_else(gone)?;
        let scene = Scene {
            shared,
            cluster: cluster.as_ref(),
            held: taken.held(),
            level: probe.level,
            own,
            unfinished,
            newest: newest.remove(&id),
        };
        Box::pin(scene.resume(job, accepted)).await
    };
    let resumed = resumed.await;
    taken.give_back(&shared.journal).await;
    resumed
}

impl Scene<'_> {
    async fn resume(&self, job: ArchiveJob, accepted: &Acceptance) -> Result<(), ArchiverError> {
        let mut findings = takeover::differences(self.owner(), self.own, self.newest.as_ref());
        findings.extend(self.unknown_move());
        findings.extend(self.fallen(job.level));
        let uuids = self.collections().await?;
        for &uuid in &uuids {
            findings.extend(self.at_source(uuid).await?);
        }
        self.check_accepted(&findings, accepted)?;
        for &uuid in &uuids {
            self.take_source(uuid).await?;
        }
        Box::pin(self.take_table()).await?;
        let job = ArchiveJob { level: Some(self.level), failures: 0, last_error: None, ..job };
        let resumption = Box::pin(self.resumption(job, &findings)).await?;
        self.shared.journal.resume(self.held, &resumption).await
    }

    fn owner(&self) -> &str {
        &self.shared.options.owner
    }

    /// An open move of the table that the journal does not know.
    fn unknown_move(&self) -> Option<Finding> {
        let version = self.own.version.as_ref()?;
        let (seq, open) = (version.committed, version.committed > version.confirmed);
        let known = self.unfinished.iter().chain(&self.newest).any(|item| item.seq == seq);
        (open && !known).then(|| {
            let detail = format!("move {seq} of the table is not in the journal");
            (SuspendReason::JournalOlder, detail)
        })
    }

    fn fallen(&self, before: Option<GuardLevel>) -> Option<Finding> {
        let before = before.filter(|before| self.level < *before)?;
        let detail = format!("the cluster was at level {before}, and is now at {}", self.level);
        Some((SuspendReason::LevelFell, detail))
    }

    /// The collections whose fences count.
    async fn collections(&self) -> Result<BTreeSet<[u8; 16]>, ArchiverError> {
        if self.level < GuardLevel::L3 {
            return Ok(BTreeSet::new());
        }
        let now = self.cluster.collection(&self.held.key.namespace).await?;
        let of_moves = self.unfinished.iter().filter_map(|item| item.collection_uuid);
        Ok(of_moves.chain(now.and_then(|info| info.uuid)).collect())
    }

    async fn at_source(&self, uuid: [u8; 16]) -> Result<Option<Finding>, ArchiverError> {
        let fenced = |item: &&Move| {
            let open = item.state >= MoveState::Committed && item.state != MoveState::Abandoned;
            open && source_fence::is_under(item, uuid)
        };
        let known: Vec<&Move> = self.unfinished.iter().chain(&self.newest).filter(fenced).collect();
        let fence = self.cluster.fence(uuid).await?;
        let found = source_fence::difference(self.owner(), fence.as_ref(), &known);
        Ok(found.map(|(_, finding)| finding))
    }

    fn check_accepted(
        &self,
        findings: &[Finding],
        accepted: &Acceptance,
    ) -> Result<(), ArchiverError> {
        if self.own.version.is_none() && self.newest.is_some() {
            let why = "the archive has no table any more: put it back, or delete the archive";
            return Err(ArchiverError::Denied(why.to_owned()));
        }
        let open = findings.iter().filter(|(reason, _)| !accepted.covers(*reason, self.level));
        let open: Vec<String> =
            open.map(|(reason, detail)| format!("{}: {detail}", reason.as_str())).collect();
        if open.is_empty() { Ok(()) } else { Err(ArchiverError::Denied(open.join("; "))) }
    }

    /// No older epoch deletes anything any more, nor another instance. A fence that is not there is made by
    /// the first run, when no move is open.
    async fn take_source(&self, uuid: [u8; 16]) -> Result<(), ArchiverError> {
        let Some(fence) = self.cluster.fence(uuid).await? else { return Ok(()) };
        if fence.owner != self.owner() {
            return source_fence::adopt(self.shared, self.cluster, self.held, (uuid, &fence)).await;
        }
        let holder = source_fence::holder(self.owner(), self.held, uuid);
        let raise = self.cluster.raise_fence(&holder, fence.seq);
        let raised = self.shared.runtime.effect(effects::SOURCE_FENCE, raise).await;
        raised.map_err(source_fence::lost_if_fenced)
    }

    async fn take_table(&self) -> Result<(), ArchiverError> {
        let (Some(table), Some(version)) = (&self.own.table, &self.own.version) else {
            return Ok(());
        };
        let (epoch, token) = (self.held.epoch, self.held.token.clone());
        let commit = async |name: &'static str, change: Change| {
            change_under(Some(self.held), &self.shared.runtime, table, name, &change).await
        };
        fence_table(self.held, &self.shared.runtime, table).await?;
        if version.spec.owner != self.owner() {
            let owner = self.owner().to_owned();
            commit(effects::OWN, Change::Own { owner, epoch, token: token.clone() }).await?;
        }
        if version.foreign.is_some() {
            commit(effects::ADOPT, Change::Adopt { epoch, token }).await?;
        }
        Ok(())
    }

    async fn resumption(
        &self,
        job: ArchiveJob,
        findings: &[Finding],
    ) -> Result<Resumption, ArchiverError> {
        let archive_id = self.own.archive.archive.id;
        let mut resumption = Resumption { archive_id, job, moves: Vec::new(), defined_by: None };
        // Loaded again: what was under way when the fence was raised may be in it now.
        let Some(table) = &self.own.table else { return Ok(resumption) };
        let version = table.load().await?;
        if findings.is_empty() {
            return Ok(resumption);
        }
        let mut reasons: Vec<&str> = findings.iter().map(|(reason, _)| reason.as_str()).collect();
        reasons.dedup();
        let because = format!("the archive was resumed: {}", reasons.join(", "));
        let beyond = self.shared.journal.beyond(archive_id, version.confirmed).await?;
        resumption.moves = beyond;
        resumption.moves.extend(self.committed_unseen(&version));
        let known = resumption.moves.iter().any(|item| item.seq == version.committed);
        if version.committed > version.confirmed && !known {
            resumption.moves.extend(self.of_table(&version)?);
        }
        for item in &mut resumption.moves {
            self.close(item, &version, &because);
        }
        resumption.defined_by = Some(version);
        Ok(resumption)
    }

    /// A move that reached the table, and the journal does not know that it did.
    fn committed_unseen(&self, version: &Version) -> Option<Move> {
        let unseen = |item: &&Move| {
            item.state < MoveState::Committed
                && item.seq == version.committed
                && item.seq > version.confirmed
        };
        self.unfinished.iter().find(unseen).cloned()
    }

    /// The open move as the table alone tells of it.
    fn of_table(&self, version: &Version) -> Result<Vec<Move>, ArchiverError> {
        let found = attach::read(self.owner(), version)?;
        let cluster_id = self.held.key.cluster_id;
        let mut told = moves::of_table(&found, cluster_id, self.level, &self.shared.runtime);
        told.retain(|item| !item.state.is_final());
        Ok(told)
    }

    /// Nothing more is deleted for a move. Every row of it is looked for in the cluster, once nothing can be
    /// under way any more.
    fn close(&self, item: &mut Move, version: &Version, because: &str) {
        item.closed_because = Some(because.to_owned());
        if item.seq > version.committed {
            item.state = MoveState::Abandoned;
            return;
        }
        let told = attach::open_move(version).filter(|open| open.seq == item.seq);
        item.batches = told.map_or(item.batches, |open| open.batches.max(item.batches));
        (item.state, item.done) = (MoveState::Closing, -1);
        (item.unanswered_epoch, item.quiet_at_ms) = (Some(self.held.epoch), None);
    }
}
