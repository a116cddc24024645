//! Fences and batches of the simulated cluster: each call is one transaction, under the one lock.

use std::collections::BTreeMap;

use bson::RawDocumentBuf;
use portolan_model::Namespace;

use super::{MemoryCluster, found};
use crate::fence::sort_batch;
use crate::guard::batch_statement;
use crate::{
    BatchOutcome, BatchRequest, ClusterError, Fence, FencedBatch, FencedStep, Holder, Inserted,
    KeptRecord,
};

/// Fences by collection, and records by collection, move and batch.
#[derive(Debug, Default)]
pub(super) struct Fences {
    fences: BTreeMap<[u8; 16], Fence>,
    kept: BTreeMap<([u8; 16], i64, i32), Vec<Vec<u8>>>,
}

impl Fences {
    fn held(&mut self, holder: &Holder<'_>) -> Result<&mut Fence, ClusterError> {
        let fence = self.fences.get_mut(&holder.uuid).ok_or(ClusterError::Fenced)?;
        let (epoch, token) = (fence.epoch, fence.token.as_str());
        if fence.owner != holder.owner || (epoch, token) != (holder.epoch, holder.token) {
            return Err(ClusterError::Fenced);
        }
        Ok(fence)
    }

    fn before(&mut self, fenced: &FencedBatch<'_>) -> Result<&mut Fence, ClusterError> {
        let (seq, batch) = (fenced.seq, fenced.batch);
        let fence = self.held(&fenced.holder)?;
        let next =
            if batch == 0 { fence.seq < seq } else { (fence.seq, fence.done) == (seq, batch - 1) };
        if next && fence.closed < seq { Ok(fence) } else { Err(ClusterError::Fenced) }
    }

    fn advance(
        &mut self,
        fenced: &FencedBatch<'_>,
        kept: Vec<Vec<u8>>,
    ) -> Result<(), ClusterError> {
        let fence = self.before(fenced)?;
        if fenced.batch == 0 {
            fence.kept_records = 0;
        }
        (fence.seq, fence.done) = (fenced.seq, fenced.batch);
        if !kept.is_empty() {
            fence.kept_records += 1;
            self.kept.insert((fenced.holder.uuid, fenced.seq, fenced.batch), kept);
        }
        Ok(())
    }

    fn step(&mut self, step: &FencedStep<'_>) -> Result<(), ClusterError> {
        let fence = self.held(&step.holder)?;
        if fence.job.as_ref().is_some_and(|(job, done)| job == step.job && *done >= step.step) {
            return Err(ClusterError::Fenced);
        }
        fence.job = Some((step.job.to_owned(), step.step));
        Ok(())
    }

    pub(super) fn get(&self, uuid: [u8; 16]) -> Option<Fence> {
        self.fences.get(&uuid).cloned()
    }

    pub(super) fn raise(&mut self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        let (owner, token) = (holder.owner.to_owned(), holder.token.to_owned());
        let Some(fence) = self.fences.get_mut(&holder.uuid) else {
            let fence = Fence {
                owner,
                epoch: holder.epoch,
                token,
                seq,
                done: i32::MAX,
                kept_records: 0,
                closed: seq,
                job: None,
            };
            self.fences.insert(holder.uuid, fence);
            return Ok(());
        };
        let repeated = fence.epoch == holder.epoch && fence.token == token;
        if fence.owner != owner || (fence.epoch >= holder.epoch && !repeated) {
            return Err(ClusterError::Fenced);
        }
        (fence.epoch, fence.token) = (holder.epoch, token);
        Ok(())
    }

    pub(super) fn adopt(&mut self, from: &str, holder: &Holder<'_>) -> Result<(), ClusterError> {
        let fence = self.fences.get_mut(&holder.uuid).ok_or(ClusterError::Fenced)?;
        let is_theirs = fence.owner == from && fence.epoch < holder.epoch;
        let is_ours = fence.owner == holder.owner && fence.token == holder.token;
        if !is_theirs && !is_ours {
            return Err(ClusterError::Fenced);
        }
        fence.owner = holder.owner.to_owned();
        (fence.epoch, fence.token) = (holder.epoch, holder.token.to_owned());
        Ok(())
    }

    pub(super) fn close(&mut self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        let fence = self.held(holder)?;
        fence.closed = fence.closed.max(seq);
        Ok(())
    }

    pub(super) fn kept(&self, uuid: [u8; 16], seq: i64) -> Vec<KeptRecord> {
        let records = self.kept.range((uuid, seq, i32::MIN)..=(uuid, seq, i32::MAX));
        records
            .map(|(&(_, _, batch), identities)| KeptRecord {
                batch,
                identities: identities.clone(),
            })
            .collect()
    }

    pub(super) fn clear(&mut self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        let fence = self.held(holder)?;
        if fence.seq > seq {
            return Err(ClusterError::Fenced);
        }
        fence.kept_records = 0;
        self.kept.retain(|&(uuid, of, _), _| uuid != holder.uuid || of > seq);
        Ok(())
    }
}

impl MemoryCluster {
    /// One transaction: everything or nothing.
    pub(super) fn transact(
        &self,
        namespace: &Namespace,
        request: &BatchRequest<'_>,
    ) -> Result<BatchOutcome, ClusterError> {
        let mut state = self.up()?;
        if let Some(fenced) = &request.fenced {
            state.fences.before(fenced)?;
        } else if self.runtime.now_ms() + state.clock_skew_ms >= request.deadline_ms {
            return Err(ClusterError::Aborted("after the deadline".to_owned()));
        }
        let collection = found(&mut state, namespace)?;
        if request.uuid.is_some_and(|uuid| uuid != collection.uuid) {
            return Err(ClusterError::CollectionReplaced(namespace.clone()));
        }
        let live = collection.with_ids_of(request.documents);
        let outcome = sort_batch(request, &live);
        let mut gone = Vec::new();
        for document in outcome.deleted.iter().map(|&index| &request.documents[index]) {
            let statement = batch_statement(document, None, request.shard_key)?;
            let none = || ClusterError::Aborted("a document did not go".to_owned());
            gone.push(collection.aimed_at(document, &statement, 0)?.ok_or_else(none)?);
        }
        for identity in gone {
            collection.documents.remove(&identity);
        }
        if let Some(fenced) = &request.fenced {
            let identities = outcome.not_deleted();
            let kept = identities.iter().map(|&index| request.identities[index].clone());
            state.fences.advance(fenced, kept.collect())?;
        }
        Ok(outcome)
    }

    /// One transaction: what is there already is left as it is.
    pub(super) fn transact_insert(
        &self,
        namespace: &Namespace,
        documents: &[RawDocumentBuf],
        step: &FencedStep<'_>,
    ) -> Result<Inserted, ClusterError> {
        self.up()?.fences.step(step)?;
        self.insert_missing(namespace, documents)
    }

    /// The cluster is as its backup was before the fence existed.
    pub fn forget_fences(&self) {
        self.state().fences = Fences::default();
    }

    /// Somebody removed the records of kept documents, not the fences that count them.
    pub fn forget_kept(&self) {
        self.state().fences.kept.clear();
    }
}
