//! `aggregate`: the stages are `mql`'s; a leading `$match` goes through the planner. `$collStats`
//! is answered here, because it asks the store and not the documents. `$out` and `$merge` are in `sink`.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_mql::{Filter, Pipeline};
use portolan_wire::{Command, CursorReply, Reply};

use super::fields::{self, Statement};
use super::output::{self, Documents, as_mql};
use super::reading::{Reading, everything};
use super::sink::Sink;
use super::views::Resolved;
use super::{Call, Need, explain, find, stats, watch};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
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
    "collectionUUID",
];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    if watch::is_asked(&call.command)? {
        return watch::run(call).await;
    }
    let target = begin(&call)?;
    if call.command.get_bool("explain")?.unwrap_or(false) {
        return explain::explain_command(&call, &call.command, "queryPlanner").await;
    }
    let batch_size = batch_size(&call.command)?;
    let mut stages = stages(&call.command)?;
    let sink = Sink::take(&mut stages, &call.command.database)?;
    let ns = target.name(&call.command.database);
    let patience = call.patience()?;
    let until = patience.clone();
    let open = move |call: &Call| {
        let reading = Reading::new(call, &until)?;
        Aggregation::parse(&reading, &target, stages)?.open(&reading)
    };
    if let Some(sink) = sink {
        check_sink(&call.command)?;
        return sink.run(&call, &ns, open).await;
    }
    let documents = call.blocking(open).await?;
    let documents = output::stream(&call.engine.runtime, documents, patience);
    let mut reply = CursorReply::new(ns, documents);
    reply.batch_size = batch_size;
    Ok(Reply::Cursor(reply))
}

/// What a pipeline begins with.
pub(crate) enum Target {
    Collection(Namespace),
    /// `{aggregate: 1}`: the first stage brings the documents.
    Database,
}

impl Target {
    fn name(&self, database: &str) -> String {
        match self {
            Self::Collection(namespace) => namespace.to_string(),
            Self::Database => format!("{database}.$cmd.aggregate"),
        }
    }
}

/// The checks that `aggregate` and its `explain` begin with.
pub(crate) fn begin(call: &Call) -> Result<Target, Failure> {
    let command = &call.command;
    fields::only(command, FIELDS)?;
    fields::collation(command.get_document("collation")?)?;
    let first = command.get(&command.name);
    if first.is_some_and(|value| !matches!(value, RawBsonRef::String(_))) {
        call.allow_database(Need::Read, &command.database)?;
        return Ok(Target::Database);
    }
    let namespace = fields::namespace(command)?;
    call.allow(Need::Read, &namespace)?;
    Ok(Target::Collection(namespace))
}

/// What is written cannot be read at the level `linearizable`.
fn check_sink(command: &Command) -> Result<(), Failure> {
    let concern = command.get_document("readConcern")?;
    let level = concern.map(|concern| concern.get("level")).transpose()?.flatten();
    if level == Some(RawBsonRef::String("linearizable")) {
        let message = "$out and $merge cannot be used with a 'linearizable' read concern level";
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    Ok(())
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

pub(super) fn stages(command: &Command) -> Result<Vec<RawDocumentBuf>, Failure> {
    if !command.has("pipeline") {
        let message = "BSON field 'aggregate.pipeline' is missing but a required field";
        return Err(refuse(codes::FIELD_IS_MISSING, message));
    }
    fields::documents(command.get_array("pipeline")?)
}

fn first_name(document: &RawDocument) -> Option<&str> {
    document.iter().next()?.ok().map(|(name, _)| name.as_str())
}

/// Where the documents of a pipeline come from.
enum Source {
    /// A collection, or the one below a view; the leading filter goes through the planner.
    Collection(Box<Resolved>),
    /// A leading `$collStats` with its argument.
    CollStats(Namespace, RawDocumentBuf),
    /// A leading `$listLocalSessions`: the session of the command is the one that is sure to be there.
    Sessions,
    /// The pipeline's own `$documents`.
    Own,
}

/// A parsed pipeline.
pub(crate) struct Aggregation {
    source: Source,
    pub(crate) filter: Filter,
    hint: Option<bson::RawBson>,
    rest: Pipeline,
}

impl Aggregation {
    pub(crate) fn parse(
        reading: &Reading,
        target: &Target,
        mut stages: Vec<RawDocumentBuf>,
    ) -> Result<Self, Failure> {
        let command = &reading.call.command;
        if stages.first().and_then(|stage| first_name(stage)) == Some("$listSearchIndexes") {
            return Err(super::no_search());
        }
        let source = match target {
            Target::Database => without_collection(&mut stages)?,
            Target::Collection(namespace) => match take_coll_stats(&mut stages)? {
                Some(argument) => Source::CollStats(namespace.clone(), argument),
                None => {
                    let mut resolved = reading.resolve(namespace)?;
                    stages.splice(0..0, std::mem::take(&mut resolved.stages));
                    Source::Collection(Box::new(resolved))
                }
            },
        };
        let default = match &source {
            Source::Collection(resolved) => resolved.collation.as_ref(),
            _ => None,
        };
        let context = reading.context(default)?;
        let pipeline = Pipeline::parse(&stages, &context)?;
        if pipeline.has_documents() && !matches!(source, Source::Own) {
            let message = "'$documents' can only be run with {aggregate: 1}";
            return Err(refuse(codes::INVALID_NAMESPACE, message));
        }
        let of_collection = matches!(source, Source::Collection(_));
        let (filter, rest) = match pipeline.leading_filter().filter(|_| of_collection) {
            Some((filter, rest)) => (filter, rest),
            None => (everything()?, pipeline),
        };
        let hint = command.get("hint").map(bson::RawBson::from);
        Ok(Self { source, filter, hint, rest })
    }

    /// The collection that is read, if one is.
    pub(crate) fn base(&self) -> Option<&Namespace> {
        match &self.source {
            Source::Collection(resolved) => Some(&resolved.base),
            _ => None,
        }
    }

    /// The way to the documents.
    pub(crate) fn plan(&self, entry: &CollectionEntry) -> Result<Plan, Failure> {
        let hint = Hint::parse(self.hint.as_ref().map(bson::RawBson::as_raw_bson_ref), entry)?;
        Ok(Plan::choose(entry, &self.filter, self.rest.leading_sort(), &hint))
    }

    /// Whether documents that come along `plan` are sorted afterwards.
    pub(crate) fn sorts(&self, plan: &Plan) -> bool {
        self.rest.leading_sort().is_some() && !plan.sorted
    }

    fn open(self, reading: &Reading) -> Result<Documents, Failure> {
        let (input, sorted): (Documents, bool) = match &self.source {
            Source::Collection(resolved) => {
                reading.documents(resolved, &self.filter, |entry| self.plan(entry))?
            }
            Source::CollStats(namespace, argument) => {
                let (call, snapshot) = (&reading.call, &reading.snapshot);
                let document = stats::stage(call, snapshot, namespace, argument)?;
                (Box::new(std::iter::once(Ok(document))), false)
            }
            Source::Sessions => (Box::new(sessions(&reading.call)?.into_iter().map(Ok)), false),
            Source::Own => (Box::new(std::iter::empty()), false),
        };
        let rest = if sorted { self.rest.without_leading_sort() } else { self.rest };
        let output = rest.run(input.map(|document| document.map_err(as_mql)));
        Ok(Box::new(output.map(|document| document.map_err(Failure::from))))
    }
}

/// The stages that need no collection.
fn without_collection(stages: &mut Vec<RawDocumentBuf>) -> Result<Source, Failure> {
    let stage = stages.first().and_then(|stage| first_name(stage)).unwrap_or("").to_owned();
    match stage.as_str() {
        "$documents" => Ok(Source::Own),
        "$listLocalSessions" => {
            stages.remove(0);
            Ok(Source::Sessions)
        }
        "$currentOp" | "$changeStream" => {
            Err(refuse(codes::NOT_IMPLEMENTED, format!("the stage {stage} is not implemented")))
        }
        _ => {
            let message =
                format!("{{aggregate: 1}} is not valid for '{stage}'; a collection is required.");
            Err(refuse(codes::INVALID_NAMESPACE, message))
        }
    }
}

fn sessions(call: &Call) -> Result<Option<RawDocumentBuf>, Failure> {
    let Some(id) = call.command.get_document("lsid")? else { return Ok(None) };
    let now = bson::DateTime::from_millis(call.engine.runtime.now_ms());
    Ok(Some(rawdoc! { "_id": id.to_owned(), "lastUse": now }))
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
