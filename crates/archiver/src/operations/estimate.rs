//! estimate: a dry run. What a run would move now is read and counted, and nothing else happens:
//! documents, bytes, the oldest and the newest of them, files, what would be skipped and why, whether
//! an index helps, and how long it would take at the pace of earlier runs.

use std::collections::{BTreeMap, HashSet};

use bson::RawDocument;
use futures::TryStreamExt;
use portolan_cluster::{ReadOptions, guard};
use portolan_lake::MonthSpec;
use portolan_model::{Criteria, GuardLevel, IndexCheck};
use portolan_store::archives::StoredArchive;
use serde_json::{Value, json};

use super::Working;
use crate::criteria::{Frozen, safe_now_ms};
use crate::{ArchiverError, index_check};

/// Documents read between two notes of progress.
const NOTE_EVERY: u64 = 50_000;

#[derive(Default)]
struct Tally {
    documents: u64,
    bytes: u64,
    oldest_ms: Option<i64>,
    newest_ms: Option<i64>,
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
    let archive = &stored.archive;
    let cluster = working.shared.outside.cluster(archive.cluster_id).await?;
    let level = cluster.probe().await?.level;
    let now_ms = safe_now_ms(working.shared.runtime.now_ms(), cluster.clock_ms().await?)?;
    let frozen = Frozen::new(&archive.criteria, now_ms)?;
    let index = index_check::check(cluster.as_ref(), archive, &frozen).await?;
    index_figures(working, &index);
    let started_ms = working.shared.runtime.boot_ms();
    let mut tally = Tally::default();
    let options = ReadOptions { majority: true, ..ReadOptions::default() };
    let mut stream = cluster.read(&archive.namespace, frozen.filter(), options).await?;
    while let Some(document) = stream.try_next().await? {
        if frozen.is_candidate(&document) {
            tally.take(working, stored, level, &document);
        }
        if tally.documents.is_multiple_of(NOTE_EVERY) {
            working.check()?;
            tally.figures(working);
            working.progress().await?;
        }
    }
    tally.end_move();
    tally.figures(working);
    working.set("cutoff", frozen.cutoff_ms);
    working.set("level", level.as_str());
    working.set("readMs", working.shared.runtime.boot_ms().saturating_sub(started_ms));
    let pace = working.shared.journal.pace(archive.id).await?;
    working.set("expectedMs", pace.map(|pace| pace.of(tally.documents)));
    Ok(())
}

fn index_figures(working: &mut Working<'_>, index: &IndexCheck) {
    let check = json!({ "createIndex": index.create_index(), "result": index.as_str() });
    working.set("indexCheck", check);
}

impl Tally {
    fn take(
        &mut self,
        working: &Working<'_>,
        stored: &StoredArchive,
        level: GuardLevel,
        document: &RawDocument,
    ) {
        if let Some(reason) = guard::unguardable(document, level) {
            *self.skipped.entry(reason).or_default() += 1;
            return;
        }
        let options = &working.shared.options;
        let size = document.as_bytes().len() as u64;
        self.documents += 1;
        self.bytes += size;
        self.in_move = (self.in_move.0 + 1, self.in_move.1 + size);
        let date = date_spec(&stored.archive.criteria);
        let month = date.as_ref().map(|spec| {
            let date_ms = portolan_lake::date_ms(document, spec);
            self.oldest_ms = self.oldest_ms.into_iter().chain(date_ms).min();
            self.newest_ms = self.newest_ms.into_iter().chain(date_ms).max();
            portolan_lake::month(document, spec)
        });
        self.months.insert(month.unwrap_or_default());
        let documents_max = options.move_documents_max as u64;
        if self.in_move.0 >= documents_max || self.in_move.1 >= options.move_bytes_max {
            self.end_move();
        }
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
        working.set("oldest", self.oldest_ms);
        working.set("newest", self.newest_ms);
        working.set("moves", self.moves);
        working.set("files", self.files);
        let skipped: Vec<Value> = self
            .skipped
            .iter()
            .map(|(reason, count)| json!({ "documents": count, "reason": reason }))
            .collect();
        working.set("skipped", skipped);
    }
}

fn date_spec(criteria: &Criteria) -> Option<MonthSpec> {
    match criteria {
        Criteria::Date { field, format, .. } => {
            Some(MonthSpec { path: field.clone(), format: *format })
        }
        Criteria::Custom { .. } => None,
    }
}
