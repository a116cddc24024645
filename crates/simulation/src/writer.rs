//! A client of the cluster that writes between effects.

use portolan_cluster::MemoryCluster;
use portolan_runtime::{Entropy, SeededEntropy};

use crate::model::{Model, document, id_of};
use crate::world::namespace;

/// Ids of new documents begin here.
const NEW_IDS: i32 = 100;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterKind {
    /// Nothing.
    Quiet,
    /// Updates documents that the cluster holds; some grow warm.
    Updates,
    /// Deletes documents that were never moved. Only a cluster of level L3 promises that their rows go.
    Deletes,
    /// Inserts documents anew that were moved, and others.
    Inserts,
}

impl WriterKind {
    /// Those that write.
    pub const WRITING: [Self; 3] = [Self::Updates, Self::Deletes, Self::Inserts];
}

/// A client at work.
pub(crate) struct Writer {
    kind: WriterKind,
    dice: SeededEntropy,
    /// Writes that are left.
    left: u32,
}

impl Writer {
    pub(crate) fn new(kind: WriterKind, seed: u64, writes: u32) -> Self {
        Self { kind, dice: SeededEntropy::new(seed), left: writes }
    }

    fn roll(&self, sides: usize) -> usize {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % sides.max(1) as u64).unwrap_or(0)
    }

    /// Perhaps writes once; says what.
    pub(crate) fn act(&mut self, cluster: &MemoryCluster, model: &mut Model) -> Option<String> {
        if self.kind == WriterKind::Quiet || self.left == 0 || self.roll(3) != 0 {
            return None;
        }
        let live: Vec<i32> = cluster.documents(&namespace()).iter().map(id_of).collect();
        let did = match self.kind {
            WriterKind::Quiet => None,
            WriterKind::Updates => self.update(cluster, model, &live),
            WriterKind::Deletes => self.delete(cluster, model, &live),
            WriterKind::Inserts => self.insert(cluster, model, &live),
        };
        self.left -= u32::from(did.is_some());
        did
    }

    fn update(&self, cluster: &MemoryCluster, model: &mut Model, live: &[i32]) -> Option<String> {
        let id = *live.get(self.roll(live.len()))?;
        let days = if self.roll(4) == 0 { 1 } else { 40 };
        let changed = document(id, days, model.next_version());
        if cluster.replace(&namespace(), changed.clone()).ok()? {
            model.wrote(changed);
        }
        Some(format!("updates {id} to {days} days"))
    }

    fn delete(&self, cluster: &MemoryCluster, model: &mut Model, live: &[i32]) -> Option<String> {
        let never_moved: Vec<i32> =
            live.iter().copied().filter(|id| !model.moved.contains(id)).collect();
        let id = *never_moved.get(self.roll(never_moved.len()))?;
        cluster.remove(&namespace(), bson::RawBsonRef::Int32(id)).then(|| model.deleted(id))?;
        Some(format!("deletes {id}"))
    }

    fn insert(&self, cluster: &MemoryCluster, model: &mut Model, live: &[i32]) -> Option<String> {
        let gone: Vec<i32> =
            model.expected.keys().copied().filter(|id| !live.contains(id)).collect();
        let version = model.next_version();
        let id = match self.roll(3) {
            0 => NEW_IDS + version,
            _ => *gone.get(self.roll(gone.len()))?,
        };
        let days = if self.roll(3) == 0 { 1 } else { 40 };
        let new = document(id, days, version);
        cluster.insert(&namespace(), [new.clone()]).ok()?;
        model.wrote(new);
        Some(format!("inserts {id} of {days} days"))
    }
}
