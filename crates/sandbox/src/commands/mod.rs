//! Commands: which there are, who may run them, and one file for each group.

mod aggregate;
mod collections;
mod count;
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
mod replica_set;
mod stats;
mod update;
mod validate;
mod writes;

pub(crate) use documents::prepare_document;
pub(crate) use fields::writable;

use std::sync::Arc;

use portolan_model::Namespace;
use portolan_wire::{Command, CommandContext, CommandError, Reply};

use crate::engine::Engine;
use crate::error::{Failure, codes, refuse};

/// A command on its way: everything that the functions below need.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) context: CommandContext,
    pub(crate) command: Arc<Command>,
    /// `host:port` of this member.
    pub(crate) host: Arc<str>,
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
    refuse_transactions(&call.command)?;
    let done = match call.command.name.as_str() {
        "insert" => insert::run(call).await,
        "update" => update::run(call).await,
        "delete" => delete::run(call).await,
        "findAndModify" | "findandmodify" => find_and_modify::run(call).await,
        "find" => find::run(call).await,
        "aggregate" => aggregate::run(call).await,
        "count" => count::count(call).await,
        "distinct" => count::distinct(call).await,
        "explain" => explain::run(call).await,
        "create" => collections::create(call).await,
        "drop" => collections::drop(call).await,
        "dropDatabase" => collections::drop_database(call).await,
        "renameCollection" => collections::rename(call).await,
        "collMod" => collections::modify(call).await,
        "listCollections" => lists::collections(call).await,
        "listDatabases" => lists::databases(call).await,
        "listIndexes" => indexes::list(call).await,
        "createIndexes" => indexes::create(call).await,
        "dropIndexes" | "deleteIndexes" => indexes::drop(call).await,
        "collStats" | "collstats" => stats::collection(call).await,
        "dbStats" | "dbstats" => stats::database(call).await,
        "validate" => validate::run(call).await,
        "replSetGetStatus" => replica_set::status(&call),
        "commitTransaction" | "abortTransaction" => Err(no_transaction()),
        name => Err(CommandError::command_not_found(name).into()),
    };
    done.map_err(CommandError::from)
}

/// Multi-document transactions are not implemented. Saying so at once lets a client fall back.
fn refuse_transactions(command: &Command) -> Result<(), CommandError> {
    if command.has("startTransaction") || command.has("autocommit") {
        let message = "Transaction numbers are only allowed on retryable writes: this cluster has \
                       no multi-document transactions";
        return Err(CommandError::new(codes::ILLEGAL_OPERATION, message));
    }
    Ok(())
}

fn no_transaction() -> Failure {
    refuse(codes::NO_SUCH_TRANSACTION, "no transaction is in progress")
}

impl Call {
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
        let limit_ms = self.command.max_time_ms()?;
        Ok(crate::scan::Patience::new(&self.engine.runtime, &self.context, limit_ms))
    }
}

#[cfg(test)]
mod tests;
