//! Random interleavings: a worker moves documents, clients write, and queries are answered meanwhile.
//!
//! A model says after each action what a reader should see of each document: what is live, else
//! what was moved out last. A query must give each document at most once; exactly as it is when no
//! client wrote it during the query; else as it was at some moment of the query, or not at all.
//! Clients delete documents of an open move only under a fence: without one the row may stay.

mod slow;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bson::{RawDocumentBuf, rawdoc};
use portolan_lake::Table;
use portolan_runtime::{Entropy, SeededEntropy};

use super::world::World;
use crate::endpoint::EndpointMode::{Archive, ClusterAndArchive};
use slow::SlowCluster;

const IDS: i32 = 12;
/// Few by default; `PORTOLAN_SEEDS` asks for more.
const SEEDS: u64 = 3;
const QUERIES: usize = 6;

/// Version of a document by its id.
type Versions = BTreeMap<i32, i32>;

#[derive(Default)]
struct Model {
    live: Versions,
    /// Rows whose document we deleted: confirmed ones, and those of the open move.
    moved: Versions,
    open: Option<Move>,
    seq: i64,
    next_version: i32,
    /// Where the newest counting row of a document stands.
    rows: BTreeMap<i32, i64>,
    /// During a query: what was visible of each document, and which documents clients wrote.
    seen: BTreeMap<i32, BTreeSet<Option<i32>>>,
    written: BTreeSet<i32>,
}

#[derive(Clone)]
struct Move {
    rows: Vec<(i32, i32)>,
    next: usize,
    dropped: Vec<(i64, i32)>,
}

impl Model {
    fn visible(&self, id: i32) -> Option<i32> {
        self.live.get(&id).or_else(|| self.moved.get(&id)).copied()
    }

    fn note(&mut self) {
        for id in 0..IDS {
            let visible = self.visible(id);
            self.seen.entry(id).or_default().insert(visible);
        }
    }
}

struct Play {
    fenced: bool,
    world: World,
    table: Table,
    model: Mutex<Model>,
    dice: SeededEntropy,
}

fn version_of(id: i32, version: i32) -> RawDocumentBuf {
    rawdoc! { "_id": id, "version": version, "side": version % 2, "at": super::world::at(id * 300) }
}

impl Play {
    fn roll(&self, sides: usize) -> usize {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % sides as u64).expect("small")
    }

    fn id(&self) -> i32 {
        i32::try_from(self.roll(12)).expect("small")
    }

    fn model(&self) -> std::sync::MutexGuard<'_, Model> {
        self.model.lock().expect("no panic inside")
    }

    async fn act(&self) {
        match self.roll(10) {
            0..=5 => self.work().await,
            _ => self.write(),
        }
        self.model().note();
    }

    /// One step of the worker.
    async fn work(&self) {
        let open = self.model().open.clone();
        match open {
            None => self.begin().await,
            Some(open) if open.next < open.rows.len() && self.fenced => self.transact(open).await,
            Some(open) if open.next < open.rows.len() => self.delete(open),
            Some(open) => self.confirm(open).await,
        }
    }

    async fn begin(&self) {
        let rows: Vec<_> = {
            let model = self.model();
            model.live.iter().map(|(id, version)| (*id, *version)).collect()
        };
        let rows: Vec<_> = rows.into_iter().filter(|_| self.roll(2) == 0).collect();
        if rows.is_empty() {
            return;
        }
        let seq = {
            let mut model = self.model();
            model.seq += 1;
            model.open = Some(Move { rows: rows.clone(), next: 0, dropped: Vec::new() });
            model.seq
        };
        let documents = rows.iter().map(|(id, version)| version_of(*id, *version)).collect();
        self.world.commit_in_batches(&self.table, seq, documents, 1).await;
    }

    /// One batch of one row under the fence. Which row it is says the file.
    async fn transact(&self, open: Move) {
        let seq = self.model().seq;
        let batch = i32::try_from(open.next).expect("small");
        let version = self.table.load().await.expect("a version");
        let rows = self.table.batch(&version, seq, batch).await.expect("rows");
        let id = rows[0].doc.get_i32("_id").expect("a number");
        let version = rows[0].doc.get_i32("version").expect("a number");
        self.world.delete_batch(&self.table, seq, batch).await;
        let mut model = self.model();
        let mut open = Move { next: open.next + 1, ..open };
        if model.live.get(&id) == Some(&version) {
            model.live.remove(&id);
            model.moved.insert(id, version);
            if let Some(older) = model.rows.insert(id, seq) {
                open.dropped.push((older, id));
            }
        } else {
            open.dropped.push((seq, id));
        }
        model.open = Some(open);
    }

    /// The guarded delete of one row.
    fn delete(&self, open: Move) {
        let (id, version) = open.rows[open.next];
        let mut model = self.model();
        let seq = model.seq;
        let mut open = Move { next: open.next + 1, ..open };
        if model.live.get(&id) == Some(&version) {
            self.world.delete_id(id);
            model.live.remove(&id);
            model.moved.insert(id, version);
            if let Some(older) = model.rows.insert(id, seq) {
                open.dropped.push((older, id));
            }
        } else {
            self.world.keep(&self.table, seq, id);
            open.dropped.push((seq, id));
        }
        model.open = Some(open);
    }

    async fn confirm(&self, open: Move) {
        let seq = self.model().seq;
        if self.fenced {
            self.world.close_fence(seq).await;
        }
        self.world.confirm(&self.table, seq, &open.dropped).await;
        self.world.clear_kept();
        if self.fenced {
            self.world.clear_records(seq).await;
        }
        self.model().open = None;
    }

    /// One write of a client.
    fn write(&self) {
        let id = self.id();
        let mut model = self.model();
        // Without a fence, a document of an open move may come through after it was deleted.
        let busy = !self.fenced
            && model.open.as_ref().is_some_and(|open| open.rows.iter().any(|row| row.0 == id));
        model.next_version += 1;
        let version = model.next_version;
        match (model.live.contains_key(&id), self.roll(3)) {
            (true, 0) if busy => return,
            (true, 0) => {
                self.world.delete_id(id);
                model.live.remove(&id);
            }
            (true, _) => {
                self.world.update(version_of(id, version));
                model.live.insert(id, version);
            }
            (false, die) => {
                // Sometimes byte for byte what was moved out, as a restore would do it.
                let version = model.moved.get(&id).copied().filter(|_| die == 0).unwrap_or(version);
                self.world.insert(version_of(id, version));
                model.live.insert(id, version);
            }
        }
        model.written.insert(id);
    }

    fn begin_query(&self) {
        let mut model = self.model();
        model.seen.clear();
        model.written.clear();
        model.note();
    }

    /// Compares an answer with what could be seen.
    fn check(&self, side: Option<i32>, found: &[RawDocumentBuf], what: &str) {
        let model = self.model();
        for id in 0..IDS {
            let versions: Vec<_> = found
                .iter()
                .filter(|document| document.get_i32("_id").expect("a number") == id)
                .map(|document| document.get_i32("version").expect("a number"))
                .collect();
            assert!(versions.len() <= 1, "{what}: document {id} came twice: {versions:?}");
            let seen = &model.seen[&id];
            let matching = |version: &i32| side.is_none_or(|side| version % 2 == side);
            let found = versions.first().copied();
            if model.written.contains(&id) {
                let known = found.is_none_or(|version| seen.contains(&Some(version)));
                assert!(known, "{what}: document {id} came as {found:?}, not one of {seen:?}");
            } else {
                let expected = seen.first().copied().flatten().filter(matching);
                assert_eq!(seen.len(), 1, "{what}: moving document {id} changed what is visible");
                assert_eq!(found, expected, "{what}: document {id}");
            }
        }
    }
}

async fn play(seed: u64, fenced: bool) {
    let world = World::new();
    let table = if fenced { world.fenced_archive().await } else { world.archive().await };
    let dice = SeededEntropy::new(seed);
    let play = Arc::new(Play { fenced, world, table, model: Mutex::default(), dice });
    let cluster = Arc::new(SlowCluster::new(&play.world, IDS));
    play.world.always(cluster, {
        let play = Arc::downgrade(&play);
        move || {
            let play = play.upgrade();
            Box::pin(async move {
                if let Some(play) = play.filter(|play| play.roll(3) == 0) {
                    play.act().await;
                }
            })
        }
    });
    for round in 0..QUERIES {
        for _ in 0..10 {
            play.act().await;
        }
        let side = [None, Some(0), Some(1)][play.roll(3)];
        let filter = side.map_or_else(RawDocumentBuf::new, |side| rawdoc! { "side": side });
        play.begin_query();
        let found = play.world.answer(ClusterAndArchive, filter).await;
        let what = format!("seed {seed}, fenced {fenced}, query {round}");
        play.check(side, &found, &what);
        check_archive(&play, &format!("{what}, archive")).await;
    }
    play.world.never();
}

/// The archive alone, at rest: what was moved out, once each.
async fn check_archive(play: &Play, what: &str) {
    play.world.never();
    let found = play.world.answer(Archive, RawDocumentBuf::new()).await;
    let model = play.model();
    let open = model.open.iter().flat_map(|open| &open.rows).map(|(id, _)| *id);
    let open: BTreeSet<_> = open.filter(|_| !play.fenced).collect();
    for id in (0..IDS).filter(|id| !open.contains(id)) {
        let versions = found
            .iter()
            .filter(|document| document.get_i32("_id").expect("a number") == id)
            .map(|document| document.get_i32("version").expect("a number"));
        let expected: Vec<_> = model.moved.get(&id).copied().into_iter().collect();
        assert_eq!(versions.collect::<Vec<_>>(), expected, "{what}: document {id}");
    }
}

#[tokio::test]
async fn no_interleaving_doubles_loses_or_ages_a_document() {
    let seeds = std::env::var("PORTOLAN_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(SEEDS) {
        for fenced in [false, true] {
            play(seed, fenced).await;
        }
    }
}
