//! redact: one document leaves the archives of its collection for good, by its `_id`, and on a sharded
//! collection by its shard-key values where several documents have that `_id`.
//!
//! All its rows leave, in every archive of the collection, deleted ones in their days of grace
//! included; then the older versions of those tables are removed with everything that only they name,
//! at once and not after a day. Queries that still read an older version fail; they never show the
//! document. It is refused under a hold, and while the cluster still holds a document with this `_id`,
//! which would be archived again, unless the operator says that this is known. What a restore may still
//! have on its way to the cluster loses its effect first (`late`).
//!
//! Every step can be repeated: what is left to do is read from the tables. In the end nothing in the
//! control database names the document by its `_id` (`traces`); the record that stays names it by a hash.

mod late;
mod traces;

use std::collections::HashSet;
use std::sync::Arc;

use bson::{RawBson, RawDocumentBuf};
use portolan_cluster::Cluster;
use portolan_lake::{Change, LakeError, Table, Version, identity_under};
use portolan_model::ShardKey;
use portolan_mql::path;
use portolan_store::archives::StoredArchive;
use portolan_store::leases::LeaseKey;
use serde_json::{Value, json};

use super::{Outcome, Working};
use crate::lease::{Held, Taken};
use crate::run::key_of;
use crate::steps::commit::{change_under, fence_table};
use crate::steps::id_of;
use crate::takeover::{self, Seen};
use crate::{ArchiverError, effects};
use late::Late;
pub(crate) use traces::Redacted;

/// What was asked for.
struct Request {
    id: RawBson,
    /// Its `_id` and the shard-key values that were named.
    document: RawDocumentBuf,
    names_shard_key: bool,
    /// BLAKE3 of that.
    hash: String,
    reason: String,
    even_if_live: bool,
}

impl Request {
    fn parse(request: &str) -> Result<Self, ArchiverError> {
        let request: Value = serde_json::from_str(request).unwrap_or_default();
        let invalid = |what: &str| ArchiverError::Invalid(format!("_id: {what}"));
        let text = request["id"].as_str().ok_or_else(|| invalid("it is missing"))?;
        let mut document = crate::criteria::parse_filter(&format!("{{\"_id\": {text}}}"))?;
        let shard_key =
            request["shardKey"].as_str().map(crate::criteria::parse_filter).transpose()?;
        for element in shard_key.iter().flat_map(|values| values.iter()) {
            let (name, value) = element.map_err(|error| invalid(&error.to_string()))?;
            if name.as_str() != "_id" {
                document.append(name, value);
            }
        }
        Ok(Self {
            id: id_of(&document).ok_or_else(|| invalid("it is missing"))?,
            hash: hex::encode(portolan_lake::hash(&document)),
            document,
            names_shard_key: shard_key.is_some(),
            reason: request["reason"].as_str().unwrap_or_default().to_owned(),
            even_if_live: request["evenIfLive"].as_bool().unwrap_or(false),
        })
    }

    /// Identities, as a table has them, of the rows that it means there. `key` tells the documents of the
    /// collection apart.
    async fn meant(
        &self,
        (table, version): (&Table, &Version),
        key: Option<&ShardKey>,
    ) -> Result<HashSet<Vec<u8>>, ArchiverError> {
        let key = key.filter(|_| self.names_shard_key);
        let sought = HashSet::from([identity_under(&self.document, key)]);
        let found = table.find_identities(version, (&sought, key), i64::MAX).await?;
        Ok(found.into_iter().map(|row| row.identity).collect())
    }

    /// # Errors
    /// [`ArchiverError::Denied`] when several documents have this `_id` and it does not say which is meant,
    /// [`ArchiverError::Invalid`] when it says so by less than the whole key.
    async fn check(&self, seen: &[Seen], key: Option<&ShardKey>) -> Result<(), ArchiverError> {
        let Some(key) = key else { return Ok(()) };
        if self.names_shard_key {
            let missing = |path: &&str| path::get(&self.document, path).is_none();
            return match key.beside_id().find(missing) {
                Some(path) => Err(ArchiverError::Invalid(format!("shardKey: {path} is missing"))),
                None => Ok(()),
            };
        }
        let mut meant = HashSet::new();
        for entry in seen {
            if let (Some(table), Some(version)) = (&entry.table, &entry.version) {
                meant.extend(self.meant((table, version), None).await?);
            }
        }
        if meant.len() > 1 {
            let count = meant.len();
            return Err(ArchiverError::Denied(format!(
                "{count} documents with this _id are archived, told apart by the shard key {key}: name the \
                 values of one in shardKey"
            )));
        }
        Ok(())
    }

    /// Whether the cluster holds it.
    async fn is_live(
        &self,
        cluster: &dyn Cluster,
        stored: &StoredArchive,
    ) -> Result<bool, ArchiverError> {
        let namespace = &stored.archive.namespace;
        let found = cluster.find_by_ids(namespace, std::slice::from_ref(&self.id)).await?;
        if !self.names_shard_key {
            return Ok(!found.is_empty());
        }
        let key = cluster.shard_key(namespace).await?;
        let identity = |document| identity_under(document, key.as_ref());
        Ok(found.iter().any(|live| identity(live) == identity(&self.document)))
    }

    /// The request as it is kept.
    fn record(&self) -> String {
        let (hash, reason) = (&self.hash, &self.reason);
        json!({ "idHash": hash, "reason": reason, "evenIfLive": self.even_if_live }).to_string()
    }
}

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
) -> Result<Outcome, ArchiverError> {
    let request = Request::parse(&working.operation.request)?;
    let ended = Box::pin(begin(working, stored, &request)).await;
    if matches!(ended, Ok(Outcome::Done) | Err(ArchiverError::Denied(_))) {
        working.operation.request = request.record();
    }
    ended
}

async fn begin(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    request: &Request,
) -> Result<Outcome, ArchiverError> {
    let shared = working.shared;
    if !request.even_if_live {
        refuse_live(working, stored, request).await?;
    }
    let key = key_of(&stored.archive);
    let Some(_busy) = shared.leases.begin(&key) else { return Ok(Outcome::NotNow) };
    let (unfinished, _) = shared.journal.moves(&key, &[]).await?;
    if !unfinished.is_empty() {
        return Ok(Outcome::NotNow);
    }
    let standby = shared.journal.standby(stored.archive.id).await?;
    let siblings = standby.map(|it| it.siblings).unwrap_or_default();
    let seen = takeover::open_tables(shared, siblings).await?;
    refuse_held(&seen)?;
    let late = Late::of(&shared.journal, &key, shared.runtime.now_ms()).await?;
    // Where the operator says what the cluster holds, and nothing is on its way there, it is not asked.
    let cluster = if request.even_if_live && late.is_empty() {
        None
    } else {
        Some(shared.outside.cluster(stored.archive.cluster_id).await?)
    };
    let held = take_lease(working, &key, cluster.as_deref(), &seen).await?;
    let Some(held) = held else { return Ok(Outcome::NotNow) };
    let taken = Taken::keep(held, &shared.journal, cluster.clone(), &shared.runtime);
    let scope = Scope { stored, cluster, seen: &seen, request };
    let done = Box::pin(under_lease(working, taken.held(), &scope)).await;
    taken.give_back(&shared.journal).await;
    done
}

async fn take_lease(
    working: &Working<'_>,
    key: &LeaseKey,
    cluster: Option<&dyn Cluster>,
    seen: &[Seen],
) -> Result<Option<Held>, ArchiverError> {
    let shared = working.shared;
    if let Some(cluster) = cluster {
        return takeover::take_lease(shared, key, cluster, seen).await;
    }
    let fence = seen.iter().filter_map(|it| it.version.as_ref()).map(|it| it.fence).max();
    takeover::take_lease_without_cluster(shared, key, fence.unwrap_or(0)).await
}

async fn refuse_live(
    working: &Working<'_>,
    stored: &StoredArchive,
    request: &Request,
) -> Result<(), ArchiverError> {
    let cluster = working.shared.outside.cluster(stored.archive.cluster_id).await?;
    if !request.is_live(cluster.as_ref(), stored).await? {
        return Ok(());
    }
    let why = "the cluster holds a document with this _id, which would be archived again; delete it \
               there first, or say evenIfLive";
    Err(ArchiverError::Denied(why.to_owned()))
}

fn refuse_held(seen: &[Seen]) -> Result<(), ArchiverError> {
    for entry in seen {
        let hold = entry.version.as_ref().and_then(|version| version.spec.rules.hold.as_ref());
        if let Some(hold) = hold.or(entry.archive.hold.as_ref()) {
            let (id, reason) = (entry.archive.archive.id, &hold.reason);
            return Err(ArchiverError::Denied(format!("archive {id} is held: {reason}")));
        }
    }
    Ok(())
}

/// What a redaction under its lease works with.
struct Scope<'a> {
    stored: &'a StoredArchive,
    /// `None`: it need not be asked.
    cluster: Option<Arc<dyn Cluster>>,
    seen: &'a [Seen],
    request: &'a Request,
}

async fn under_lease(
    working: &mut Working<'_>,
    held: &Held,
    scope: &Scope<'_>,
) -> Result<Outcome, ArchiverError> {
    let (shared, request) = (working.shared, scope.request);
    // A move that began since then is finished first.
    let (unfinished, _) = shared.journal.moves(&held.key, &[]).await?;
    let late = Late::of(&shared.journal, &held.key, shared.runtime.now_ms()).await?;
    match &scope.cluster {
        _ if !unfinished.is_empty() => return Ok(Outcome::NotNow),
        Some(cluster) => late.end(working, (cluster.as_ref(), held), scope.seen).await?,
        None if late.is_empty() => {}
        // A restore came in between: the next attempt asks the cluster.
        None => return Ok(Outcome::NotNow),
    }
    if !request.even_if_live {
        // What was on its way may have arrived.
        refuse_live(working, scope.stored, request).await?;
    }
    let key = key_beside_id(scope.seen);
    request.check(scope.seen, key).await?;
    for table in scope.seen.iter().filter_map(|entry| entry.table.as_ref()) {
        Box::pin(leave_for_good(working, held, table, (request, key))).await?;
    }
    held.check()?;
    let redacted = Redacted::new(request, key);
    shared.journal.forget_traces(held, &redacted, &late.settled()).await?;
    let rows = working.count("rows");
    tracing::info!(operation = %working.operation.id, rows, "redacted");
    Ok(Outcome::Done)
}

/// The rows leave the table, and the older versions that had them are removed.
async fn leave_for_good(
    working: &mut Working<'_>,
    held: &Held,
    table: &Table,
    (request, key): (&Request, Option<&ShardKey>),
) -> Result<(), ArchiverError> {
    let shared = working.shared;
    working.check()?;
    fence_table(held, &shared.runtime, table).await?;
    Box::pin(leave(working, held, table, (request, key))).await?;
    held.check()?;
    let location = shared.outside.location(table.uri())?;
    let forget = Box::pin(table.forget_history(&location, (held.epoch, &held.token)));
    let removed = shared.runtime.effect(effects::FORGET_HISTORY, forget).await?;
    working.add("objectsErased", removed.objects);
    working.progress().await
}

/// The shard key that tells documents with one `_id` apart in the archives of the collection.
fn key_beside_id(seen: &[Seen]) -> Option<&ShardKey> {
    let tables = seen.iter().filter_map(|entry| entry.table.as_ref());
    let mut keys = tables.filter_map(|table| table.spec().shard_key.as_ref());
    keys.find(|key| key.beside_id().next().is_some())
}

/// The rows leave the table. Found again after an answer was lost: there are none then.
async fn leave(
    working: &mut Working<'_>,
    held: &Held,
    table: &Table,
    (request, key): (&Request, Option<&ShardKey>),
) -> Result<(), ArchiverError> {
    let shared = working.shared;
    let version = table.load().await?;
    let gone = request.meant((table, &version), key).await?;
    let rewrite = async {
        let redacted = table.redact(&version, &gone).await?;
        table.verify(&redacted.staged).await?;
        Ok::<_, LakeError>(redacted)
    };
    let redacted = shared.runtime.effect(effects::REDACTION_REWRITE, rewrite).await?;
    if redacted.removes.is_empty() {
        return Ok(());
    }
    working.add("rows", redacted.rows);
    working.add("filesRewritten", redacted.removes.len() as u64);
    working.progress().await?;
    let change = Change::Redact {
        id: working.operation.id.to_string(),
        epoch: held.epoch,
        token: held.token.clone(),
        removes: redacted.removes,
        adds: redacted.staged.files,
    };
    change_under(Some(held), &shared.runtime, table, effects::REDACT, &change).await.map(|_| ())
}
