//! Tailable cursors: a capped collection read in the order of insertion, and on, as documents come.
//!
//! Only capped collections have them (MongoDB manual, "Tailable Cursors"). A cursor whose place was
//! removed by newer documents ends with an error. What is not here: waiting, which `wire` does.

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Filter, Projection};
use portolan_wire::{Command, CommandError, Reply, Tail, TailBatch, TailReply};
use tokio::sync::watch;

use super::Call;
use super::find::batch_size;
use super::reading::Reading;
use crate::error::{Failure, codes, refuse};
use crate::store::{Collection, ReadTable, Readable, RecordId, Store, record_id};

/// Documents that one step looks at, at most.
const STEP_DOCUMENTS: usize = 1_000;
/// Bytes of one batch, so that it fits a reply.
const BATCH_BYTES: usize = 15 * 1024 * 1024;

/// Whether the command asks for a cursor that stays open.
pub(crate) fn is_asked(command: &Command) -> Result<bool, Failure> {
    let tailable = command.get_bool("tailable")?.unwrap_or(false);
    if !tailable && command.get_bool("awaitData")?.unwrap_or(false) {
        let message = "Cannot set 'awaitData' without also setting 'tailable'";
        return Err(refuse(codes::FAILED_TO_PARSE, message));
    }
    Ok(tailable)
}

pub(crate) async fn run(call: Call, namespace: Namespace) -> Result<Reply, Failure> {
    for option in ["sort", "skip", "min", "max", "returnKey", "showRecordId"] {
        let set = match option {
            "sort" => call.command.get_document(option)?.is_some_and(|sort| !sort.is_empty()),
            _ => call.command.has(option),
        };
        if set {
            let message = format!("'{option}' cannot be used with a tailable cursor here");
            return Err(refuse(codes::BAD_VALUE, message));
        }
    }
    let batch_size = batch_size(call.command.get_u64("batchSize")?);
    let awaits = call.command.get_bool("awaitData")?.unwrap_or(false);
    let ns = namespace.to_string();
    let follow = call.blocking(move |call| follow(call, namespace)).await?;
    Ok(Reply::Tail(TailReply { namespace: ns, tail: Box::new(follow), batch_size, awaits }))
}

fn follow(call: &Call, namespace: Namespace) -> Result<Follow, Failure> {
    let reading = Reading::new(call, &call.patience()?)?;
    let resolved = reading.resolve(&namespace)?;
    let context = reading.context(resolved.collation.as_ref())?;
    let command = &call.command;
    let empty = RawDocumentBuf::new();
    let filter = Filter::parse(command.get_document("filter")?.unwrap_or(&empty), &context)?;
    let projection = command.get_document("projection")?.filter(|fields| !fields.is_empty());
    if resolved.entry.as_ref().is_some_and(|entry| entry.options.capped().is_none()) {
        let message = format!(
            "error processing query: ns={namespace} tailable cursor requested on non capped \
             collection"
        );
        return Err(refuse(codes::BAD_VALUE, message));
    }
    let store = call.engine.store.clone();
    Ok(Follow {
        ticks: store.ticks(),
        store,
        what: Arc::new(What {
            namespace,
            uuid: resolved.entry.map(|entry| entry.uuid),
            filter,
            projection: projection.map(|fields| Projection::parse(fields, &context)).transpose()?,
        }),
        last: None,
    })
}

/// What is followed.
struct What {
    namespace: Namespace,
    /// `None` when there was no collection: then nothing comes.
    uuid: Option<[u8; 16]>,
    filter: Filter,
    projection: Option<Projection>,
}

/// A cursor at its place.
struct Follow {
    store: Arc<Store>,
    ticks: watch::Receiver<u64>,
    what: Arc<What>,
    /// The last record that was looked at.
    last: Option<RecordId>,
}

#[async_trait]
impl Tail for Follow {
    async fn read(&mut self, documents_max: Option<u64>) -> Result<TailBatch, CommandError> {
        self.ticks.mark_unchanged();
        let (store, what, last) = (self.store.clone(), self.what.clone(), self.last);
        let work = move || what.read(&store, last, documents_max);
        let read = self.store.runtime.spawn_blocking(work).await;
        let (batch, last) = read.map_err(|error| CommandError::internal(error.to_string()))??;
        self.last = last;
        Ok(batch)
    }

    async fn changed(&mut self) {
        if self.ticks.changed().await.is_err() {
            // The store is gone, and nothing comes any more.
            std::future::pending::<()>().await;
        }
    }
}

impl What {
    fn read(
        &self,
        store: &Store,
        last: Option<RecordId>,
        documents_max: Option<u64>,
    ) -> Result<(TailBatch, Option<RecordId>), Failure> {
        let mut batch = TailBatch::default();
        let Some(uuid) = self.uuid else {
            batch.closed = true;
            return Ok((batch, last));
        };
        let snapshot = store.snapshot()?;
        let found = snapshot.collection(&self.namespace)?.filter(|now| now.entry.uuid == uuid);
        let collection = found.ok_or_else(|| {
            let message = format!("the collection {} was dropped", self.namespace);
            refuse(codes::QUERY_PLAN_KILLED, message)
        })?;
        let last = self.fill(&collection, last, documents_max, &mut batch)?;
        // A cursor on an empty collection has no place to stay at, as on MongoDB.
        batch.closed = last.is_none();
        Ok((batch, last))
    }

    fn fill(
        &self,
        collection: &Collection<ReadTable>,
        last: Option<RecordId>,
        documents_max: Option<u64>,
        batch: &mut TailBatch,
    ) -> Result<Option<RecordId>, Failure> {
        let place = last.map(RecordId::to_be_bytes);
        if let Some(place) = &place
            && collection.data.get(place.as_slice())?.is_none()
        {
            let message = "CollectionScan died due to position in capped collection being deleted";
            return Err(refuse(codes::CAPPED_POSITION_LOST, message));
        }
        let low =
            place.as_ref().map_or(Bound::Unbounded, |place| Bound::Excluded(place.as_slice()));
        let (mut last, mut bytes, mut looked) = (last, 0, 0);
        for row in collection.data.range(low, Bound::Unbounded, false)? {
            let full = documents_max.is_some_and(|max| batch.documents.len() as u64 >= max);
            if full || bytes >= BATCH_BYTES {
                break;
            }
            if looked == STEP_DOCUMENTS {
                batch.unfinished = batch.documents.is_empty();
                break;
            }
            let (record, document) = row?;
            let document = RawDocument::from_bytes(document.value())?;
            (last, looked) = (Some(record_id(record.value())?), looked + 1);
            if self.filter.matches(document)? {
                let shown = match &self.projection {
                    Some(projection) => projection.apply(document)?,
                    None => document.to_owned(),
                };
                bytes += shown.as_bytes().len();
                batch.documents.push(shown);
            }
        }
        Ok(last)
    }
}
