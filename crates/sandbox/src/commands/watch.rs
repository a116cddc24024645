//! `aggregate` with a leading `$changeStream`: who may open which stream, and how it is opened.

use bson::RawBsonRef;
use portolan_model::Namespace;
use portolan_mql::Pipeline;
use portolan_wire::{Command, Reply, TailReply};

use super::fields::{self, Moment, as_f64};
use super::{Call, Need, aggregate};
use crate::changes::{ChangeStream, Scope, Spec, Watched, check_following, first_name, take_split};
use crate::error::{Failure, codes, refuse};

const STAGE: &str = "$changeStream";

/// Whether the command opens a change stream.
pub(crate) fn is_asked(command: &Command) -> Result<bool, Failure> {
    let stages = fields::documents(command.get_array("pipeline")?)?;
    match stages.iter().position(|stage| first_name(stage) == STAGE) {
        None => Ok(false),
        Some(0) => Ok(true),
        Some(_) => {
            let message = "$changeStream is only valid as the first stage in a pipeline";
            Err(refuse(codes::NOT_FIRST_STAGE, message))
        }
    }
}

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let command = &call.command;
    fields::only(command, aggregate::FIELDS)?;
    check_read_concern(command)?;
    fields::simple_collation(command.get_document("collation")?)?;
    if command.get_bool("explain")?.unwrap_or(false) {
        let message = "explaining a change stream is not implemented";
        return Err(refuse(codes::NOT_IMPLEMENTED, message));
    }
    let batch_size = aggregate::batch_size(command)?;
    let mut stages = fields::documents(command.get_array("pipeline")?)?;
    let spec = Spec::parse(&stages.remove(0))?;
    let scope = scope(&call, &spec)?;
    let split = take_split(&mut stages)?;
    let context = fields::context(command, Moment::now(&call.engine.runtime), None)?;
    let pipeline = Pipeline::parse(&stages, &context)?;
    check_following(&stages)?;
    let namespace = name(&call, &scope);
    let store = &call.engine.store;
    let watched = Watched { scope, spec, pipeline, split };
    let stream = ChangeStream::new(store.clone(), watched, store.newest_tick());
    Ok(Reply::Tail(TailReply { namespace, tail: Box::new(stream), batch_size, awaits: true }))
}

/// Streams show what is durable, which is what `majority` asks for.
fn check_read_concern(command: &Command) -> Result<(), Failure> {
    let Some(concern) = command.get_document("readConcern")? else { return Ok(()) };
    match concern.get("level")? {
        None | Some(RawBsonRef::String("majority")) => Ok(()),
        Some(level) => {
            let level = level.as_str().unwrap_or("unknown");
            let message = format!(
                "Read concern {level} is not supported for this aggregation: $changeStream needs \
                 'majority'"
            );
            Err(refuse(codes::INVALID_OPTIONS, message))
        }
    }
}

fn scope(call: &Call, spec: &Spec) -> Result<Scope, Failure> {
    let command = &call.command;
    let database = command.database.as_str();
    let whole_database = match command.get(&command.name) {
        Some(RawBsonRef::String(_)) => false,
        Some(value) => as_f64(value) == Some(1.0),
        None => false,
    };
    if spec.whole_cluster {
        if database != "admin" || !whole_database {
            let message = "A $changeStream with 'allChangesForCluster:true' may only be opened on \
                           the 'admin' database, and with no collection name";
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
        // No role is on the database without a name but those that reach every database.
        if call.context.user.as_ref().is_some_and(|user| !user.may_read("")) {
            return Err(call.denied(database));
        }
        return Ok(Scope::Cluster);
    }
    if matches!(database, "admin" | "config" | "local") {
        let message =
            format!("$changeStream may not be opened on the internal {database} database");
        return Err(refuse(codes::INVALID_NAMESPACE, message));
    }
    if whole_database {
        if call.context.user.as_ref().is_some_and(|user| !user.may_read(database)) {
            return Err(call.denied(database));
        }
        return Ok(Scope::Database(database.to_owned()));
    }
    let namespace: Namespace = fields::namespace(command)?;
    if namespace.collection.starts_with("system.") {
        let message =
            format!("$changeStream may not be opened on the internal {namespace} collection");
        return Err(refuse(codes::INVALID_NAMESPACE, message));
    }
    call.allow(Need::Read, &namespace)?;
    Ok(Scope::Collection(namespace))
}

fn name(call: &Call, scope: &Scope) -> String {
    match scope {
        Scope::Collection(namespace) => namespace.to_string(),
        Scope::Database(_) | Scope::Cluster => {
            format!("{}.$cmd.aggregate", call.command.database)
        }
    }
}
