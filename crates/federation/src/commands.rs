//! Which command is answered by which file.

mod aggregate;
mod count;
mod distinct;
mod explain;
mod find;
mod lists;
mod log;
mod options;
mod stats;

use portolan_wire::{Command, CommandContext, CommandError, Reply};

use crate::Endpoint;

/// Runs a command.
pub(crate) async fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: Command,
) -> Result<Reply, CommandError> {
    options::refuse_transactions(&command)?;
    match command.name.as_str() {
        "find" => find::run(endpoint, context, &command),
        "aggregate" => aggregate::run(endpoint, context, &command).await,
        "count" => count::run(endpoint, context, &command).await,
        "distinct" => distinct::run(endpoint, context, &command).await,
        "explain" => explain::run(endpoint, context, &command).await,
        "listDatabases" => lists::databases(endpoint, context, &command).await,
        "listCollections" => lists::collections(endpoint, context, &command).await,
        "listIndexes" => lists::indexes(endpoint, context, &command).await,
        "collStats" | "collstats" => stats::collection(endpoint, context, &command).await,
        "dbStats" | "dbstats" => stats::database(endpoint, context, &command).await,
        other => Err(CommandError::command_not_found(other)),
    }
}
