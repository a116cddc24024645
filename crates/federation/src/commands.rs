//! Which command is answered by which file.

use portolan_wire::{Command, CommandContext, CommandError, Reply};

use crate::Endpoint;

/// Runs a command.
pub(crate) async fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: Command,
) -> Result<Reply, CommandError> {
    let _ = (endpoint, context, &endpoint.mode, endpoint.cluster_id, &endpoint.runtime, endpoint.limits);
    Err(CommandError::command_not_found(&command.name))
}
