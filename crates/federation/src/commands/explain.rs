//! `explain`: what a query would read, what pruning spares it, and on request what it did.
//!
//! The shape follows the documented output of Atlas Data Federation
//! (<https://www.mongodb.com/docs/atlas/data-federation/supported-unsupported/diagnostic-commands/>):
//! `stats` and a `plan` of partitions; `queryPlanner` is there for tools that look for it.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use portolan_lake::ScanPlan;
use portolan_wire::{Command, CommandContext, CommandError, Reply};

use super::aggregate::Aggregate;
use super::find::Find;
use super::{count, distinct};
use crate::endpoint::EndpointMode;
use crate::pin::{self, Numbers, Pin};
use crate::query::Query;
use crate::reader::{self, Documents};
use crate::session::{Figures, Session};
use crate::{Endpoint, FederationError};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verbosity {
    /// The plan.
    Planner,
    /// The plan with the names of the files.
    Extended,
    /// The plan, and figures of a real execution.
    Execution,
}

impl Verbosity {
    fn of(command: &Command) -> Result<Self, CommandError> {
        match command.get_str("verbosity")? {
            None | Some("queryPlanner") => Ok(Self::Planner),
            Some("queryPlannerExtended") => Ok(Self::Extended),
            Some("executionStats") => Ok(Self::Execution),
            Some(other) => Err(CommandError::failed_to_parse(format!(
                "explain verbosity {other} is not supported here; queryPlanner, \
                 queryPlannerExtended and executionStats are"
            ))),
        }
    }
}

/// Answers `explain`.
pub(super) async fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    let verbosity = Verbosity::of(command)?;
    let Some(RawBsonRef::Document(inner)) = command.get("explain") else {
        return Err(CommandError::type_mismatch("explain needs a command as an object"));
    };
    let inner = Command::new(&command.database, inner.to_owned())?;
    let session = Session::new(endpoint);
    let (query, documents) = explained(endpoint, context, &inner, &session)?;
    let mut reply = planned(&session, &query, verbosity).await?;
    if verbosity == Verbosity::Execution {
        reply.append(cstr!("executionStats"), executed(&session, documents).await?);
    }
    Ok(Reply::Document(with_server(reply)))
}

/// Answers an `aggregate` with `explain: true`.
pub(super) async fn of_query(
    endpoint: &Endpoint,
    query: &Query,
    verbosity: Verbosity,
) -> Result<Reply, CommandError> {
    let reply = planned(&Session::new(endpoint), query, verbosity).await?;
    Ok(Reply::Document(with_server(reply)))
}

/// The query of a command, and its documents, which nobody has asked for yet.
fn explained(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
    session: &Session,
) -> Result<(Query, Documents), CommandError> {
    let session = session.clone();
    Ok(match command.name.as_str() {
        "find" => {
            let find = Find::parse(endpoint, context, command)?;
            (find.query.clone(), find.read(session))
        }
        "aggregate" => {
            let aggregate = Aggregate::parse(endpoint, context, command)?;
            (aggregate.query.clone(), aggregate.read(session))
        }
        "count" => {
            let (query, _) = count::parse(endpoint, context, command)?;
            (query.clone(), reader::read(session, query))
        }
        "distinct" => {
            let query = distinct::parse(endpoint, context, command)?;
            (query.clone(), reader::read(session, query))
        }
        other => {
            let text = format!("explain of {other} is not supported here");
            return Err(CommandError::not_implemented(text));
        }
    })
}

async fn executed(
    session: &Session,
    mut documents: Documents,
) -> Result<RawDocumentBuf, FederationError> {
    let mut returned = 0_u64;
    while documents.try_next().await?.is_some() {
        returned += 1;
    }
    let figures = &session.figures;
    let rows_read = Figures::get(&figures.rows_read);
    let cluster_documents = Figures::get(&figures.cluster_documents);
    Ok(rawdoc! {
        "executionSuccess": true,
        "nReturned": count::number(returned),
        "executionTimeMillis": i64::try_from(session.age_ms()).unwrap_or(i64::MAX),
        "totalKeysExamined": 0,
        "totalDocsExamined": rows_read.saturating_add(cluster_documents),
        "archive": {
            "rowsRead": rows_read,
            "rowsHidden": Figures::get(&figures.rows_hidden),
            "rowsLookedUp": Figures::get(&figures.rows_looked_up),
            "filesProvedAbsentFromCluster": Figures::get(&figures.files_proved),
        },
        "cluster": { "documentsRead": cluster_documents },
    })
}

/// Files and bytes, of which some are read.
#[derive(Debug, Default, Clone, Copy)]
struct Pruning {
    files_total: usize,
    files_read: usize,
    bytes_total: u64,
    bytes_read: u64,
}

impl Pruning {
    fn add(&mut self, plan: &ScanPlan) {
        self.files_total += plan.files_total;
        self.files_read += plan.files_read;
        self.bytes_total += plan.bytes_total;
        self.bytes_read += plan.bytes_read;
    }

    fn to_document(self) -> RawDocumentBuf {
        let files = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        rawdoc! {
            "filesTotal": files(self.files_total),
            "filesRead": files(self.files_read),
            "bytesTotal": bytes(self.bytes_total),
            "bytesRead": bytes(self.bytes_read),
        }
    }
}

async fn planned(
    session: &Session,
    query: &Query,
    verbosity: Verbosity,
) -> Result<RawDocumentBuf, FederationError> {
    let pins = pin::pin_all(session, &query.namespace, &Numbers::new()).await?;
    let mut all = Pruning::default();
    let mut partitions = RawArrayBuf::new();
    if session.mode == EndpointMode::ClusterAndArchive {
        partitions.push(cluster_partition(query));
    }
    for pin in &pins {
        let plan = pin.plan(query);
        all.add(&plan);
        partitions.push(archive_partition(pin, &plan, verbosity));
    }
    let count = i64::try_from(all.files_read).unwrap_or(i64::MAX);
    let size = i64::try_from(all.bytes_read).unwrap_or(i64::MAX);
    Ok(rawdoc! {
        "queryPlanner": {
            "namespace": query.namespace.to_string(),
            "parsedQuery": query.filter.raw().to_owned(),
            "winningPlan": { "stage": "FEDERATED", "pruning": all.to_document() },
            "rejectedPlans": [],
        },
        "stats": { "size": size, "numberOfPartitions": count },
        "pruning": all.to_document(),
        "truncated": false,
        "plan": {
            "kind": "region",
            "node": {
                "kind": "data",
                "size": size,
                "numberOfPartitions": count,
                "partitions": partitions,
            },
        },
    })
}

fn cluster_partition(query: &Query) -> RawDocumentBuf {
    let filter =
        if query.filter_travels { query.filter.raw().to_owned() } else { RawDocumentBuf::new() };
    rawdoc! {
        "source": "cluster",
        "provider": "portolan",
        "database": query.namespace.database.as_str(),
        "collection": query.namespace.collection.as_str(),
        "pipeline": [{ "$match": filter }],
    }
}

fn archive_partition(pin: &Pin, plan: &ScanPlan, verbosity: Verbosity) -> RawDocumentBuf {
    let mut pruning = Pruning::default();
    pruning.add(plan);
    let kind = if plan.files_read < plan.files_total { "pruned" } else { "scan" };
    let mut partition = rawdoc! {
        "source": "archive",
        "provider": "portolan",
        "archiveId": pin.source.archive_id.as_str(),
        "tableVersion": pin.version.number,
        "size": i64::try_from(plan.bytes_read).unwrap_or(i64::MAX),
        "optimizationPlan": { "kind": kind },
        "pruning": pruning.to_document(),
    };
    if verbosity == Verbosity::Extended {
        let files = plan.files.iter().map(|(_, file)| file.path.as_str());
        partition.append(cstr!("files"), files.collect::<RawArrayBuf>());
        #[expect(clippy::cast_precision_loss, reason = "a percentage, shown to people")]
        let percent = 100.0 * plan.files_read as f64 / plan.files_total.max(1) as f64;
        partition.append(cstr!("percentOfTotalPartitions"), percent);
    }
    partition
}

fn with_server(mut reply: RawDocumentBuf) -> RawDocumentBuf {
    let version = env!("CARGO_PKG_VERSION");
    let server = rawdoc! { "host": "portolan", "version": version, "gitVersion": "unknown" };
    reply.append(cstr!("serverInfo"), server);
    reply
}
