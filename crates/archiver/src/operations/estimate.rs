//! estimate: a dry run. What a run would move now is read and counted, and nothing else happens:
//! documents, bytes, the oldest and the newest of them, files, what would be skipped and why, whether
//! an index helps, how long it would take at the pace of earlier runs, and what storage would cost less.
//! It reads at the pace that the cluster allows, and from the beginning after a break.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bson::RawDocument;
use portolan_cluster::{Cluster, ReadOptions};
use portolan_lake::{MonthSpec, Table, identity_under};
use portolan_model::{Criteria, GuardLevel, IndexCheck, ShardKey};
use portolan_store::archives::StoredArchive;
use serde_json::{Value, json};

use super::{Working, iso8601};
use crate::criteria::{Frozen, Judged};
use crate::load::Pace;
use crate::run::key_of;
use crate::{ArchiverError, ArchiverOptions, Prices, clocks, index_check};

/// Bytes in the gigabyte of a price.
const GIGABYTE: f64 = 1e9;

/// What decides about a document, as of the beginning.
struct Rules<'a> {
    criteria: &'a Criteria,
    frozen: Frozen,
    level: GuardLevel,
    shard_key: Option<ShardKey>,
    /// Identities of documents that returned a short time ago: no run moves them now.
    held_back: HashSet<Vec<u8>>,
    options: &'a ArchiverOptions,
}

#[derive(Default)]
struct Tally {
    documents: u64,
    bytes: u64,
    oldest_ms: Option<i64>,
    newest_ms: Option<i64>,
    held_back: u64,
    skipped: BTreeMap<String, u64>,
    /// Of the move that is being filled.
    months: HashSet<String>,
    in_move: (u64, u64),
    files: u64,
    moves: u64,
}

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
) -> Result<(), ArchiverError> {
    let (shared, archive) = (working.shared, &stored.archive);
    let cluster = shared.outside.cluster(archive.cluster_id).await?;
    let rules = Rules {
        criteria: &archive.criteria,
        frozen: Frozen::new(&archive.criteria, clocks::of_look(shared, cluster.as_ref()).await?)?,
        level: cluster.probe().await?.level,
        shard_key: cluster.collection(&archive.namespace).await?.and_then(|info| info.shard_key),
        held_back: shared.journal.held_back(&key_of(archive)).await?,
        options: &shared.options,
    };
    let index = index_check::check(cluster.as_ref(), archive, &rules.frozen).await?;
    index_figures(working, &index);
    working.set("cutoff", rules.frozen.cutoff_ms.map(iso8601));
    working.set("level", rules.level.as_str());
    let started_ms = shared.runtime.boot_ms();
    let tally = Box::pin(count(working, stored, &cluster, &rules)).await?;
    working.set("readMs", shared.runtime.boot_ms().saturating_sub(started_ms));
    let pace = shared.journal.pace(archive.id).await?;
    working.set("expectedMs", pace.map(|pace| pace.of(tally.documents)));
    storage_figures(working, stored, tally.bytes).await
}

fn index_figures(working: &mut Working<'_>, index: &IndexCheck) {
    let check = json!({ "createIndex": index.create_index(), "result": index.as_str() });
    working.set("indexCheck", check);
}

/// Reads what is cold, batch by batch.
async fn count(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    cluster: &Arc<dyn Cluster>,
    rules: &Rules<'_>,
) -> Result<Tally, ArchiverError> {
    let (shared, archive) = (working.shared, &stored.archive);
    let load = shared.loads.of(archive.cluster_id, &shared.options, &shared.metrics);
    let batch_size = u32::try_from(load.batch().0).unwrap_or(u32::MAX);
    let options =
        ReadOptions { majority: true, batch_size: Some(batch_size), ..ReadOptions::default() };
    working.ease(&load, cluster.as_ref()).await?;
    let mut pace = Pace::new(&shared.runtime);
    let mut stream = cluster.read(&archive.namespace, rules.frozen.filter(), options).await?;
    let mut tally = Tally::default();
    while let Some(document) = pace.next(&shared.runtime, &mut stream).await? {
        tally.take(rules, &document);
        if pace.is_batch(document.as_bytes().len(), batch_size) {
            pace.book(&load, &shared.runtime);
            tally.figures(working);
            working.ease(&load, cluster.as_ref()).await?;
            working.beat().await?;
            pace.go_on(&shared.runtime);
        }
    }
    pace.book(&load, &shared.runtime);
    tally.end_move();
    tally.figures(working);
    Ok(tally)
}

/// What the documents would need in the archive's storage, as its files tell so far, and what storage would
/// cost less in a month. What is not known, or has no price, is left out.
async fn storage_figures(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    bytes: u64,
) -> Result<(), ArchiverError> {
    let shared = working.shared;
    let uri = &stored.archive.table_uri;
    let location = shared.outside.location(uri)?;
    let compression = match Table::open(&location, uri, &shared.runtime).await? {
        Some(table) => table.load().await?.compression(),
        None => None,
    };
    let expected = compression.map(|ratio| whole(as_float(bytes) * ratio));
    let [cluster, archive, saving] = costs(bytes, expected, &shared.options.prices);
    let figures = [
        ("expectedBytesStored", expected.map(Value::from)),
        ("monthlyCostInCluster", cluster.map(Value::from)),
        ("monthlyCostInArchive", archive.map(Value::from)),
        ("monthlySaving", saving.map(Value::from)),
    ];
    for (name, figure) in figures {
        working.figures.remove(name);
        if let Some(figure) = figure {
            working.set(name, figure);
        }
    }
    Ok(())
}

/// What a month costs in the cluster, in the archive, and what is saved.
fn costs(bytes: u64, expected: Option<u64>, prices: &Prices) -> [Option<f64>; 3] {
    let cost = |bytes: Option<u64>, price: Option<f64>| Some(as_float(bytes?) / GIGABYTE * price?);
    let cluster = cost(Some(bytes), prices.cluster_gb_month);
    let archive = cost(expected, prices.archive_gb_month);
    let saving = cluster.zip(archive).map(|(cluster, archive)| cluster - archive);
    [cluster, archive, saving].map(|cost| cost.map(rounded))
}

/// Hundredths of the smallest usual coin.
fn rounded(cost: f64) -> f64 {
    (cost * 1e4).round() / 1e4
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn whole(bytes: f64) -> u64 {
    bytes.round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs no 53 bits")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

impl Tally {
    fn take(&mut self, rules: &Rules<'_>, document: &RawDocument) {
        let judged = rules.frozen.judge(document, rules.level);
        if judged == Judged::Warm {
            return;
        }
        if rules.held_back.contains(&identity_under(document, rules.shard_key.as_ref())) {
            self.held_back += 1;
            return;
        }
        if let Judged::Unfit(reason) = judged {
            *self.skipped.entry(reason).or_default() += 1;
            return;
        }
        let size = document.as_bytes().len() as u64;
        self.documents += 1;
        self.bytes += size;
        self.in_move = (self.in_move.0 + 1, self.in_move.1 + size);
        let month = self.date(rules.criteria, document);
        self.months.insert(month.unwrap_or_default());
        let documents_max = rules.options.move_documents_max as u64;
        if self.in_move.0 >= documents_max || self.in_move.1 >= rules.options.move_bytes_max {
            self.end_move();
        }
    }

    /// Counts the date of a document; gives its month.
    fn date(&mut self, criteria: &Criteria, document: &RawDocument) -> Option<String> {
        let Criteria::Date { field, format, .. } = criteria else { return None };
        let spec = MonthSpec { path: field.clone(), format: *format };
        let date_ms = portolan_lake::date_ms(document, &spec);
        self.oldest_ms = self.oldest_ms.into_iter().chain(date_ms).min();
        self.newest_ms = self.newest_ms.into_iter().chain(date_ms).max();
        Some(portolan_lake::month(document, &spec))
    }

    fn end_move(&mut self) {
        if self.in_move.0 > 0 {
            self.moves += 1;
            self.files += self.months.len() as u64;
            self.months.clear();
            self.in_move = (0, 0);
        }
    }

    fn figures(&self, working: &mut Working<'_>) {
        working.set("documents", self.documents);
        working.set("bytes", self.bytes);
        working.set("oldest", self.oldest_ms.map(iso8601));
        working.set("newest", self.newest_ms.map(iso8601));
        working.set("moves", self.moves);
        working.set("files", self.files);
        working.set("heldBack", self.held_back);
        let skipped: Vec<Value> = self
            .skipped
            .iter()
            .map(|(reason, count)| json!({ "documents": count, "reason": reason }))
            .collect();
        working.set("skipped", skipped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_told_as_far_as_they_are_known() {
        let known = |expected, prices| costs(2_000_000_000, expected, &prices);
        let (cluster_gb_month, archive_gb_month) = (Some(0.25), Some(0.023));
        let both = Prices { cluster_gb_month, archive_gb_month };
        let stored = Some(200_000_000);
        assert_eq!(known(stored, both), [Some(0.5), Some(0.0046), Some(0.4954)]);
        assert_eq!(known(None, both), [Some(0.5), None, None]);
        let one = Prices { cluster_gb_month, archive_gb_month: None };
        assert_eq!(known(stored, one), [Some(0.5), None, None]);
        assert_eq!(known(None, Prices::default()), [None; 3]);
    }
}
