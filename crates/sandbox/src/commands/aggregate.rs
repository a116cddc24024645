//! `aggregate`: the stages are `mql`'s; a leading `$match` goes through the planner. `$collStats`
//! is answered here, because it asks the store and not the documents. `$out` and `$merge` are in `sink`.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Filter, Pipeline};
use portolan_wire::{Command, CursorReply, Reply};

use super::fields::{self, Statement};
use super::output::{self, Documents, as_mql};
use super::sink::Sink;
use super::{Call, Need, explain, find, stats, watch};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::{Matches, Patience};
use crate::store::CollectionEntry;

pub(crate) const FIELDS: &[&str] = &[
    "pipeline",
    "cursor",
    "explain",
    "allowDiskUse",
    "let",
    "hint",
    "collation",
    "bypassDocumentValidation",
];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    if watch::is_asked(&call.command)? {
        return watch::run(call).await;
    }
    let namespace = begin(&call)?;
    if call.command.get_bool("explain")?.unwrap_or(false) {
        return explain::explain_command(&call, &call.command, "queryPlanner").await;
    }
    let batch_size = batch_size(&call.command)?;
    let mut aggregation = Aggregation::parse(&call.command, call.engine.runtime.now_ms())?;
    let ns = namespace.to_string();
    let patience = call.patience()?;
    let until = patience.clone();
    if let Some(sink) = aggregation.sink.take() {
        let source = namespace.clone();
        let open = move |call: &Call| aggregation.open(call, &source, until);
        return sink.run(&call, &namespace, open).await;
    }
    let open = move |call: &Call| aggregation.open(call, &namespace, until);
    let documents = call.blocking(open).await?;
    let documents = output::stream(&call.engine.runtime, documents, patience);
    let mut reply = CursorReply::new(ns, documents);
    reply.batch_size = batch_size;
    Ok(Reply::Cursor(reply))
}

/// The checks that `aggregate` and its `explain` begin with.
pub(crate) fn begin(call: &Call) -> Result<Namespace, Failure> {
    let command = &call.command;
    fields::only(command, FIELDS)?;
    let first = command.get(&command.name);
    if first.is_some_and(|value| !matches!(value, RawBsonRef::String(_))) {
        return Err(without_collection(command)?);
    }
    let namespace = fields::namespace(command)?;
    call.allow(Need::Read, &namespace)?;
    fields::simple_collation(command.get_document("collation")?)?;
    Ok(namespace)
}

/// `{aggregate: 1}`: the stages that need no collection are not implemented.
fn without_collection(command: &Command) -> Result<Failure, Failure> {
    let stages = stages(command)?;
    let stage = stages.first().and_then(|stage| first_name(stage)).unwrap_or("").to_owned();
    if matches!(
        stage.as_str(),
        "$currentOp" | "$listLocalSessions" | "$documents" | "$changeStream"
    ) {
        return Ok(refuse(codes::NOT_IMPLEMENTED, format!("the stage {stage} is not implemented")));
    }
    let message = format!("{{aggregate: 1}} is not valid for '{stage}'; a collection is required.");
    Ok(refuse(codes::INVALID_NAMESPACE, message))
}

pub(super) fn batch_size(command: &Command) -> Result<Option<u32>, Failure> {
    let Some(document) = command.get_document("cursor")? else {
        let message =
            "The 'cursor' option is required, except for aggregate with the explain argument";
        return Err(refuse(codes::FAILED_TO_PARSE, message));
    };
    let cursor = Statement { place: "aggregate.cursor", document };
    cursor.only(&["batchSize"])?;
    let Some(size) = cursor.get("batchSize")? else { return Ok(None) };
    match fields::as_f64(size) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Some(number) if number >= 0.0 => Ok(find::batch_size(Some(number as u64))),
        _ => Err(cursor.mismatch("batchSize", "a number that is not negative", &size)),
    }
}

fn stages(command: &Command) -> Result<Vec<RawDocumentBuf>, Failure> {
    if !command.has("pipeline") {
        let message = "BSON field 'aggregate.pipeline' is missing but a required field";
        return Err(refuse(codes::FIELD_IS_MISSING, message));
    }
    fields::documents(command.get_array("pipeline")?)
}

fn first_name(document: &RawDocument) -> Option<&str> {
    document.iter().next()?.ok().map(|(name, _)| name.as_str())
}

/// A parsed pipeline.
pub(crate) struct Aggregation {
    /// The argument of a leading `$collStats`.
    coll_stats: Option<RawDocumentBuf>,
    pub(crate) filter: Filter,
    hint: Option<bson::RawBson>,
    rest: Pipeline,
    /// The stage that writes what the others give.
    sink: Option<Sink>,
}

impl Aggregation {
    pub(crate) fn parse(command: &Command, now_ms: i64) -> Result<Self, Failure> {
        let context = fields::context(command, now_ms)?;
        let mut stages = stages(command)?;
        let coll_stats = take_coll_stats(&mut stages)?;
        let sink = Sink::take(&mut stages, &command.database)?;
        let pipeline = Pipeline::parse(&stages, &context)?;
        let (filter, rest) = match pipeline.leading_match().filter(|_| coll_stats.is_none()) {
            Some((filter, rest)) => (filter, rest),
            None => (RawDocumentBuf::new(), pipeline),
        };
        Ok(Self {
            coll_stats,
            filter: Filter::parse(&filter, &context)?,
            hint: command.get("hint").map(bson::RawBson::from),
            rest,
            sink,
        })
    }

    /// The way to the documents.
    pub(crate) fn plan(&self, entry: &CollectionEntry) -> Result<Plan, Failure> {
        let hint = Hint::parse(self.hint.as_ref().map(bson::RawBson::as_raw_bson_ref), entry)?;
        Ok(Plan::choose(entry, &self.filter, None, &hint))
    }

    fn open(
        self,
        call: &Call,
        namespace: &Namespace,
        patience: Patience,
    ) -> Result<Documents, Failure> {
        let input = self.input(call, namespace, patience)?;
        let output = self.rest.run(input.map(|document| document.map_err(as_mql)));
        Ok(Box::new(output.map(|document| document.map_err(Failure::from))))
    }

    fn input(
        &self,
        call: &Call,
        namespace: &Namespace,
        patience: Patience,
    ) -> Result<Documents, Failure> {
        let snapshot = call.snapshot()?;
        if let Some(argument) = &self.coll_stats {
            let document = stats::stage(call, &snapshot, namespace, argument)?;
            return Ok(Box::new(std::iter::once(Ok(document))));
        }
        let Some(collection) = snapshot.collection(namespace)? else {
            return Ok(Box::new(std::iter::empty()));
        };
        let plan = self.plan(&collection.entry)?;
        Ok(Box::new(Matches::new(collection, plan, self.filter.clone(), patience)))
    }
}

/// Takes a leading `$collStats` off the stages.
fn take_coll_stats(stages: &mut Vec<RawDocumentBuf>) -> Result<Option<RawDocumentBuf>, Failure> {
    let Some(position) = stages.iter().position(|stage| first_name(stage) == Some("$collStats"))
    else {
        return Ok(None);
    };
    if position > 0 {
        let message = "$collStats is only valid as the first stage in a pipeline";
        return Err(refuse(codes::NOT_FIRST_STAGE, message));
    }
    let stage = stages.remove(0);
    match stage.get("$collStats")? {
        Some(RawBsonRef::Document(argument)) => Ok(Some(argument.to_owned())),
        _ => {
            let message = "$collStats must take a nested object";
            Err(refuse(codes::FAILED_TO_PARSE, message))
        }
    }
}
