//! The one writer: it takes the writes that wait, runs them one after another in one redb
//! transaction, makes it durable with one fsync, and only then answers all of them.
//!
//! A refused statement writes nothing (see `collection`), so writes that share a transaction do
//! not disturb each other. Writes that cannot promise this, such as building an index, ask for a
//! transaction of their own, which is given up when they fail.

use std::collections::VecDeque;
use std::sync::Arc;

use portolan_model::Namespace;
use portolan_runtime::InjectedFault;
use portolan_wire::CommandError;
use redb::{Durability, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::log::{ChangeLog, Event};
use super::retries::Retries;
use super::{
    CATALOG, Catalog, CollectionEntry, CollectionOptions, CollectionWriter, META, META_TICK,
    Operation, Private, RetryKey, RetryRecord, SIZES, Store, Target, WriteTable, definition,
};
use crate::commands::fields::Moment;
use crate::error::{Failure, codes, refuse, storage_error};

/// Writes that share a transaction at most.
const BATCH_MAX: usize = 256;
/// Writes that wait at most; more clients wait for a place.
const QUEUE_MAX: usize = 1024;
/// Time between two rounds of forgetting ended sessions.
const FORGET_EVERY_MS: i64 = 5 * 60 * 1000;

/// A write transaction as one write sees it.
pub(crate) struct Writing<'t> {
    target: Target<'t>,
    pub(crate) now_ms: i64,
    runtime: &'t portolan_runtime::Runtime,
}

impl<'t> Writing<'t> {
    /// Writes of an open transaction, which nobody else sees.
    pub(crate) fn private(private: &'t Private, runtime: &'t portolan_runtime::Runtime) -> Self {
        Self { target: Target::Private(private), now_ms: runtime.now_ms(), runtime }
    }

    /// When the write runs.
    pub(crate) fn moment(&self) -> Moment {
        Moment::at(self.now_ms, self.runtime)
    }

    /// The catalog. Must be dropped before another part of the transaction opens it again.
    pub(crate) fn catalog(&self) -> Result<Catalog<WriteTable<'t>>, Failure> {
        Ok(Catalog::new(self.target.table(CATALOG)?))
    }

    /// The collection's row in the catalog.
    pub(crate) fn entry(&self, namespace: &Namespace) -> Result<Option<CollectionEntry>, Failure> {
        self.catalog()?.get(namespace)
    }

    /// Opens a collection for writing.
    pub(crate) fn open(&self, entry: CollectionEntry) -> Result<CollectionWriter<'t>, Failure> {
        CollectionWriter::open(self.target, entry)
    }

    /// Makes an empty collection.
    pub(crate) fn create(&self, namespace: &Namespace) -> Result<CollectionEntry, Failure> {
        self.create_with(namespace, CollectionOptions::default(), false)
    }

    /// Makes an empty collection, or a view. With `images` the change log keeps documents as they
    /// were before and after a change.
    pub(crate) fn create_with(
        &self,
        namespace: &Namespace,
        options: CollectionOptions,
        images: bool,
    ) -> Result<CollectionEntry, Failure> {
        let mut entry = CollectionEntry::new(namespace.clone(), self.runtime.uuid_v4());
        (entry.options, entry.images) = (options, images);
        self.catalog()?.put(&entry)?;
        if !entry.options.is_view() {
            self.open(entry.clone())?.finish()?;
        }
        self.target.keep(|| Operation::Create(entry.clone()))?;
        Ok(entry)
    }

    /// Opens a collection for writing and makes it first if there is none.
    pub(crate) fn open_or_create(
        &self,
        namespace: &Namespace,
    ) -> Result<CollectionWriter<'t>, Failure> {
        let entry = match self.entry(namespace)? {
            Some(entry) => entry,
            None => self.create(namespace)?,
        };
        self.open(entry)
    }

    /// Stores what an open collection has to remember. Its last use.
    pub(crate) fn finish(&self, collection: CollectionWriter<'t>) -> Result<(), Failure> {
        collection.finish()
    }

    /// Removes a collection, and says so in the change log.
    pub(crate) fn drop_collection(&self, entry: &CollectionEntry) -> Result<(), Failure> {
        self.remove_collection(entry)?;
        self.log(Event::new("drop", &entry.namespace, entry.uuid))
    }

    /// Adds an event to the change log, of what is not the change of a document.
    pub(crate) fn log(&self, event: Event) -> Result<(), Failure> {
        self.target.log(event)
    }

    /// Refuses to index a collection in a transaction that did not make it, or filled it.
    pub(crate) fn check_indexable(&self, collection: &CollectionWriter<'_>) -> Result<(), Failure> {
        let in_file = matches!(self.target, Target::File { .. });
        let empty = in_file || collection.tables.count()? == 0;
        if empty && self.target.may_index(collection.tables.entry.uuid) {
            return Ok(());
        }
        Err(super::target::not_in_transaction())
    }

    /// Says that indexes were made: in the change log, or for the commit.
    pub(crate) fn keep_indexes(
        &self,
        namespace: &Namespace,
        uuid: [u8; 16],
        indexes: Vec<super::IndexEntry>,
    ) -> Result<(), Failure> {
        let namespace = namespace.clone();
        self.target.keep(|| Operation::CreateIndexes { namespace, uuid, indexes })
    }

    /// The changes that follow are those of one transaction.
    pub(super) fn begin_group(&self, key: &RetryKey) {
        self.target.begin_group(key);
    }

    /// Removes a collection and its tables.
    pub(crate) fn remove_collection(&self, entry: &CollectionEntry) -> Result<(), Failure> {
        let tx = self.target.file()?;
        self.catalog()?.remove(&entry.namespace)?;
        tx.open_table(definition(SIZES))?.remove(entry.uuid.as_slice())?;
        tx.delete_table(definition(&entry.data_table()))?;
        tx.delete_table(definition(&entry.ids_table()))?;
        for index in &entry.indexes {
            self.drop_index_table(entry, index)?;
        }
        Ok(())
    }

    /// Removes the table of an index.
    pub(crate) fn drop_index_table(
        &self,
        entry: &CollectionEntry,
        index: &super::IndexEntry,
    ) -> Result<(), Failure> {
        self.target.file()?.delete_table(definition(&entry.index_table(index)))?;
        Ok(())
    }

    /// What was answered when this numbered write was done before.
    pub(crate) fn done_before(&self, key: &RetryKey) -> Result<Option<RetryRecord>, Failure> {
        Retries::open(self.target.file()?)?.find(key)
    }

    /// Remembers the answer to a numbered write.
    pub(crate) fn remember(&self, key: &RetryKey, record: &RetryRecord) -> Result<(), Failure> {
        Retries::open(self.target.file()?)?.put(key, record, self.now_ms)
    }
}

/// A write that waits for its turn.
trait Write: Send {
    /// Does the work. `Err` means that the store failed and the transaction must be given up.
    fn run(&mut self, writing: &Writing<'_>) -> Result<(), Failure>;
    /// Whether the work was refused. Matters for writes with a transaction of their own.
    fn refused(&self) -> bool;
    /// Answers, once it is known what became of the transaction.
    fn answer(self: Box<Self>, committed: Result<(), CommandError>);
}

struct Queued<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, CommandError>>,
    reply: oneshot::Sender<Result<T, CommandError>>,
}

impl<T: Send, F> Write for Queued<T, F>
where
    F: FnOnce(&Writing<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, writing: &Writing<'_>) -> Result<(), Failure> {
        let Some(work) = self.work.take() else { return Ok(()) };
        match work(writing) {
            Ok(done) => self.outcome = Some(Ok(done)),
            Err(Failure::Refused(error)) => self.outcome = Some(Err(*error)),
            Err(storage @ Failure::Storage(_)) => return Err(storage),
        }
        Ok(())
    }

    fn refused(&self) -> bool {
        matches!(self.outcome, Some(Err(_)))
    }

    fn answer(self: Box<Self>, committed: Result<(), CommandError>) {
        let outcome = match (self.outcome, committed) {
            // A refusal wrote nothing: it stands whatever became of the transaction.
            (Some(Err(refusal)), _) => Err(refusal),
            (Some(Ok(done)), Ok(())) => Ok(done),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(CommandError::internal("the write was not run")),
        };
        // Who asked may be gone; the write stands.
        let _gone = self.reply.send(outcome);
    }
}

struct Request {
    write: Box<dyn Write>,
    alone: bool,
}

/// Where writes queue up.
#[derive(Clone)]
pub(crate) struct WriteQueue {
    sender: mpsc::Sender<Request>,
}

impl WriteQueue {
    /// Starts the writer. It ends when the last handle of the queue is dropped.
    pub(crate) fn start(store: Arc<Store>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let runtime = store.runtime.clone();
        runtime.spawn("sandbox.writer", write_loop(store, receiver));
        Self { sender }
    }

    /// Does `work` in a transaction that it may share, and returns when that is durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: FnOnce(&Writing<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.enqueue(work, false).await
    }

    /// Does `work` in a transaction of its own, which is given up when `work` fails.
    pub(crate) async fn write_alone<T, F>(&self, work: F) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: FnOnce(&Writing<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.enqueue(work, true).await
    }

    async fn enqueue<T, F>(&self, work: F, alone: bool) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: FnOnce(&Writing<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write = Box::new(Queued { work: Some(work), outcome: None, reply });
        let sent = self.sender.send(Request { write, alone }).await;
        sent.map_err(|_| CommandError::new(codes::SHUTDOWN_IN_PROGRESS, "the cluster is closed"))?;
        answer.await.unwrap_or_else(|_| Err(outcome_unknown("the writer stopped")))
    }
}

/// What a client is told when a write may or may not be durable. Drivers may retry numbered writes.
fn outcome_unknown(reason: &str) -> CommandError {
    let message = format!("whether the write took place is not known: {reason}");
    CommandError::new(codes::INTERRUPTED_AT_SHUTDOWN, message).with_label("RetryableWriteError")
}

async fn write_loop(store: Arc<Store>, mut receiver: mpsc::Receiver<Request>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    let mut forget_at_ms = i64::MIN;
    while receiver.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let mut requests: VecDeque<Request> = waiting.drain(..).collect();
        while let Some(first) = requests.pop_front() {
            let mut batch = vec![first.write];
            while !first.alone && requests.front().is_some_and(|next| !next.alone) {
                batch.extend(requests.pop_front().map(|next| next.write));
            }
            let now_ms = store.runtime.now_ms();
            let forget = now_ms >= forget_at_ms;
            if forget {
                forget_at_ms = now_ms.saturating_add(FORGET_EVERY_MS);
            }
            commit(&store, Batch { writes: batch, alone: first.alone, now_ms, forget }).await;
        }
    }
}

struct Batch {
    writes: Vec<Box<dyn Write>>,
    alone: bool,
    now_ms: i64,
    forget: bool,
}

/// The commit passes an effect point: a fault there shows what a failing disk shows.
async fn commit(store: &Arc<Store>, batch: Batch) {
    struct Lost(InjectedFault);
    impl From<InjectedFault> for Lost {
        fn from(fault: InjectedFault) -> Self {
            Self(fault)
        }
    }
    let blocking = store.clone();
    let done = store.runtime.effect("sandbox.commit", async {
        let ran = store.runtime.spawn_blocking(move || run_batch(&blocking, batch)).await;
        Ok::<_, Lost>(ran)
    });
    match done.await {
        Ok(Ok((writes, committed))) => {
            writes.into_iter().for_each(|write| write.answer(committed.clone()));
        }
        // The writes went down with the blocking task; dropping their channels tells the clients.
        Ok(Err(error)) => tracing::error!(%error, "a write panicked; its transaction was given up"),
        Err(Lost(fault)) => tracing::warn!(%fault, "the outcome of a commit was lost"),
    }
}

type Ran = (Vec<Box<dyn Write>>, Result<(), CommandError>);

fn run_batch(store: &Store, mut batch: Batch) -> Ran {
    let newest = store.newest_tick();
    let committed = match store.with_database(|database| {
        let tx = database.begin_write()?;
        run_writes(store, tx, &mut batch, newest)
    }) {
        Ok(()) => Ok(()),
        Err(Failure::Refused(error)) => Err(*error),
        Err(Failure::Storage(error)) => settle(store, newest, &error),
    };
    (batch.writes, committed)
}

fn run_writes(
    store: &Store,
    mut tx: WriteTransaction,
    batch: &mut Batch,
    newest: u64,
) -> Result<(), Failure> {
    tx.set_durability(Durability::Immediate)
        .map_err(|error| refuse(codes::INTERNAL_ERROR, error.to_string()))?;
    let log = ChangeLog::new(newest, batch.now_ms, store.options.log);
    let target = Target::File { tx: &tx, log: &log };
    let writing = Writing { target, now_ms: batch.now_ms, runtime: &store.runtime };
    for write in &mut batch.writes {
        write.run(&writing)?;
    }
    if batch.alone && batch.writes.iter().any(|write| write.refused()) {
        tx.abort()?;
        return Ok(());
    }
    if batch.forget {
        Retries::open(&tx)?.forget_old(batch.now_ms)?;
    }
    let number = log.finish(&tx)?;
    tx.open_table(definition(META))?.insert(META_TICK, number.to_be_bytes().as_slice())?;
    tx.commit()?;
    store.tick.send_replace(number);
    Ok(())
}

/// After a failure of the store: opens the file again and looks whether the commit is there.
fn settle(store: &Store, before: u64, error: &redb::Error) -> Result<(), CommandError> {
    tracing::error!(path = %store.path().display(), %error, "a commit failed");
    if matches!(error, redb::Error::DatabaseClosed) {
        return Err(storage_error(error));
    }
    match store.reopen() {
        Ok(newest) if newest > before => Ok(()),
        Ok(_) => Err(storage_error(error)),
        Err(reopen) => {
            tracing::error!(error = %reopen, "the store could not be opened again");
            Err(outcome_unknown(&error.to_string()))
        }
    }
}
