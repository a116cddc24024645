//! Multi-document transactions: one at most for each session, held in memory until it commits.
//!
//! A transaction reads one snapshot and its own writes (`store::Private`). Of two transactions that
//! change a document the second is refused at once; a write outside of transactions goes on, and
//! the transaction is refused when it commits. The rules of numbers and states are those of the
//! public transactions specification
//! (<https://github.com/mongodb/specifications/blob/master/source/transactions/transactions.md>).
//! What is not here: what a commit does to the file (`store::replay`), and which commands may take
//! part (`commands::transaction`).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use portolan_mql::key;
use portolan_runtime::Runtime;

use crate::error::{Failure, codes, refuse};
use crate::store::{
    Change, Operation, Private, Readable, RetryKey, Snapshot, Store, too_old, write_conflict,
};

/// Bytes of changes that one transaction may hold.
const CHANGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Sessions remembered at most; those that hold no open transaction are forgotten first.
const SESSIONS_MAX: usize = 100_000;

/// A document by its collection and the encoding of its `_id`.
type DocumentKey = ([u8; 16], Vec<u8>);

/// An open transaction.
pub(crate) struct Transaction {
    pub(crate) private: Private,
    /// When it is given up if it is still open (`transactionLifetimeLimitSeconds`).
    until_boot_ms: u64,
    /// Documents that it changed, which no other transaction may change.
    claimed: HashSet<DocumentKey>,
    change_bytes: usize,
}

enum State {
    Open(Box<Transaction>),
    /// A command works with it.
    Busy,
    Committed,
    Aborted,
}

struct Session {
    number: i64,
    state: State,
}

/// The transactions of all sessions.
pub(crate) struct Transactions {
    sessions: Mutex<HashMap<Vec<u8>, Session>>,
    /// Which session's open transaction changed a document.
    claims: Mutex<HashMap<DocumentKey, Vec<u8>>>,
    store: Arc<Store>,
    runtime: Runtime,
}

/// What a commit finds.
pub(crate) enum Ending {
    Open(Lease),
    /// It was committed before: the answer is the same again.
    Committed,
}

impl Transactions {
    pub(crate) fn new(store: Arc<Store>, runtime: Runtime) -> Self {
        Self { sessions: Mutex::default(), claims: Mutex::default(), store, runtime }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Session>> {
        self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts the transaction of that number; an older one of the session is given up.
    /// It reads `snapshot`, and is given up after `lifetime_ms`.
    pub(crate) fn start(
        self: &Arc<Self>,
        key: &RetryKey,
        snapshot: &Snapshot,
        lifetime_ms: u64,
    ) -> Result<Lease, Failure> {
        // Refuses a number that a durable write of the session has gone beyond.
        if self.store.snapshot()?.done_before(key)?.is_some() {
            return Err(same_number(key.number));
        }
        let transaction = Box::new(Transaction {
            private: Private::new(snapshot),
            until_boot_ms: self.runtime.boot_ms().saturating_add(lifetime_ms),
            claimed: HashSet::new(),
            change_bytes: 0,
        });
        let mut sessions = self.lock();
        match sessions.get(&key.session) {
            Some(session) if session.number > key.number => {
                return Err(too_old(key.number, session.number));
            }
            Some(session) if session.number == key.number => return Err(same_number(key.number)),
            _ => {}
        }
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, session| matches!(session.state, State::Open(_) | State::Busy));
        }
        let session = Session { number: key.number, state: State::Busy };
        let before = sessions.insert(key.session.clone(), session);
        drop(sessions);
        self.let_go(before);
        Ok(Lease::new(self, key, transaction))
    }

    /// Takes an open transaction for one command.
    pub(crate) fn take(self: &Arc<Self>, key: &RetryKey) -> Result<Lease, Failure> {
        match self.find(key)? {
            Ending::Open(lease) => Ok(lease),
            Ending::Committed => {
                let message = format!("Transaction {} has been committed.", key.number);
                Err(refuse(TRANSACTION_COMMITTED, message))
            }
        }
    }

    /// Takes an open transaction, or says that it was committed before.
    pub(crate) fn find(self: &Arc<Self>, key: &RetryKey) -> Result<Ending, Failure> {
        self.expire();
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(&key.session) else {
            drop(sessions);
            return self.durable(key);
        };
        if session.number > key.number {
            return Err(too_old(key.number, session.number));
        }
        if session.number < key.number {
            return Err(no_such(key.number, "it was never started"));
        }
        match std::mem::replace(&mut session.state, State::Busy) {
            State::Open(transaction) => Ok(Ending::Open(Lease::new(self, key, transaction))),
            State::Busy => Err(no_such(key.number, "another command of it still runs")),
            State::Committed => {
                session.state = State::Committed;
                Ok(Ending::Committed)
            }
            State::Aborted => {
                session.state = State::Aborted;
                drop(sessions);
                self.durable(key)
            }
        }
    }

    /// What the file knows of a transaction that is not in memory: its commit may have become
    /// durable although nobody was told.
    fn durable(&self, key: &RetryKey) -> Result<Ending, Failure> {
        match self.store.snapshot()?.done_before(key)? {
            Some(record) if record.command == "commitTransaction" => Ok(Ending::Committed),
            _ => Err(no_such(key.number, "it was given up or never started")),
        }
    }

    /// A numbered write outside of transactions ends an older transaction of its session.
    pub(crate) fn outnumber(&self, key: &RetryKey) {
        let mut sessions = self.lock();
        let older = sessions.get(&key.session).is_some_and(|session| session.number < key.number);
        let before = if older { sessions.remove(&key.session) } else { None };
        drop(sessions);
        self.let_go(before);
    }

    /// Gives up the transactions of sessions; all of them for `None`.
    pub(crate) fn end(&self, chosen: impl Fn(&[u8]) -> bool) {
        let mut ended = Vec::new();
        for (_, session) in self.lock().iter_mut().filter(|(key, _)| chosen(key)) {
            if matches!(session.state, State::Open(_) | State::Busy) {
                let state = std::mem::replace(&mut session.state, State::Aborted);
                ended.push(Session { number: session.number, state });
            }
        }
        ended.into_iter().for_each(|session| self.let_go(Some(session)));
    }

    /// Gives up what is open for too long.
    pub(crate) fn expire(&self) {
        let now_ms = self.runtime.boot_ms();
        let mut ended = Vec::new();
        for session in self.lock().values_mut() {
            let over = |open: &Transaction| now_ms > open.until_boot_ms;
            if matches!(&session.state, State::Open(open) if over(open)) {
                let state = std::mem::replace(&mut session.state, State::Aborted);
                ended.push(Session { number: session.number, state });
            }
        }
        ended.into_iter().for_each(|session| self.let_go(Some(session)));
    }

    /// Lets go of snapshots that nobody came back to.
    pub(crate) fn forget_history(&self) {
        self.store.forget_history();
    }

    fn let_go(&self, session: Option<Session>) {
        if let Some(Session { state: State::Open(transaction), .. }) = session {
            self.unclaim(&transaction);
        }
    }

    fn claims(&self) -> std::sync::MutexGuard<'_, HashMap<DocumentKey, Vec<u8>>> {
        self.claims.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn unclaim(&self, transaction: &Transaction) {
        let mut claims = self.claims();
        for document in &transaction.claimed {
            claims.remove(document);
        }
    }

    /// Claims what a statement changed, and refuses what others have changed since.
    fn claim(
        &self,
        session: &[u8],
        transaction: &mut Transaction,
        operations: &[Operation],
    ) -> Result<(), Failure> {
        let newest = self.store.snapshot()?;
        for operation in operations {
            let Operation::Change { entry, change } = operation else { continue };
            transaction.change_bytes += change.size_bytes();
            let id = change.document().get("_id")?.map(key::encode).unwrap_or_default();
            let document = (entry.uuid, id);
            if transaction.claimed.contains(&document) {
                continue;
            }
            let mut claims = self.claims();
            if claims.contains_key(&document) {
                return Err(write_conflict());
            }
            claims.insert(document.clone(), session.to_vec());
            transaction.claimed.insert(document.clone());
            drop(claims);
            if changed_since(&newest, &entry.namespace, entry.uuid, change)? {
                return Err(write_conflict());
            }
        }
        if transaction.change_bytes > CHANGE_BYTES_MAX {
            let message = format!(
                "the transaction holds more than {CHANGE_BYTES_MAX} bytes of changes; use smaller ones"
            );
            return Err(refuse(TRANSACTION_TOO_LARGE, message));
        }
        Ok(())
    }
}

/// Whether a document is no longer what a transaction changed.
fn changed_since(
    newest: &Snapshot,
    namespace: &portolan_model::Namespace,
    uuid: [u8; 16],
    change: &Change,
) -> Result<bool, Failure> {
    let Some(collection) = newest.collection(namespace)?.filter(|now| now.entry.uuid == uuid)
    else {
        // Made by the transaction itself, or dropped: the commit will tell.
        return Ok(false);
    };
    let id =
        change.document().get("_id")?.map(|id| collection.entry.id_key(id)).unwrap_or_default();
    let record = collection.ids.get(&id)?.map(|record| record.value().to_vec());
    match (change, record) {
        (Change::Insert { .. }, record) => Ok(record.is_some()),
        (_, None) => Ok(true),
        (Change::Replace { old, .. } | Change::Remove { old, .. }, Some(record)) => {
            let now = collection.data.get(&record)?;
            Ok(now.is_none_or(|now| now.value() != old.as_bytes()))
        }
    }
}

/// An open transaction in the hands of one command. Dropped without [`Lease::put_back`] or
/// [`Lease::committed`], it is given up.
pub(crate) struct Lease {
    owner: Arc<Transactions>,
    key: RetryKey,
    transaction: Option<Box<Transaction>>,
}

impl Lease {
    fn new(owner: &Arc<Transactions>, key: &RetryKey, transaction: Box<Transaction>) -> Self {
        Self { owner: owner.clone(), key: key.clone(), transaction: Some(transaction) }
    }

    fn transaction(&mut self) -> &mut Transaction {
        self.transaction.as_mut().expect("a lease holds its transaction until it is consumed")
    }

    /// What the transaction sees.
    pub(crate) fn view(&mut self) -> Snapshot {
        self.transaction().private.view()
    }

    /// Runs one writing statement.
    pub(crate) fn write<T>(
        &mut self,
        work: impl FnOnce(&Private) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (owner, session) = (self.owner.clone(), self.key.session.clone());
        let transaction = self.transaction();
        let before = transaction.private.len();
        let done = work(&transaction.private)?;
        let operations = transaction.private.since(before);
        owner.claim(&session, transaction, &operations)?;
        Ok(done)
    }

    /// Leaves the transaction open for the next command.
    pub(crate) fn put_back(mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        let mut sessions = self.owner.lock();
        match sessions.get_mut(&self.key.session) {
            Some(session)
                if session.number == self.key.number && matches!(session.state, State::Busy) =>
            {
                session.state = State::Open(transaction);
            }
            // It was ended meanwhile.
            _ => {
                drop(sessions);
                self.owner.unclaim(&transaction);
            }
        }
    }

    /// Takes out what is to be done at the commit; the claims stay until the lease is dropped.
    pub(crate) fn operations(&mut self) -> Vec<Operation> {
        let transaction = self.transaction();
        let empty = Private::new(&transaction.private.view());
        std::mem::replace(&mut transaction.private, empty).into_operations()
    }

    /// The commit is durable.
    pub(crate) fn committed(mut self) {
        self.settle(State::Committed);
    }

    fn settle(&mut self, state: State) {
        let Some(transaction) = self.transaction.take() else { return };
        let mut sessions = self.owner.lock();
        if let Some(session) = sessions.get_mut(&self.key.session)
            && session.number == self.key.number
        {
            session.state = state;
        }
        drop(sessions);
        self.owner.unclaim(&transaction);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.settle(State::Aborted);
    }
}

const TRANSACTION_COMMITTED: i32 = 256;
const TRANSACTION_TOO_LARGE: i32 = 257;
/// MongoDB gives this refusal a number and no name.
const SAME_NUMBER: i32 = 50_911;

fn same_number(number: i64) -> Failure {
    let message = format!(
        "Cannot start a transaction at given transaction number {number}: a transaction with the \
         same number is in progress or has ended"
    );
    refuse(SAME_NUMBER, message)
}

fn no_such(number: i64, why: &str) -> Failure {
    let message = format!(
        "Given transaction number {number} does not match any in-progress transaction: {why}"
    );
    refuse(codes::NO_SUCH_TRANSACTION, message)
}

#[cfg(test)]
mod tests;
