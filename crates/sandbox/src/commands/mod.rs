//! Commands: which there are, who may run them, and one file for each group.

mod aggregate;
mod bulk_write;
mod coll_mod;
mod collections;
mod count;
mod create;
mod delete;
mod documents;
mod explain;
pub(crate) mod fields;
mod find;
mod find_and_modify;
mod indexes;
mod insert;
mod lists;
mod output;
mod reading;
mod replica_set;
mod sink;
mod stats;
mod tailable;
mod timing;
mod transaction;
mod update;
mod validate;
mod views;
mod watch;
mod writes;

pub(crate) use documents::prepare_document;
pub(crate) use fields::writable;
#[cfg(test)]
pub(crate) use validate::check as check_collection;
pub(crate) use writes::session_key;

use std::sync::{Arc, Mutex};

use portolan_model::Namespace;
use portolan_wire::{Command, CommandContext, CommandError, Reply};

use crate::engine::Engine;
use crate::error::{Failure, codes, refuse};
use crate::store::Snapshot;
use crate::transactions::Lease;
use crate::tuning::Tuning;
use timing::ReadAt;

/// A command on its way: everything that the functions below need.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) context: CommandContext,
    pub(crate) command: Arc<Command>,
    /// `host:port` of this member.
    pub(crate) host: Arc<str>,
    pub(crate) tuning: Arc<Tuning>,
    /// The transaction that the command belongs to.
    lease: Arc<Mutex<Option<Lease>>>,
    in_transaction: bool,
    /// The time of the past that the command reads at.
    read_at: Option<Arc<ReadAt>>,
}

/// What a user must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Read,
    Write,
    /// Making, indexing and dropping collections.
    Manage,
}

/// Runs a command.
pub(crate) async fn run(call: Call) -> Result<Reply, CommandError> {
    match call.command.name.as_str() {
        "commitTransaction" => return Ok(transaction::commit(call).await?),
        "abortTransaction" => return Ok(transaction::abort(&call)?),
        _ => {}
    }
    let read_at = timing::prepare(&call).await?.map(Arc::new);
    let lease = transaction::begin(&call, read_at.as_deref())?;
    let call = Call { lease: Arc::new(Mutex::new(lease)), read_at, ..call };
    let (lease, read_at) = (call.lease.clone(), call.read_at.clone());
    let done = run_one(call).await;
    // A read leaves its transaction open; what failed has given it up.
    if let (Some(lease), true) = (take(&lease), done.is_ok()) {
        lease.put_back();
    }
    match read_at {
        Some(at) => Ok(timing::tell(at.tick, done?)),
        None => Ok(done?),
    }
}

fn take(lease: &Mutex<Option<Lease>>) -> Option<Lease> {
    lease.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}

async fn run_one(call: Call) -> Result<Reply, Failure> {
    match call.command.name.as_str() {
        "bulkWrite" => bulk_write::run(call).await,
        "insert" => insert::run(call).await,
        "update" => update::run(call).await,
        "delete" => delete::run(call).await,
        "findAndModify" | "findandmodify" => find_and_modify::run(call).await,
        "find" => find::run(call).await,
        "aggregate" => aggregate::run(call).await,
        "count" => count::count(call).await,
        "distinct" => count::distinct(call).await,
        "explain" => explain::run(call).await,
        "create" => create::run(call).await,
        "drop" => collections::drop(call).await,
        "dropDatabase" => collections::drop_database(call).await,
        "renameCollection" => collections::rename(call).await,
        "collMod" => coll_mod::run(call).await,
        "listCollections" => lists::collections(call).await,
        "listDatabases" => lists::databases(call).await,
        "listIndexes" => indexes::list(call).await,
        "createIndexes" => indexes::create(call).await,
        "dropIndexes" | "deleteIndexes" => indexes::drop(call).await,
        "collStats" | "collstats" => stats::collection(call).await,
        "dbStats" | "dbstats" => stats::database(call).await,
        "validate" => validate::run(call).await,
        "replSetGetStatus" => replica_set::status(&call),
        "createSearchIndexes" | "updateSearchIndex" | "dropSearchIndex" | "listSearchIndexes" => {
            Err(no_search())
        }
        name => Err(CommandError::command_not_found(name).into()),
    }
}

/// Search is a service beside the database, which this cluster does not have.
pub(crate) fn no_search() -> Failure {
    let message = "search indexes need Atlas Search, which this cluster does not have";
    refuse(codes::SEARCH_NOT_ENABLED, message)
}

impl Call {
    pub(crate) fn new(
        engine: Arc<Engine>,
        context: CommandContext,
        command: Arc<Command>,
        host: Arc<str>,
        tuning: Arc<Tuning>,
    ) -> Self {
        let in_transaction = command.has("autocommit");
        let (lease, read_at) = (Arc::default(), None);
        Self { engine, context, command, host, tuning, lease, in_transaction, read_at }
    }

    /// Whether the command is a statement of a multi-document transaction.
    pub(crate) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn take_lease(&self) -> Option<Lease> {
        take(&self.lease)
    }

    fn with_lease<T>(&self, work: impl FnOnce(&mut Lease) -> T) -> Option<T> {
        let mut lease = self.lease.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lease.as_mut().map(work)
    }

    /// What the command reads: the newest commit, or what its transaction sees.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failure> {
        match transaction::view(self) {
            Some(view) => Ok(view),
            None if self.in_transaction => {
                Err(refuse(codes::NO_SUCH_TRANSACTION, "the transaction has ended"))
            }
            None => match &self.read_at {
                Some(at) => Ok(at.snapshot.clone()),
                None => self.engine.store.snapshot(),
            },
        }
    }

    /// Checks that the user may do this to the collection.
    pub(crate) fn allow(&self, need: Need, namespace: &Namespace) -> Result<(), Failure> {
        let Some(user) = &self.context.user else { return Ok(()) };
        let (database, collection) = (&namespace.database, &namespace.collection);
        let allowed = match need {
            Need::Read => user.may_read_collection(database, collection),
            Need::Write => user.may_write_collection(database, collection),
            Need::Manage => user.may_admin(database),
        };
        if allowed { Ok(()) } else { Err(self.denied(database)) }
    }

    /// Checks that the user may do this to the whole database.
    pub(crate) fn allow_database(&self, need: Need, database: &str) -> Result<(), Failure> {
        let Some(user) = &self.context.user else { return Ok(()) };
        let allowed = match need {
            Need::Read => user.may_read(database) || user.may_admin(database),
            Need::Write => user.may_write(database),
            Need::Manage => user.may_admin(database),
        };
        if allowed { Ok(()) } else { Err(self.denied(database)) }
    }

    fn denied(&self, database: &str) -> Failure {
        CommandError::not_authorized(database, &self.command.name).into()
    }

    /// Refuses to run anywhere but on `admin`.
    pub(crate) fn admin_only(&self) -> Result<(), Failure> {
        if self.command.database == "admin" {
            return Ok(());
        }
        let message = format!("{} may only be run against the admin database.", self.command.name);
        Err(refuse(codes::UNAUTHORIZED, message))
    }

    /// Runs blocking work of this command on a thread of its own.
    pub(crate) async fn blocking<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    {
        let call = self.clone();
        let done = self.engine.runtime.spawn_blocking(move || work(&call)).await;
        done.unwrap_or_else(|error| {
            Err(refuse(codes::INTERNAL_ERROR, format!("the command failed: {error}")))
        })
    }

    /// How long the command may take.
    pub(crate) fn patience(&self) -> Result<crate::scan::Patience, Failure> {
        let command = &self.command;
        let limit_ms = match command.has("maxTimeMS") {
            true => command.max_time_ms()?,
            false => self.tuning.max_time_ms(&command.name),
        };
        let patience = crate::scan::Patience::new(&self.engine.runtime, &self.context, limit_ms);
        Ok(patience.without_table_scans(self.tuning.refuses_table_scans(&command.database)))
    }
}

#[cfg(test)]
mod tests;
