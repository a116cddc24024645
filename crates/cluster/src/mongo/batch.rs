//! A batch deleted or inserted by one transaction, all or nothing. To delete: the fence moves, the
//! documents are compared byte by byte with what was archived, equal ones go, and the others are
//! recorded. To insert: the fence notes the step, and what is there already is left as it is.

use bson::raw::{RawArrayBuf, cstr};
use bson::{Document, RawBson, RawDocument, RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use mongodb::ClientSession;
use mongodb::options::{Acknowledgment, ReadConcern, WriteConcern};
use portolan_model::Namespace;

use super::fence::{DUPLICATE_KEY, place};
use super::{MongoCluster, OWN_DATABASE, UUID_TAKEN, delete, errors, replies};
use crate::fence::{self, FENCES, KEPT};
use crate::guard::{batch_statement, ids_filter};
use crate::{
    BatchOutcome, BatchRequest, ClusterError, FencedBatch, FencedStep, Holder, Inserted,
    NotInserted,
};

/// How often a commit is sent whose answer was lost; the driver repeats each once.
const COMMITS: u32 = 2;

/// Documents in one reply of the look-up: a batch has no more.
const LOOK_UP_MAX: u32 = 1_000;

pub(super) async fn run(
    cluster: &MongoCluster,
    namespace: &Namespace,
    request: &BatchRequest<'_>,
) -> Result<BatchOutcome, ClusterError> {
    let mut session = begin(cluster).await?;
    let mut batch = Batch { cluster, namespace, session: &mut session };
    let outcome = batch.work(request).await;
    end(session, outcome).await
}

/// Inserts what is not there. A document that the server refuses for another reason, such as a unique
/// index, ends the transaction; the others are sent again without it.
pub(super) async fn insert(
    cluster: &MongoCluster,
    namespace: &Namespace,
    documents: &[RawDocumentBuf],
    step: &FencedStep<'_>,
) -> Result<Inserted, ClusterError> {
    // Not every server makes collections inside transactions.
    super::fence::create(cluster, namespace).await?;
    let mut refused = Vec::new();
    loop {
        let mut session = begin(cluster).await?;
        let mut batch = Batch { cluster, namespace, session: &mut session };
        match batch.insert(documents, step, &refused).await {
            Ok(Attempt::Refused(document)) => {
                abort(&mut session).await;
                refused.push(document);
            }
            Ok(Attempt::Inserted(done)) => return end(session, Ok(done)).await,
            Err(error) => return end(session, Err(error)).await,
        }
    }
}

/// Forgets the records of confirmed moves, under the fence and together with their count.
pub(super) async fn clear_kept(
    cluster: &MongoCluster,
    holder: &Holder<'_>,
    seq: i64,
) -> Result<(), ClusterError> {
    let mut session = begin(cluster).await?;
    let mut batch = Batch { cluster, namespace: &place(KEPT), session: &mut session };
    let cleared = batch.clear(holder, seq).await;
    end(session, cleared).await
}

/// What one attempt to insert a batch came to.
enum Attempt {
    Inserted(Inserted),
    Refused(NotInserted),
}

/// Commits what was done, or gives it up.
async fn end<T>(
    mut session: ClientSession,
    outcome: Result<T, ClusterError>,
) -> Result<T, ClusterError> {
    match outcome {
        Ok(outcome) => commit(&mut session).await.map(|()| outcome),
        Err(error) => {
            abort(&mut session).await;
            Err(error)
        }
    }
}

/// Whatever becomes of this, a transaction without a commit has no effect.
async fn abort(session: &mut ClientSession) {
    if let Err(error) = session.abort_transaction().await {
        tracing::debug!(%error, "a transaction was not aborted; the server does it");
    }
}

/// A session in a transaction that sees one moment and is acknowledged by the majority.
pub(super) async fn begin(cluster: &MongoCluster) -> Result<ClientSession, ClusterError> {
    cluster.watch.check()?;
    let mut session =
        cluster.client.start_session().await.map_err(|error| errors::of_transaction(&error))?;
    let majority = WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .w_timeout(delete::majority_wait())
        .build();
    session
        .start_transaction()
        .read_concern(ReadConcern::snapshot())
        .write_concern(majority)
        .await
        .map_err(|error| errors::of_transaction(&error))?;
    Ok(session)
}

/// Commits. What is not plainly an abort leaves the outcome open.
pub(super) async fn commit(session: &mut ClientSession) -> Result<(), ClusterError> {
    let mut sent = 1;
    loop {
        match session.commit_transaction().await.map_err(|error| errors::of_commit(&error)) {
            Err(ClusterError::Unknown(_)) if sent < COMMITS => sent += 1,
            other => return other,
        }
    }
}

struct Batch<'a> {
    cluster: &'a MongoCluster,
    namespace: &'a Namespace,
    session: &'a mut ClientSession,
}

impl Batch<'_> {
    async fn work(&mut self, request: &BatchRequest<'_>) -> Result<BatchOutcome, ClusterError> {
        if let Some(fenced) = &request.fenced {
            self.advance(fenced).await?;
        }
        let live = self.look_up(request.documents).await?;
        let outcome = fence::sort_batch(request, &live);
        self.delete(request, &outcome.deleted).await?;
        if let Some(fenced) = &request.fenced {
            self.record(fenced, request.identities, &outcome.not_deleted()).await?;
        }
        Ok(outcome)
    }

    async fn advance(&mut self, fenced: &FencedBatch<'_>) -> Result<(), ClusterError> {
        let update = fence::done_update(fenced);
        self.update_fence(fence::before_filter(fenced), update).await
    }

    async fn insert(
        &mut self,
        documents: &[RawDocumentBuf],
        step: &FencedStep<'_>,
        refused: &[NotInserted],
    ) -> Result<Attempt, ClusterError> {
        self.update_fence(fence::before_step_filter(step), fence::step_update(step)).await?;
        let live = self.look_up(documents).await?;
        let missing = fence::not_there(documents, &live, step.shard_key);
        let mut done = Inserted { n: 0, refused: refused.to_vec() };
        let there = (0..documents.len()).filter(|at| !missing.iter().any(|(index, _)| index == at));
        done.refused.extend(there.map(already_there));
        let wanted: Vec<_> = missing
            .into_iter()
            .filter(|(at, _)| !refused.iter().any(|refused| refused.index == *at))
            .collect();
        let Some(first_refused) = self.send(&wanted).await? else {
            done.n = wanted.len() as u64;
            return Ok(Attempt::Inserted(done));
        };
        Ok(Attempt::Refused(first_refused))
    }

    /// Sends documents to be inserted; gives the first that is refused.
    async fn send(
        &mut self,
        documents: &[(usize, &RawDocumentBuf)],
    ) -> Result<Option<NotInserted>, ClusterError> {
        if documents.is_empty() {
            return Ok(None);
        }
        let mut list = RawArrayBuf::new();
        documents.iter().for_each(|(_, document)| list.push((*document).clone()));
        let command = rawdoc! { "insert": self.namespace.collection.as_str(), "documents": list };
        let database = self.cluster.client.database(&self.namespace.database);
        let sent = database.run_raw_command(command).session(&mut *self.session).await;
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => return Err(errors::of_transaction(&error)),
        };
        let Some((code, message)) = replies::write_error(&reply) else { return Ok(None) };
        let at = replies::write_error_index(&reply).unwrap_or(0);
        let index = documents.get(at).map_or(0, |(index, _)| *index);
        Ok(Some(NotInserted { index, code, message }))
    }

    async fn clear(&mut self, holder: &Holder<'_>, seq: i64) -> Result<(), ClusterError> {
        let mut filter = fence::held_filter(holder);
        filter.append(cstr!("seq"), rawdoc! { "$lte": seq });
        self.update_fence(filter, rawdoc! { "$set": { "kept": 0_i64 } }).await?;
        let records = fence::kept_filter(holder.uuid, i64::MIN, seq);
        let delete = rawdoc! { "delete": KEPT, "deletes": [{ "q": records, "limit": 0 }] };
        self.tell(OWN_DATABASE, delete).await.map(|_| ())
    }

    async fn update_fence(
        &mut self,
        filter: RawDocumentBuf,
        update: RawDocumentBuf,
    ) -> Result<(), ClusterError> {
        let command = rawdoc! { "update": FENCES, "updates": [{ "q": filter, "u": update }] };
        let reply = self.tell(OWN_DATABASE, command).await?;
        if replies::count(&reply, "n")? == 1 { Ok(()) } else { Err(ClusterError::Fenced) }
    }

    async fn look_up(
        &mut self,
        documents: &[RawDocumentBuf],
    ) -> Result<Vec<RawDocumentBuf>, ClusterError> {
        let ids: Vec<RawBson> = documents.iter().filter_map(|document| id_of(document)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = rawdoc! { "find": self.namespace.collection.as_str() };
        command.append(cstr!("filter"), ids_filter(&ids));
        command.append(cstr!("batchSize"), i64::from(LOOK_UP_MAX));
        let database = self.cluster.client.database(&self.namespace.database);
        let cursor = database
            .run_raw_cursor_command(command)
            .session(&mut *self.session)
            .await
            .map_err(|error| errors::of_transaction(&error))?;
        let mut cursor = cursor.with_type::<RawDocumentBuf>();
        let found = cursor.stream(self.session).try_collect().await;
        found.map_err(|error| errors::of_transaction(&error))
    }

    async fn delete(
        &mut self,
        request: &BatchRequest<'_>,
        indexes: &[usize],
    ) -> Result<(), ClusterError> {
        let takes_uuid = self.cluster.takes_uuid() == UUID_TAKEN;
        if !indexes.is_empty() {
            let command = delete_command(self.namespace, request, indexes, takes_uuid)?;
            let reply = self.tell(&self.namespace.database, command).await?;
            let n = replies::count(&reply, "n")?;
            if n != indexes.len() as u64 {
                let expected = indexes.len();
                return Err(ClusterError::Aborted(format!("{n} of {expected} documents went")));
            }
        }
        if takes_uuid {
            return Ok(());
        }
        // The deletes hold the collection, so that it cannot be another one before the commit.
        delete::check_uuid(self.cluster, self.namespace, request.uuid).await
    }

    async fn record(
        &mut self,
        fenced: &FencedBatch<'_>,
        identities: &[Vec<u8>],
        indexes: &[usize],
    ) -> Result<(), ClusterError> {
        if indexes.is_empty() {
            return Ok(());
        }
        let kept = indexes.iter().filter_map(|&index| identities.get(index).cloned());
        let document = fence::kept_document(fenced, kept);
        let command = rawdoc! { "insert": KEPT, "documents": [document] };
        self.tell(OWN_DATABASE, command).await?;
        let held = fence::held_filter(&fenced.holder);
        self.update_fence(held, rawdoc! { "$inc": { "kept": 1_i64 } }).await
    }

    /// Runs a command of the transaction. A statement that was refused ends it.
    async fn tell(
        &mut self,
        database: &str,
        command: RawDocumentBuf,
    ) -> Result<Document, ClusterError> {
        let database = self.cluster.client.database(database);
        let sent = database.run_raw_command(command).session(&mut *self.session).await;
        let reply = sent.map_err(|error| {
            errors::name_collection(&error, self.namespace)
                .unwrap_or_else(|| errors::of_transaction(&error))
        })?;
        match reply.get_array("writeErrors").map(Vec::as_slice) {
            Ok([first, ..]) => Err(ClusterError::Aborted(format!("a statement failed: {first}"))),
            _ => Ok(reply),
        }
    }
}

fn delete_command(
    namespace: &Namespace,
    request: &BatchRequest<'_>,
    indexes: &[usize],
    takes_uuid: bool,
) -> Result<RawDocumentBuf, ClusterError> {
    let deadline_ms = request.fenced.is_none().then_some(request.deadline_ms);
    let mut statements = RawArrayBuf::new();
    for document in indexes.iter().filter_map(|&index| request.documents.get(index)) {
        statements.push(batch_statement(document, deadline_ms, request.shard_key)?);
    }
    let mut command = rawdoc! {
        "delete": namespace.collection.as_str(),
        "deletes": statements,
        "ordered": true,
    };
    if let Some(uuid) = request.uuid.filter(|_| takes_uuid) {
        command.append(cstr!("collectionUUID"), fence::uuid_binary(uuid));
    }
    Ok(command)
}

fn already_there(index: usize) -> NotInserted {
    let message = "a document with this _id is there".to_owned();
    NotInserted { index, code: DUPLICATE_KEY, message }
}

fn id_of(document: &RawDocument) -> Option<RawBson> {
    document.get("_id").ok().flatten().map(RawBson::from)
}
