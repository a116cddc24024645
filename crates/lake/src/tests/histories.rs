//! Random histories of moves, compactions, redactions and expiries, against a plain map: after each
//! step the table holds exactly what it should, and every file says the truth about itself.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::compaction::{Kept, RULE, compact_of, kept};
use super::redaction::redact_of;
use super::*;

const DAY_MS: i64 = 86_400_000;
const FIRST_MS: i64 = 1_704_067_200_000;

#[derive(Debug, Clone)]
enum Step {
    /// Archives so many new documents.
    Move(i32),
    /// Compacts the n-th group, holding few or many bytes at a time.
    Compact(usize, bool),
    /// Redacts the n-th document.
    Redact(usize),
    /// Lets go what is older than so many days after the first.
    Expire(i64),
    /// Writes a checkpoint, or cuts the log at one.
    Checkpoint(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..40_i32).prop_map(Step::Move),
        4 => (0..3_usize, any::<bool>()).prop_map(|(n, tight)| Step::Compact(n, tight)),
        2 => (0..60_usize).prop_map(Step::Redact),
        1 => (0..59_i64).prop_map(Step::Expire),
        1 => any::<bool>().prop_map(Step::Checkpoint),
    ]
}

/// A table in memory and what it must hold, by `_id`.
struct World {
    location: Location,
    table: Table,
    expected: BTreeMap<i32, Kept>,
    seq: i64,
    next_id: i32,
}

impl World {
    async fn new(location: Location) -> Self {
        let uri = location.table_uri(NAME);
        let table = Table::create(&location, &uri, &spec(), &Runtime::system()).await.unwrap();
        table.commit(&fence(1)).await.unwrap();
        Self { location, table, expected: BTreeMap::new(), seq: 0, next_id: 0 }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Move(count) => self.archive(*count).await,
            Step::Compact(nth, tight) => self.compact(*nth, *tight).await,
            Step::Redact(nth) => self.redact(*nth).await,
            Step::Expire(days) => self.expire(*days).await,
            Step::Checkpoint(false) => self.table.checkpoint().await.unwrap(),
            Step::Checkpoint(true) => self.forget().await,
        }
        self.check(step).await;
    }

    async fn archive(&mut self, count: i32) {
        self.seq += 1;
        let docs = orders(self.next_id, count);
        self.next_id += count;
        let request =
            StageRequest { batch_documents_max: 7, ..StageRequest::new(self.seq, 1, FIRST_MS) };
        let staged = self.table.stage(request, docs).await.unwrap();
        self.table.verify(&staged).await.unwrap();
        self.table.commit(&append(self.seq, 1, &staged)).await.unwrap();
        self.table.commit(&confirm(self.seq, 1, vec![], vec![])).await.unwrap();
        let version = self.table.load().await.unwrap();
        for batch in 0..staged.batches {
            for row in self.table.batch(&version, self.seq, batch).await.unwrap() {
                let id = row.doc.get_i32("_id").unwrap();
                let bytes = row.doc.as_bytes().to_vec();
                assert!(self.expected.insert(id, (self.seq, batch, None, bytes)).is_none());
            }
        }
        assert_eq!(self.expected.keys().next_back(), Some(&(self.next_id - 1)));
    }

    async fn compact(&mut self, nth: usize, tight: bool) {
        let rule = if tight { CompactionRule { raw_bytes_max: 500, ..RULE } } else { RULE };
        let version = self.table.load().await.unwrap();
        let groups = self.table.compaction_plan(&version, &rule);
        let Some(group) = groups.get(nth) else { return };
        let compacted = self.table.compact(&version, group, &rule).await.unwrap();
        assert!(compacted.staged.files.len() < compacted.removes.len());
        self.table.verify(&compacted.staged).await.unwrap();
        let id = format!("c{}", version.number);
        self.table.commit(&compact_of(&id, &compacted)).await.unwrap();
    }

    async fn redact(&mut self, nth: usize) {
        let Some(&id) = self.expected.keys().nth(nth) else { return };
        let version = self.table.load().await.unwrap();
        let gone = [identity(&orders(id, 1)[0])].into_iter().collect();
        let redacted = self.table.redact(&version, &gone).await.unwrap();
        assert_eq!(redacted.rows, 1);
        self.table.verify(&redacted.staged).await.unwrap();
        let name = format!("r{}", version.number);
        self.table.commit(&redact_of(&name, &redacted)).await.unwrap();
        self.forget().await;
        self.expected.remove(&id);
    }

    async fn expire(&mut self, days: i64) {
        let until_ms = FIRST_MS + days * DAY_MS;
        let cut = ExpiryCut { expired_until_ms: until_ms, archived_before_ms: i64::MAX };
        let version = self.table.load().await.unwrap();
        let plan = self.table.expiry_plan(&version, &cut);
        let left = self.table.leave_out_expired(&version, &plan, &cut).await.unwrap();
        self.table.verify(&left.staged).await.unwrap();
        let (removes, adds) = (left.removes, left.staged.files);
        if !removes.is_empty() {
            let id = format!("e{}", version.number);
            let change = Change::Expire { id, epoch: 1, token: token(1), removes, adds };
            self.table.commit(&change).await.unwrap();
        }
        self.expected.retain(|id, _| i64::from(id % 60) > days);
    }

    async fn forget(&self) {
        let token = token(1);
        self.table.forget_history(&self.location, (1, &token)).await.unwrap();
    }

    async fn check(&self, step: &Step) {
        // As somebody who never saw the table.
        let uri = self.table.uri();
        let table = Table::open(&self.location, uri, &Runtime::system()).await.unwrap().unwrap();
        let version = table.load().await.unwrap();
        let rows = table.scan(&version, &Predicate::default()).rows();
        let rows: Vec<Row> = rows.try_collect().await.unwrap();
        let mut expected: Vec<Kept> = self.expected.values().cloned().collect();
        expected.sort();
        assert_eq!(kept(rows), expected, "after {step:?}");
        assert_eq!((version.committed, version.confirmed), (self.seq, self.seq));
        for file in &version.files {
            let audit = table.audit_file(file).await.unwrap();
            assert_eq!(audit.problem, None, "after {step:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_table_holds_what_it_should(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for location in [Location::memory(), Location::simulated()] {
                let mut world = World::new(location).await;
                for step in &steps {
                    world.take(step).await;
                }
            }
        });
    }
}
