//! restore: archived documents return to a cluster, by filter. Their rows stay in the archive; the
//! cluster's copy is the one that readers of both see.
//!
//! Insert only: what the cluster holds already is never touched. A document that is there with equal
//! bytes is done, one with other bytes is a conflict. It runs under the lease of the collection, so no
//! move is under way, and what returns is held back from archiving for a day, written down before it
//! is inserted. How far it is stands in the journal after each batch; a batch whose outcome is not
//! known is sent again. At level L3 each batch is a transaction under the fence of the collection, with a
//! number, and takes effect once: before it is sent it is written down where it ends, so that a number is
//! one batch, whoever sends it. Below, sending it again may bring a document back that a client deleted in
//! between.

mod insert;

use std::sync::Arc;

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use portolan_cluster::{Cluster, CollectionKind};
use portolan_lake::{DataFile, Predicate, Table, Version, identity_under};
use portolan_model::{GuardLevel, Namespace, ShardKey};
use portolan_mql::{Context, Filter};
use portolan_store::archives::StoredArchive;
use portolan_store::leases::LeaseKey;
use serde_json::Value;

use super::{Outcome, Working};
use crate::lease::{Held, Taken};
use crate::load::Load;
use crate::run::key_of;
use crate::source_fence::Raising;
use crate::steps::commit::fence_table;
use crate::{ArchiverError, quiet, takeover};

/// So long after it returned a document is not archived again.
const HELD_MS: i64 = 24 * 60 * 60 * 1000;
/// While the cluster has no room, it is asked again so often.
const WAIT_MS: u64 = 1_000;

/// What was asked for.
struct Request {
    filter: Filter,
    target: Namespace,
    /// Whether it returns to the collection that it was archived from.
    home: bool,
    stop_at_conflict: bool,
    preview: bool,
}

impl Request {
    fn read(working: &Working<'_>, stored: &StoredArchive) -> Result<Self, ArchiverError> {
        let request: Value = serde_json::from_str(&working.operation.request).unwrap_or_default();
        let text = |name: &str| request[name].as_str().map(str::to_owned);
        let home = &stored.archive.namespace;
        let target = Namespace {
            database: text("dbName").unwrap_or_else(|| home.database.clone()),
            collection: text("collName").unwrap_or_else(|| home.collection.clone()),
        };
        let filter = crate::criteria::parse_filter(&text("filter").unwrap_or_else(|| "{}".into()))?;
        let context = Context::new(working.operation.created_at);
        let filter = Filter::parse(&filter, &context)
            .map_err(|error| ArchiverError::Invalid(format!("the filter: {}", error.message)))?;
        Ok(Self {
            home: target == *home,
            filter,
            target,
            stop_at_conflict: text("onConflict").as_deref() == Some("STOP"),
            preview: request["preview"].as_bool().unwrap_or(false),
        })
    }
}

/// One restore at work.
struct Restoring<'a> {
    cluster: Arc<dyn Cluster>,
    key: LeaseKey,
    request: Request,
    /// The shard key of the collection that they return to: what its documents are known by.
    shard_key: Option<ShardKey>,
    held: Option<&'a Held>,
    /// UUID of the collection whose fence the inserts pass, at level L3.
    fence: Option<[u8; 16]>,
    load: Arc<Load>,
}

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
) -> Result<Outcome, ArchiverError> {
    let request = Request::read(working, stored)?;
    let shared = working.shared;
    let uri = &stored.archive.table_uri;
    let location = shared.outside.location(uri)?;
    let Some(table) = Table::open(&location, uri, &shared.runtime).await? else {
        working.set("documents", 0);
        return Ok(Outcome::Done);
    };
    let cluster = shared.outside.cluster(stored.archive.cluster_id).await?;
    let key = key_of(&stored.archive);
    let load = shared.loads.of(stored.archive.cluster_id, &shared.options, &shared.metrics);
    if request.preview {
        let shard_key = None;
        let mut restoring =
            Restoring { cluster, key, request, shard_key, held: None, load, fence: None };
        return files(working, &mut restoring, &table).await.map(|()| Outcome::Done);
    }
    let shard_key = check_target(cluster.as_ref(), &request.target).await?;
    let (unfinished, _) = shared.journal.moves(&key, &[]).await?;
    let Some(_busy) = shared.leases.begin(&key) else { return Ok(Outcome::NotNow) };
    if !unfinished.is_empty() {
        return Ok(Outcome::NotNow);
    }
    let uuid = fenced_uuid(cluster.as_ref(), &table).await?;
    note_fence(working, uuid.is_some());
    let at_source = match uuid {
        Some(uuid) => cluster.fence(uuid).await?.map_or(0, |fence| fence.epoch),
        None => 0,
    };
    let fence = table.load().await?.fence.max(at_source);
    let clocks = (shared.runtime.boot_ms(), cluster.clock_ms().await?);
    let Some(held) = takeover::take(shared, &key, fence, clocks).await? else {
        return Ok(Outcome::NotNow);
    };
    let taken = Taken::keep(held, &shared.journal, Some(cluster.clone()), &shared.runtime);
    let held = Some(taken.held().as_ref());
    let mut restoring = Restoring { cluster, key, request, shard_key, held, load, fence: uuid };
    let done = under_lease(working, &mut restoring, &table).await;
    taken.give_back(&shared.journal).await;
    done
}

async fn under_lease(
    working: &mut Working<'_>,
    restoring: &mut Restoring<'_>,
    table: &Table,
) -> Result<Outcome, ArchiverError> {
    let Some(held) = restoring.held else { return Ok(Outcome::NotNow) };
    // A move that began since then is finished first.
    let archive_id = working.operation.archive_id;
    let (unfinished, newest) = working.shared.journal.moves(&restoring.key, &[archive_id]).await?;
    if !unfinished.is_empty() {
        return Ok(Outcome::NotNow);
    }
    if let Some(uuid) = restoring.fence {
        let raising = Raising {
            cluster: restoring.cluster.as_ref(),
            runtime: &working.shared.runtime,
            owner: &working.shared.options.owner,
            held,
            archive_id,
            committed: table.load().await?.committed,
        };
        raising.raise(uuid, newest.values()).await?;
    }
    fence_table(held, &working.shared.runtime, table).await?;
    if restoring.fence.is_none() {
        wait_until_quiet(working, restoring, held).await?;
    }
    files(working, restoring, table).await.map(|()| Outcome::Done)
}

/// A delete whose answer was lost could remove a document as soon as it is back: where no fence stops it, it has
/// its time first. Usually every delete was answered.
async fn wait_until_quiet(
    working: &mut Working<'_>,
    restoring: &Restoring<'_>,
    held: &Held,
) -> Result<(), ArchiverError> {
    let (shared, cluster) = (working.shared, restoring.cluster.as_ref());
    let Some(until_ms) = shared.journal.unanswered_until(&restoring.key).await? else {
        return Ok(());
    };
    working.set("waitingFor", "deletes whose answer was lost");
    working.progress().await?;
    let level = cluster.probe().await?.level;
    let (runtime, options) = (&shared.runtime, &shared.options);
    let quiet_at_ms = quiet::since_ms(cluster, runtime, options, (level, until_ms)).await?;
    working.wait_until_quiet((cluster, held), (level, quiet_at_ms)).await
}

/// Notes whether the fence stops every insert of it that arrives late; a redaction waits for others. Of what
/// an earlier taking sent and did not write down, nothing is known.
fn note_fence(working: &mut Working<'_>, fenced: bool) {
    let before = working.figures.get("fenced").and_then(Value::as_bool);
    let before = before.unwrap_or(working.operation.claim <= 1);
    working.set("fenced", fenced && before);
}

/// The collection whose fence the inserts pass, where the cluster has fences.
async fn fenced_uuid(
    cluster: &dyn Cluster,
    table: &Table,
) -> Result<Option<[u8; 16]>, ArchiverError> {
    let Some(uuid) = table.spec().collection_uuid() else { return Ok(None) };
    let fenced = cluster.probe().await?.level == GuardLevel::L3;
    Ok(fenced.then_some(uuid))
}

/// Gives the shard key of the target.
async fn check_target(
    cluster: &dyn Cluster,
    target: &Namespace,
) -> Result<Option<ShardKey>, ArchiverError> {
    let Some(info) = cluster.collection(target).await? else { return Ok(None) };
    if info.capped || info.kind != CollectionKind::Collection {
        let what = "documents return to plain collections only";
        return Err(ArchiverError::Denied(format!("{target}: {what}")));
    }
    Ok(info.shard_key)
}

impl Restoring<'_> {
    /// Identity of a document in the collection that it returns to.
    fn identity(&self, document: &RawDocumentBuf) -> Vec<u8> {
        identity_under(document, self.shard_key.as_ref())
    }
}

/// File after file in order of their paths; rows that were done before are passed over.
async fn files(
    working: &mut Working<'_>,
    restoring: &mut Restoring<'_>,
    table: &Table,
) -> Result<(), ArchiverError> {
    let version = table.load().await?;
    let predicate = Predicate::from_filter(&restoring.request.filter, table.spec());
    let plan = table.scan(&version, &predicate);
    let mut order: Vec<(usize, DataFile)> =
        plan.files.into_iter().filter(|(_, file)| file.seq_max <= version.confirmed).collect();
    order.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
    let digest = version.files_digest();
    if working.text("filesDigest").is_some_and(|before| before != digest) {
        // Files were exchanged since: from the beginning, where what is there already is no mistake. The
        // batch that may be on its way keeps its number to itself.
        let steps = working.count("steps") + u64::from(working.text("sendingFile").is_some());
        working.figures.clear();
        working.set("steps", steps);
    }
    working.set("filesDigest", digest);
    working.set("files", order.len() as u64);
    let last = working.text("lastFile").unwrap_or_default();
    for (index, file) in order.into_iter().filter(|(_, file)| file.path >= last) {
        let skip = if file.path == last { working.count("lastRow") } else { 0 };
        one_file(working, restoring, (table, &version), (index, &file.path), skip).await?;
    }
    Ok(())
}

async fn one_file(
    working: &mut Working<'_>,
    restoring: &mut Restoring<'_>,
    (table, version): (&Table, &Version),
    (index, path): (usize, &str),
    skip: u64,
) -> Result<(), ArchiverError> {
    // A batch that was sent before, and whose answer nobody wrote down, is sent as it was.
    let sent = working.text("sendingFile").is_some_and(|file| file == path);
    let mut sent_to = if sent { working.count("sendingRow") } else { 0 };
    let (documents_max, bytes_max) = restoring.load.batch();
    let mut rows = table.rows_of(version, index);
    let (mut batch, mut bytes, mut row_number) = (Vec::new(), 0, 0);
    while let Some(row) = rows.try_next().await? {
        row_number += 1;
        let wanted = row_number > skip
            && row.superseded_by.is_none()
            && restoring.request.filter.matches(&row.doc).map_err(|error| {
                ArchiverError::Invalid(format!("the filter: {}", error.message))
            })?;
        if wanted {
            bytes += row.doc.as_bytes().len();
            batch.push(row.doc);
        }
        let is_full = batch.len() >= documents_max || bytes >= bytes_max;
        if if sent_to > skip { row_number == sent_to } else { is_full } {
            (bytes, sent_to) = (0, 0);
            let documents = std::mem::take(&mut batch);
            give_back(working, restoring, documents, (path, row_number)).await?;
            note(working, path, row_number).await?;
        }
    }
    give_back(working, restoring, batch, (path, row_number)).await?;
    note(working, path, row_number).await
}

async fn note(working: &mut Working<'_>, path: &str, row: u64) -> Result<(), ArchiverError> {
    working.add("steps", 1);
    working.figures.remove("sendingFile");
    working.figures.remove("sendingRow");
    working.set("lastFile", path);
    working.set("lastRow", row);
    working.progress().await
}

async fn give_back(
    working: &mut Working<'_>,
    restoring: &mut Restoring<'_>,
    documents: Vec<RawDocumentBuf>,
    (file, row): (&str, u64),
) -> Result<(), ArchiverError> {
    working.check()?;
    let Some(held) = restoring.held.filter(|_| !documents.is_empty()) else {
        count(working, &documents);
        return Ok(());
    };
    if restoring.fence.is_some() {
        working.set("sendingFile", file);
        working.set("sendingRow", row);
        working.progress().await?;
    }
    count(working, &documents);
    if restoring.request.home {
        let identities: Vec<Vec<u8>> = documents.iter().map(|it| restoring.identity(it)).collect();
        let until_ms = working.shared.runtime.now_ms().saturating_add(HELD_MS);
        working.shared.journal.hold_back(held, &identities, until_ms).await?;
    }
    ease(working, restoring, held).await?;
    let done = insert::run(working, restoring, held, &documents).await?;
    working.add("inserted", done.n);
    insert::refusals(working, restoring, &documents, &done).await
}

fn count(working: &mut Working<'_>, documents: &[RawDocumentBuf]) {
    working.add("documents", documents.len() as u64);
    working.add("bytes", documents.iter().map(|it| it.as_bytes().len() as u64).sum());
}

/// Waits until the cluster may be burdened further.
async fn ease(
    working: &mut Working<'_>,
    restoring: &Restoring<'_>,
    held: &Held,
) -> Result<(), ArchiverError> {
    let runtime = &working.shared.runtime;
    while let Some((why, ms)) = restoring.load.hindrance(runtime, restoring.cluster.as_ref()).await
    {
        working.check()?;
        held.check()?;
        if ms >= WAIT_MS {
            working.set("waitingFor", why.to_string());
            working.progress().await?;
        }
        let ms = ms.min(WAIT_MS);
        restoring.load.waited(why, ms);
        runtime.sleep_ms(ms).await;
    }
    working.figures.remove("waitingFor");
    Ok(())
}
