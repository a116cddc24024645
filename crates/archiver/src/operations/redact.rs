//! redact: one document leaves the archives of its collection for good, by its `_id`, and on a sharded
//! collection by its shard-key values where several documents have that `_id`.
//!
//! All its rows leave, in every archive of the collection, deleted ones in their days of grace
//! included; then the older versions of those tables are removed with everything that only they name,
//! at once and not after a day. Queries that still read an older version fail; they never show the
//! document. It is refused under a hold, and while the cluster still holds a document with this `_id`,
//! which would be archived again, unless the operator says that this is known.
//!
//! Every step can be repeated: what is left to do is read from the tables. The record that stays names
//! the document by a hash of its identity, not by its `_id`.

use std::collections::HashSet;

use bson::{RawBson, RawDocumentBuf};
use portolan_cluster::Cluster;
use portolan_lake::{Change, LakeError, Table, Version, identity_under};
use portolan_model::ShardKey;
use portolan_mql::path;
use portolan_store::archives::StoredArchive;
use serde_json::{Value, json};

use super::{Outcome, Working};
use crate::lease::{Held, Taken};
use crate::run::key_of;
use crate::steps::commit::change_under;
use crate::steps::id_of;
use crate::takeover::{self, Seen};
use crate::{ArchiverError, effects};

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
    fn read(working: &Working<'_>) -> Result<Self, ArchiverError> {
        let request: Value = serde_json::from_str(&working.operation.request).unwrap_or_default();
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
    let request = Request::read(working)?;
    let shared = working.shared;
    if !request.even_if_live {
        refuse_live(working, stored, &request).await?;
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
    let fence = seen.iter().filter_map(|it| it.version.as_ref()).map(|it| it.fence).max();
    let fence = fence.unwrap_or(0);
    let Some(held) = takeover::take_lease_without_cluster(shared, &key, fence).await? else {
        return Ok(Outcome::NotNow);
    };
    let taken = Taken::keep(held, &shared.journal, None, &shared.runtime);
    let done = under_lease(working, taken.held(), &seen, &request).await;
    taken.give_back(&shared.journal).await;
    if matches!(done, Ok(Outcome::Done)) {
        working.operation.request = request.record();
    }
    done
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

async fn under_lease(
    working: &mut Working<'_>,
    held: &Held,
    seen: &[Seen],
    request: &Request,
) -> Result<Outcome, ArchiverError> {
    let shared = working.shared;
    // A move that began since then is finished first.
    let (unfinished, _) = shared.journal.moves(&held.key, &[]).await?;
    if !unfinished.is_empty() {
        return Ok(Outcome::NotNow);
    }
    let key = key_beside_id(seen);
    request.check(seen, key).await?;
    for entry in seen {
        let Some(table) = &entry.table else { continue };
        working.check()?;
        let fence = Change::Fence { epoch: held.epoch, token: held.token.clone() };
        change_under(Some(held), &shared.runtime, table, effects::FENCE, &fence).await?;
        leave(working, held, table, (request, key)).await?;
        held.check()?;
        let location = shared.outside.location(table.uri())?;
        let forget = table.forget_history(&location, (held.epoch, &held.token));
        let removed = shared.runtime.effect(effects::FORGET_HISTORY, forget).await?;
        working.add("objectsErased", removed.objects);
        working.progress().await?;
    }
    let rows = working.count("rows");
    tracing::info!(operation = %working.operation.id, rows, "redacted");
    Ok(Outcome::Done)
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
