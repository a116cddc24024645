//! `explain`: the plan that a command would take, and with `executionStats` what it looked at.

use std::sync::Arc;

use bson::{Bson, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};
use portolan_wire::{Command, Reply};

use super::fields::{Moment, Statement};
use super::reading::{Reading, everything};
use super::sink::Sink;
use super::views::Resolved;
use super::{Call, Need, aggregate, count, fields, find};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, KeyRange, Plan, Source};
use crate::scan::{Examined, Matches};
use crate::store::{Collection, CollectionEntry, ID_INDEX, IndexOptions, ReadTable};

/// Ranges of an index that are shown, at most.
const BOUNDS_SHOWN: usize = 16;

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["verbosity"])?;
    let verbosity = call.command.get_str("verbosity")?.unwrap_or("allPlansExecution").to_owned();
    if !matches!(verbosity.as_str(), "queryPlanner" | "executionStats" | "allPlansExecution") {
        let message = format!("unknown verbosity '{verbosity}'");
        return Err(refuse(codes::FAILED_TO_PARSE, message));
    }
    let Some(inner) = call.command.get_document("explain")? else {
        return Err(refuse(codes::FAILED_TO_PARSE, "explain needs the command to explain"));
    };
    let inner = Command::new(&call.command.database, inner.to_owned())?;
    explain_command(&call, &inner, &verbosity).await
}

/// Explains `command` in the name of the caller.
pub(crate) async fn explain_command(
    call: &Call,
    command: &Command,
    verbosity: &str,
) -> Result<Reply, Failure> {
    let inner = Call { command: Arc::new(command.clone()), ..call.clone() };
    let execute = verbosity != "queryPlanner";
    inner.blocking(move |call| explain(call, execute)).await
}

/// What is to be explained: where, which filter, which plan.
struct Subject {
    namespace: Namespace,
    filter: Filter,
    plan: Planner,
}

/// Plans for a collection; also says whether documents come in the order asked for.
type Planner = Box<dyn Fn(&CollectionEntry) -> Result<(Plan, bool), Failure>>;

fn explain(call: &Call, execute: bool) -> Result<Reply, Failure> {
    let reading = Reading::new(call, &call.patience()?)?;
    let subject = subject(&reading)?;
    let found = reading.snapshot.collection(&subject.namespace)?;
    let mut reply = doc! { "explainVersion": "1" };
    let (winning, ran) = match found {
        None => (doc! { "stage": "EOF" }, Ran::default()),
        Some(collection) => {
            let (plan, sorts) = (subject.plan)(&collection.entry)?;
            let winning = stages(&collection.entry, &plan, sorts);
            (
                winning,
                if execute {
                    execute_plan(call, collection, plan, &subject)?
                } else {
                    Ran::default()
                },
            )
        }
    };
    reply.insert(
        "queryPlanner",
        doc! {
            "namespace": subject.namespace.to_string(),
            "parsedQuery": bson::Document::try_from(subject.filter.raw())?,
            "winningPlan": winning,
            "rejectedPlans": Bson::Array(Vec::new()),
        },
    );
    if execute {
        reply.insert(
            "executionStats",
            doc! {
                "executionSuccess": true,
                "nReturned": fields::count(ran.matched),
                "executionTimeMillis": fields::count(ran.took_ms),
                "totalKeysExamined": fields::count(ran.examined.keys),
                "totalDocsExamined": fields::count(ran.examined.documents),
            },
        );
    }
    let (host, port) = call.host.rsplit_once(':').unwrap_or((&call.host, "0"));
    reply.insert("serverInfo", doc! { "host": host, "port": port.parse::<i32>().unwrap_or(0) });
    Ok(Reply::Document(RawDocumentBuf::try_from(reply)?))
}

#[derive(Default)]
struct Ran {
    matched: u64,
    took_ms: u64,
    examined: Examined,
}

/// Looks for the matching documents, without changing or returning any.
fn execute_plan(
    call: &Call,
    collection: Collection<ReadTable>,
    plan: Plan,
    subject: &Subject,
) -> Result<Ran, Failure> {
    let started_ms = call.engine.runtime.boot_ms();
    let mut matches = Matches::new(collection, plan, subject.filter.clone(), call.patience()?);
    let mut matched = 0;
    for document in matches.by_ref() {
        document?;
        matched += 1;
    }
    let took_ms = call.engine.runtime.boot_ms().saturating_sub(started_ms);
    Ok(Ran { matched, took_ms, examined: matches.examined() })
}

fn subject(reading: &Reading) -> Result<Subject, Failure> {
    let call = &reading.call;
    let command = &call.command;
    match command.name.as_str() {
        "find" => {
            let resolved = reading.resolve(&find::begin(call)?)?;
            let context = reading.context(resolved.collation.as_ref())?;
            let query = find::Query::parse(command, &context)?;
            if resolved.is_view {
                return of_view(resolved);
            }
            let filter = query.filter.clone();
            let plan = move |entry: &CollectionEntry| {
                let plan = query.plan(entry)?;
                let sorts = !plan.sorted && !query.sort.is_empty();
                Ok((plan, sorts))
            };
            Ok(Subject { namespace: resolved.base, filter, plan: Box::new(plan) })
        }
        "aggregate" => aggregated(reading),
        "count" => counted(reading, count::COUNT_FIELDS),
        "distinct" => counted(reading, count::DISTINCT_FIELDS),
        "delete" => statement(call, "deletes", "q"),
        "update" => statement(call, "updates", "q"),
        "findAndModify" | "findandmodify" => changed(call),
        other => {
            let message = format!("Explain failed due to unknown command: {other}");
            Err(refuse(codes::COMMAND_NOT_FOUND, message))
        }
    }
}

/// A view's pipeline reads the collection below; only the way to its documents is explained.
fn of_view(resolved: Resolved) -> Result<Subject, Failure> {
    let (filter, all) = (everything()?, everything()?);
    let plan =
        move |entry: &CollectionEntry| Ok((Plan::choose(entry, &all, None, &Hint::None), false));
    Ok(Subject { namespace: resolved.base, filter, plan: Box::new(plan) })
}

fn aggregated(reading: &Reading) -> Result<Subject, Failure> {
    let target = aggregate::begin(&reading.call)?;
    let database = &reading.call.command.database;
    let mut stages = aggregate::stages(&reading.call.command)?;
    Sink::take(&mut stages, database)?;
    let aggregation = aggregate::Aggregation::parse(reading, &target, stages)?;
    let Some(namespace) = aggregation.base().cloned() else {
        let message = "a pipeline that reads no collection cannot be explained";
        return Err(refuse(codes::NOT_IMPLEMENTED, message));
    };
    let filter = aggregation.filter.clone();
    let plan = move |entry: &CollectionEntry| {
        let plan = aggregation.plan(entry)?;
        let sorts = aggregation.sorts(&plan);
        Ok((plan, sorts))
    };
    Ok(Subject { namespace, filter, plan: Box::new(plan) })
}

fn counted(reading: &Reading, known: &[&str]) -> Result<Subject, Failure> {
    let resolved = reading.resolve(&count::begin(&reading.call, known)?)?;
    let context = reading.context(resolved.collation.as_ref())?;
    let filter = count::filter(&reading.call.command, &context)?;
    if resolved.is_view {
        return of_view(resolved);
    }
    let (command, copy) = (reading.call.command.clone(), filter.clone());
    let plan = move |entry: &CollectionEntry| Ok((count::plan(&command, &copy, entry)?, false));
    Ok(Subject { namespace: resolved.base, filter, plan: Box::new(plan) })
}

/// The context of a write, with the collation of its collection.
fn context(call: &Call, namespace: &Namespace) -> Result<Context, Failure> {
    let entry = call.snapshot()?.catalog()?.get(namespace)?;
    let default = entry.as_ref().and_then(|entry| entry.options.collation());
    fields::context(&call.command, Moment::now(&call.engine.runtime), default)
}

/// A write of one statement.
fn statement(call: &Call, field: &str, query: &str) -> Result<Subject, Failure> {
    let command = &call.command;
    let namespace = fields::namespace(command)?;
    call.allow(Need::Write, &namespace)?;
    let statements = command.documents(field)?;
    let [document] = statements.as_slice() else {
        let message = format!("explain takes a command with exactly one of '{field}'");
        return Err(refuse(codes::FAILED_TO_PARSE, message));
    };
    let statement = Statement { place: "explain", document };
    let context = statement.collated(&context(call, &namespace)?)?;
    filtered(namespace, document.get(query)?, document.get("hint")?, &context)
}

fn changed(call: &Call) -> Result<Subject, Failure> {
    let command = &call.command;
    let namespace = fields::namespace(command)?;
    call.allow(Need::Write, &namespace)?;
    let context = context(call, &namespace)?;
    filtered(namespace, command.get("query"), command.get("hint"), &context)
}

fn filtered(
    namespace: Namespace,
    query: Option<RawBsonRef<'_>>,
    hint: Option<RawBsonRef<'_>>,
    context: &Context,
) -> Result<Subject, Failure> {
    let empty = RawDocumentBuf::new();
    let query: &RawDocument = query.and_then(RawBsonRef::as_document).unwrap_or(&empty);
    let filter = Filter::parse(query, context)?;
    let (copy, hint) = (filter.clone(), hint.map(bson::RawBson::from));
    let plan = move |entry: &CollectionEntry| {
        let hint = Hint::parse(hint.as_ref().map(bson::RawBson::as_raw_bson_ref), entry)?;
        Ok((Plan::choose(entry, &copy, None, &hint), false))
    };
    Ok(Subject { namespace, filter, plan: Box::new(plan) })
}

fn stages(entry: &CollectionEntry, plan: &Plan, sorts: bool) -> bson::Document {
    let direction = if plan.reverse { "backward" } else { "forward" };
    let reads = match plan.source {
        Source::Collection => doc! { "stage": "COLLSCAN", "direction": direction },
        Source::Ids if entry.options.is_clustered() => {
            doc! { "stage": "CLUSTERED_IXSCAN", "direction": direction }
        }
        Source::Ids => fetch(ID_INDEX, doc! { "_id": 1 }, None, plan, direction),
        Source::Index(position) => {
            let index = &entry.indexes[position];
            let pattern = bson::Document::try_from(&index.pattern).unwrap_or_default();
            fetch(&index.name, pattern, Some(&index.options), plan, direction)
        }
    };
    if sorts {
        doc! { "stage": "SORT", "inputStage": reads }
    } else {
        reads
    }
}

fn fetch(
    name: &str,
    pattern: bson::Document,
    options: Option<&IndexOptions>,
    plan: &Plan,
    direction: &str,
) -> bson::Document {
    let shown = plan.ranges.iter().take(BOUNDS_SHOWN).map(|range| Bson::String(bounds(range)));
    doc! {
        "stage": "FETCH",
        "inputStage": {
            "stage": "IXSCAN",
            "keyPattern": pattern,
            "indexName": name,
            "isMultiKey": plan.repeats,
            "isUnique": options.is_none_or(|options| options.unique),
            "isSparse": options.is_some_and(|options| options.sparse),
            "isPartial": options.is_some_and(|options| options.partial.is_some()),
            "direction": direction,
            "ranges": fields::count(plan.ranges.len() as u64),
            "encodedBounds": shown.collect::<Vec<_>>(),
        },
    }
}

/// A range as the index has it: encoded keys in hexadecimal digits.
fn bounds(range: &KeyRange) -> String {
    use std::fmt::Write;
    let hex = |key: &[u8]| {
        key.iter().fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    };
    let high = range.high.as_deref().map_or_else(|| "end".to_owned(), hex);
    format!("[{}, {high})", hex(&range.low))
}
