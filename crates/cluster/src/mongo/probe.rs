//! What can this server guarantee? Found out by trying, on a scratch collection in our own database,
//! because version numbers say little about servers that only speak MongoDB's protocol.
//!
//! The guard must refuse every document that was changed in a way that plain equality does not see,
//! must refuse after its deadline, and must be one step with the removal: a client that updates over
//! another connection at the same moment must never see its acknowledged update vanish.

mod fenced;

use std::sync::atomic::Ordering;

use bson::raw::{RawArrayBuf, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, Document, RawBson, RawDocumentBuf, rawdoc};
use portolan_model::{GuardLevel, Namespace};

use super::{MongoCluster, OWN_DATABASE, UUID_REFUSED, UUID_TAKEN, errors, replies, shard_key};
use crate::{Cluster, ClusterError, CollectionKind, DeleteRequest, Probe};

/// How often an update and a delete are let run into each other.
const RACES: i32 = 6;

const NO_GUARD_IN_FERRETDB: &str = "no atomic guarded delete: FerretDB 1.x reads, compares, and then \
                                    deletes in another transaction";

/// Deadlines of the trial deletes: well past, and well ahead.
const HOUR_MS: i64 = 3_600_000;

pub(super) async fn run(cluster: &MongoCluster) -> Result<Probe, ClusterError> {
    let build = cluster.ask("admin", rawdoc! { "buildInfo": 1 }).await?;
    let version = build.get_str("version").unwrap_or("unknown").to_owned();
    let product = product(&build, &version);
    let sharded = cluster.is_sharded().await?;
    if sharded {
        check_routers(cluster).await?;
    }
    let scratch = Scratch::open(cluster).await;
    let mut probe = Probe {
        version,
        product,
        level: GuardLevel::L0,
        reasons: Vec::new(),
        sharded,
        time_series: false,
        transactions: false,
        collection_uuid: false,
        denied: false,
    };
    match scratch {
        Ok(scratch) => {
            let tried = scratch.try_everything(&mut probe).await;
            scratch.close().await;
            tried?;
        }
        Err(ClusterError::Denied(reason)) => {
            probe.reasons.push(format!(
                "database {OWN_DATABASE} is not writable, so nothing could be tried: {reason}"
            ));
            probe.denied = true;
            judge_without_scratch(cluster, &mut probe).await?;
        }
        Err(other) => return Err(other),
    }
    if sharded && probe.level < GuardLevel::L3 {
        let why = probe.reasons.join("; ");
        return Err(ClusterError::Unsupported(format!(
            "a sharded cluster is archived from at level L3 only, and this one has {}: {why}",
            probe.level
        )));
    }
    Ok(probe)
}

/// Level L2: transactions, and no place for a fence.
async fn judge_without_scratch(
    cluster: &MongoCluster,
    probe: &mut Probe,
) -> Result<(), ClusterError> {
    if probe.product.is_none() && fenced::reads_in_transactions(cluster).await? {
        probe.transactions = true;
        probe.level = GuardLevel::L2;
        probe
            .reasons
            .push("transactions work, and without that database they have no fence".into());
    }
    Ok(())
}

fn product(build: &Document, version: &str) -> Option<String> {
    let names_ferret = build.keys().any(|key| key.to_lowercase().starts_with("ferretdb"));
    names_ferret.then(|| format!("FerretDB (as MongoDB {version})"))
}

/// What only a sharded cluster must be able to do: tell its shard keys, and its time. Below level L3 it is
/// refused altogether: what a transaction over several shards did cannot be told from time alone there.
async fn check_routers(cluster: &MongoCluster) -> Result<(), ClusterError> {
    shard_key::check(cluster).await?;
    cluster.time_seen().await.map(|_| ())
}

struct Scratch<'a> {
    cluster: &'a MongoCluster,
    namespace: Namespace,
    uuid: Option<[u8; 16]>,
}

impl<'a> Scratch<'a> {
    async fn open(cluster: &'a MongoCluster) -> Result<Self, ClusterError> {
        let id = cluster.runtime.random_bytes::<8>();
        let name: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let namespace =
            Namespace { database: OWN_DATABASE.into(), collection: format!("probe_{name}") };
        // A collation of its own: the guard must not let it make "ABC" equal to "abc".
        let collated = rawdoc! {
            "create": namespace.collection.as_str(),
            "collation": { "locale": "en", "strength": 2 },
        };
        if let Err(error) = cluster.tell(OWN_DATABASE, collated).await {
            tolerate(error)?;
            let plain = rawdoc! { "create": namespace.collection.as_str() };
            cluster.tell(OWN_DATABASE, plain).await?;
        }
        let uuid = cluster.collection(&namespace).await?.and_then(|info| info.uuid);
        Ok(Self { cluster, namespace, uuid })
    }

    async fn close(&self) {
        let drop = rawdoc! { "drop": self.namespace.collection.as_str() };
        if let Err(error) = self.cluster.tell(OWN_DATABASE, drop).await {
            tracing::warn!(%error, namespace = %self.namespace, "the scratch collection stays");
        }
    }

    async fn try_everything(&self, probe: &mut Probe) -> Result<(), ClusterError> {
        probe.collection_uuid = self.takes_uuid().await?;
        let flag = if probe.collection_uuid { UUID_TAKEN } else { UUID_REFUSED };
        self.cluster.takes_uuid.store(flag, Ordering::Relaxed);
        // Of another product's transactions no use is made.
        probe.transactions = probe.product.is_none() && self.has_transactions().await?;
        probe.time_series = self.has_time_series().await?;
        if probe.product.is_some() {
            probe.reasons.push(NO_GUARD_IN_FERRETDB.to_owned());
        } else if !self.try_fenced(probe).await? {
            self.try_guard(probe).await?;
        }
        if !probe.collection_uuid {
            probe.reasons.push("deletes cannot carry the collection's UUID".into());
        }
        Ok(())
    }

    /// Finds level L3.
    async fn try_fenced(&self, probe: &mut Probe) -> Result<bool, ClusterError> {
        if !probe.transactions {
            probe.reasons.push("no multi-document transactions".to_owned());
            return Ok(false);
        }
        match self.fence_flaw().await? {
            None => {
                probe.level = GuardLevel::L3;
                probe.reasons.push("fenced transactions delete exactly the equal documents".into());
                Ok(true)
            }
            Some(flaw) => {
                probe.reasons.push(format!("no fenced transactions: {flaw}"));
                Ok(false)
            }
        }
    }

    /// Finds level L1.
    async fn try_guard(&self, probe: &mut Probe) -> Result<(), ClusterError> {
        match self.guard_flaw().await? {
            Some(flaw) => probe.reasons.push(format!("no atomic guarded delete: {flaw}")),
            None => {
                probe.level = GuardLevel::L1;
                probe.reasons.push("one atomic delete refused every changed document".into());
            }
        }
        Ok(())
    }

    /// Whether deletes take `collectionUUID`, and refuse a wrong one.
    async fn takes_uuid(&self) -> Result<bool, ClusterError> {
        if self.uuid.is_none() {
            return Ok(false);
        }
        let wrong = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x4a; 16] };
        let command = rawdoc! {
            "delete": self.namespace.collection.as_str(),
            "deletes": [{ "q": { "_id": "none" }, "limit": 1 }],
            "collectionUUID": wrong,
        };
        let database = self.cluster.client.database(OWN_DATABASE);
        match database.run_raw_command(command).await {
            Ok(reply) => Ok(mentions_mismatch(&reply)),
            Err(error) => match errors::name_collection(&error, &self.namespace) {
                Some(lost) => Ok(matches!(lost, ClusterError::CollectionReplaced(_))),
                None => tolerate(errors::of_write(&error)).map(|()| false),
            },
        }
    }

    async fn has_transactions(&self) -> Result<bool, ClusterError> {
        let mut session = match self.cluster.client.start_session().await {
            Ok(session) => session,
            Err(error) => return tolerate(errors::of_read(&error)).map(|()| false),
        };
        session.start_transaction().await.map_err(|error| errors::of_transaction(&error))?;
        let insert = rawdoc! {
            "insert": self.namespace.collection.as_str(),
            "documents": [{ "_id": "transaction" }],
        };
        let database = self.cluster.client.database(OWN_DATABASE);
        let inserted = database.run_raw_command(insert).session(&mut session).await;
        // A transaction that nobody ends is aborted by the server in time.
        let aborted = session.abort_transaction().await;
        if let Some(error) = inserted.err().or(aborted.err()) {
            return tolerate(errors::of_transaction(&error)).map(|()| false);
        }
        let left = self.cluster.find_by_ids(&self.namespace, &["transaction".into()]).await?;
        Ok(left.is_empty())
    }

    async fn has_time_series(&self) -> Result<bool, ClusterError> {
        let name = format!("{}_ts", self.namespace.collection);
        let create = rawdoc! { "create": name.as_str(), "timeseries": { "timeField": "t" } };
        if let Err(error) = self.cluster.tell(OWN_DATABASE, create).await {
            return tolerate(error).map(|()| false);
        }
        let namespace = Namespace { database: OWN_DATABASE.into(), collection: name.clone() };
        let info = self.cluster.collection(&namespace).await?;
        self.cluster.tell(OWN_DATABASE, rawdoc! { "drop": name.as_str() }).await?;
        Ok(info.is_some_and(|info| info.kind == CollectionKind::TimeSeries))
    }

    /// What the guard lets through that it should not, or cannot do; `None` when it holds.
    async fn guard_flaw(&self) -> Result<Option<String>, ClusterError> {
        let cases = cases();
        self.insert(cases.iter().map(|case| &case.stored)).await?;
        for case in &cases {
            match self.delete(&case.archived, HOUR_MS).await {
                Ok(0) => {}
                Ok(_) => return Ok(Some(format!("it deletes a document {}", case.change))),
                Err(error) => return tolerate_guard(error),
            }
        }
        if let Some(flaw) = self.deadline_flaw().await? {
            return Ok(Some(flaw));
        }
        self.race_flaw().await
    }

    async fn deadline_flaw(&self) -> Result<Option<String>, ClusterError> {
        let document = rawdoc! { "_id": "deadline", "s": "a", "d": 1.5, "a": [1, { "x": null }] };
        self.insert([&document]).await?;
        if self.delete(&document, -HOUR_MS).await? != 0 {
            return Ok(Some("it deletes after its deadline".into()));
        }
        if self.delete(&document, HOUR_MS).await? != 1 {
            return Ok(Some("it does not delete an equal document".into()));
        }
        Ok(None)
    }

    /// Lets an update and a guarded delete meet over two connections: an acknowledged update must
    /// still be there.
    async fn race_flaw(&self) -> Result<Option<String>, ClusterError> {
        for round in 0..RACES {
            let id = RawBson::String(format!("race{round}"));
            let mut document = RawDocumentBuf::new();
            document.append(cstr!("_id"), id.as_raw_bson_ref());
            document.append(cstr!("v"), round);
            self.insert([&document]).await?;
            let (updated, _deleted) =
                futures::try_join!(self.update(&id), self.delete(&document, HOUR_MS))?;
            let left = self.cluster.find_by_ids(&self.namespace, &[id]).await?;
            if updated == 1 && left.is_empty() {
                return Ok(Some("it deletes a document that was updated meanwhile".into()));
            }
        }
        Ok(None)
    }

    async fn insert<'d>(
        &self,
        documents: impl IntoIterator<Item = &'d RawDocumentBuf>,
    ) -> Result<(), ClusterError> {
        let mut list = RawArrayBuf::new();
        documents.into_iter().for_each(|document| list.push(document));
        let command = rawdoc! { "insert": self.namespace.collection.as_str(), "documents": list };
        let reply = self.cluster.tell(OWN_DATABASE, command).await?;
        match reply.get_array("writeErrors") {
            Ok(errors) if !errors.is_empty() => {
                Err(ClusterError::Internal(format!("the scratch insert failed: {errors:?}")))
            }
            _ => Ok(()),
        }
    }

    async fn update(&self, id: &RawBson) -> Result<u64, ClusterError> {
        let mut filter = RawDocumentBuf::new();
        filter.append(cstr!("_id"), id.as_raw_bson_ref());
        let command = rawdoc! {
            "update": self.namespace.collection.as_str(),
            "updates": [{ "q": filter, "u": { "$set": { "paid": true } } }],
        };
        let reply = self.cluster.tell(OWN_DATABASE, command).await?;
        replies::count(&reply, "n")
    }

    async fn delete(
        &self,
        document: &RawDocumentBuf,
        from_now_ms: i64,
    ) -> Result<u64, ClusterError> {
        let deadline_ms = self.cluster.clock_ms().await?.saturating_add(from_now_ms);
        let request = DeleteRequest {
            uuid: self.uuid,
            shard_key: None,
            documents: std::slice::from_ref(document),
            level: GuardLevel::L1,
            deadline_ms,
        };
        let deleted = self.cluster.delete_guarded(&self.namespace, &request).await?;
        match deleted.refused.first() {
            Some(refused) if errors::is_refusal(refused.code) => {
                Err(ClusterError::Unsupported(refused.message.clone()))
            }
            Some(refused) => Err(ClusterError::Unavailable(refused.message.clone())),
            None => Ok(deleted.n),
        }
    }
}

fn mentions_mismatch(reply: &Document) -> bool {
    let errors = reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(bson::Bson::as_document).any(|error| {
        replies::count(error, "code").is_ok_and(|code| {
            i32::try_from(code).is_ok_and(|code| code == errors::COLLECTION_UUID_MISMATCH)
        })
    })
}

/// That the server cannot do something is an answer; that it could not be found out is an error of the
/// probe, and says nothing of the level.
fn tolerate(error: ClusterError) -> Result<(), ClusterError> {
    if errors::says_cannot(&error) { Ok(()) } else { Err(error) }
}

fn tolerate_guard(error: ClusterError) -> Result<Option<String>, ClusterError> {
    let text = error.to_string();
    tolerate(error).map(|()| Some(format!("the server cannot evaluate the guard: {text}")))
}

/// A document as it was archived and as a client left it afterwards.
struct Case {
    change: &'static str,
    archived: RawDocumentBuf,
    stored: RawDocumentBuf,
}

fn case(
    change: &'static str,
    archive: impl Fn(&mut RawDocumentBuf),
    store: impl Fn(&mut RawDocumentBuf),
) -> Case {
    let with_id = |fill: &dyn Fn(&mut RawDocumentBuf)| {
        let mut document = rawdoc! { "_id": change };
        fill(&mut document);
        document
    };
    Case { change, archived: with_id(&archive), stored: with_id(&store) }
}

/// Changes that a field-by-field equality lets through.
fn cases() -> Vec<Case> {
    vec![
        case("with a field added", |_| {}, |d| d.append(cstr!("b"), "paid")),
        case("with a null removed", |d| d.append(cstr!("a"), RawBson::Null), |_| {}),
        case(
            "whose scalar became an array",
            |d| d.append(cstr!("a"), 5),
            |d| d.append(cstr!("a"), array([5.into(), 6.into()])),
        ),
        case(
            "whose array was wrapped",
            |d| d.append(cstr!("a"), array([1.into(), 2.into()])),
            |d| d.append(cstr!("a"), array([array([1.into(), 2.into()]).into()])),
        ),
        case(
            "whose nested integer became a double",
            |d| d.append(cstr!("o"), rawdoc! { "x": 1 }),
            |d| d.append(cstr!("o"), rawdoc! { "x": 1.0 }),
        ),
        case(
            "whose integer became a long",
            |d| d.append(cstr!("n"), 1),
            |d| d.append(cstr!("n"), 1_i64),
        ),
        case(
            "whose fields changed places",
            |d| {
                d.append(cstr!("a"), 1);
                d.append(cstr!("b"), 2);
            },
            |d| {
                d.append(cstr!("b"), 2);
                d.append(cstr!("a"), 1);
            },
        ),
        case(
            "whose nested fields changed places",
            |d| d.append(cstr!("o"), rawdoc! { "a": 1, "b": 2 }),
            |d| d.append(cstr!("o"), rawdoc! { "b": 2, "a": 1 }),
        ),
        case(
            "with other letter case",
            |d| d.append(cstr!("s"), "abc"),
            |d| d.append(cstr!("s"), "ABC"),
        ),
        case(
            "whose date became a timestamp",
            |d| d.append(cstr!("t"), bson::DateTime::from_millis(1000)),
            |d| d.append(cstr!("t"), bson::Timestamp { time: 0, increment: 1000 }),
        ),
        case(
            "with another value of equal size",
            |d| d.append(cstr!("s"), "abc"),
            |d| d.append(cstr!("s"), "abd"),
        ),
        case(
            "whose value looks like an operator",
            |d| d.append(cstr!("o"), rawdoc! { "$gt": 0 }),
            |d| d.append(cstr!("o"), rawdoc! { "$gt": 1 }),
        ),
    ]
}

fn array<const N: usize>(values: [RawBson; N]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    values.into_iter().for_each(|value| array.push(value));
    array
}

#[cfg(test)]
mod tests;
