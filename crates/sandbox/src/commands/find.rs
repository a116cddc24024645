//! `find`.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, Projection, Sort};
use portolan_wire::{Command, CursorReply, Reply};

use super::output::{self, Documents, Shape};
use super::reading::Reading;
use super::views::Resolved;
use super::{Call, Need, fields, tailable};
use crate::error::Failure;
use crate::plan::{Hint, Plan};
use crate::scan::{Matches, Patience};
use crate::store::{CollectionEntry, IndexField};

pub(crate) const FIELDS: &[&str] = &[
    "filter",
    "sort",
    "projection",
    "hint",
    "skip",
    "limit",
    "batchSize",
    "singleBatch",
    "let",
    "collation",
    "noCursorTimeout",
    "allowDiskUse",
    "allowPartialResults",
    "oplogReplay",
    "returnKey",
    "showRecordId",
    "tailable",
    "awaitData",
    "max",
    "min",
    "collectionUUID",
];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let namespace = begin(&call)?;
    if tailable::is_asked(&call.command)? {
        return tailable::run(call, namespace).await;
    }
    let limits = Limits::parse(&call.command)?;
    let ns = namespace.to_string();
    let patience = call.patience()?;
    let until = patience.clone();
    let open = move |call: &Call| open(call, &namespace, &until);
    let documents = call.blocking(open).await?;
    Ok(Reply::Cursor(CursorReply {
        namespace: ns,
        documents: output::stream(&call.engine.runtime, documents, patience),
        batch_size: limits.batch_size,
        limit: limits.limit,
        single_batch: limits.single_batch,
        at_cluster_time: None,
        beside: None,
    }))
}

fn open(call: &Call, namespace: &Namespace, patience: &Patience) -> Result<Documents, Failure> {
    let reading = Reading::new(call, patience)?;
    let resolved = reading.resolve(namespace)?;
    let context = reading.context(resolved.collation.as_ref())?;
    let query = Query::parse(&call.command, &context)?;
    if query.needs_plan() {
        return query.by_plan(&reading, &resolved);
    }
    let way = |entry: &CollectionEntry| query.plan(entry);
    let (documents, sorted) = reading.documents(&resolved, &query.filter, way)?;
    Ok(query.shape(sorted).apply(documents))
}

/// The checks that `find` and its `explain` begin with.
pub(crate) fn begin(call: &Call) -> Result<Namespace, Failure> {
    let command = &call.command;
    fields::only(command, FIELDS)?;
    let namespace = fields::namespace(command)?;
    call.allow(Need::Read, &namespace)?;
    fields::collation(command.get_document("collation")?)?;
    Ok(namespace)
}

/// How many documents are wanted, and in which portions.
struct Limits {
    limit: Option<u64>,
    batch_size: Option<u32>,
    single_batch: bool,
}

impl Limits {
    fn parse(command: &Command) -> Result<Self, Failure> {
        // A negative limit is the old spelling of "one batch of that many".
        let limit = command.get_i64("limit")?.unwrap_or(0);
        Ok(Self {
            limit: (limit != 0).then(|| limit.unsigned_abs()),
            batch_size: batch_size(command.get_u64("batchSize")?),
            single_batch: command.get_bool("singleBatch")?.unwrap_or(false) || limit < 0,
        })
    }
}

/// A parsed `find`.
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    projection: Option<Projection>,
    hint: Option<bson::RawBson>,
    min: Option<RawDocumentBuf>,
    max: Option<RawDocumentBuf>,
    skip: u64,
    limit: Option<u64>,
    show_record_id: bool,
    return_key: bool,
}

impl Query {
    pub(crate) fn parse(command: &Command, context: &Context) -> Result<Self, Failure> {
        let empty = RawDocumentBuf::new();
        let document =
            |name| Ok::<&RawDocument, Failure>(command.get_document(name)?.unwrap_or(&empty));
        let projection = document("projection")?;
        let projection = (!projection.is_empty()).then(|| Projection::parse(projection, context));
        // `sort: {$natural: 1}` is another spelling of the hint.
        let sort = document("sort")?;
        let by_nature = sort.get("$natural")?.is_some();
        let natural = by_nature.then_some(RawBsonRef::Document(sort));
        let hint = natural.or_else(|| command.get("hint"));
        let bound = |name| {
            let bound = command.get_document(name)?.filter(|bound| !bound.is_empty());
            Ok::<_, Failure>(bound.map(RawDocument::to_owned))
        };
        let flag = |name| Ok::<_, Failure>(command.get_bool(name)?.unwrap_or(false));
        let sort = Sort::parse(if by_nature { &empty } else { sort })?;
        Ok(Self {
            filter: Filter::parse(document("filter")?, context)?,
            sort: sort.collated(context.collation.clone()),
            projection: projection.transpose()?,
            hint: hint.map(bson::RawBson::from),
            min: bound("min")?,
            max: bound("max")?,
            skip: command.get_u64("skip")?.unwrap_or(0),
            limit: Limits::parse(command)?.limit,
            show_record_id: flag("showRecordId")?,
            return_key: flag("returnKey")?,
        })
    }

    /// The way to the documents.
    pub(crate) fn plan(&self, entry: &CollectionEntry) -> Result<Plan, Failure> {
        let hint = Hint::parse(self.hint.as_ref().map(bson::RawBson::as_raw_bson_ref), entry)?;
        let plan = Plan::choose(entry, &self.filter, Some(&self.sort), &hint);
        match (&self.min, &self.max) {
            (None, None) => Ok(plan),
            (min, max) => plan.within(entry, &hint, min.as_deref(), max.as_deref()),
        }
    }

    /// Whether what is shown depends on the way to the documents.
    fn needs_plan(&self) -> bool {
        self.show_record_id || self.return_key
    }

    /// Documents with the number of their record, or what the index that is used has of them.
    fn by_plan(&self, reading: &Reading, resolved: &Resolved) -> Result<Documents, Failure> {
        let Some(entry) = resolved.entry.as_ref().filter(|_| !resolved.is_view) else {
            return Ok(Box::new(std::iter::empty()));
        };
        let plan = self.plan(entry)?;
        let shape = self.shape(plan.sorted);
        let fields = plan.fields(entry);
        let collection = reading.snapshot.open(entry.clone())?;
        let matches = Matches::new(collection, plan, self.filter.clone(), reading.patience.clone());
        if !self.return_key {
            return Ok(shape.apply(Box::new(matches.with_record_ids())));
        }
        let documents = Shape { projection: None, ..shape }.apply(Box::new(matches));
        Ok(Box::new(documents.map(move |document| index_key(&document?, &fields))))
    }

    /// What is to be done to the documents, which may come in the order asked for.
    fn shape(&self, sorted: bool) -> Shape {
        Shape {
            sort: if sorted { Sort::default() } else { self.sort.clone() },
            skip: self.skip,
            limit: self.limit,
            projection: self.projection.clone(),
        }
    }
}

/// What an index on these fields has of a document.
fn index_key(document: &RawDocument, fields: &[IndexField]) -> Result<RawDocumentBuf, Failure> {
    let mut shown = RawDocumentBuf::new();
    for field in fields {
        let Ok(name) = <&bson::raw::CStr>::try_from(field.path.as_str()) else { continue };
        let value = portolan_mql::path::get(document, &field.path);
        shown.append(name, value.unwrap_or(RawBsonRef::Null));
    }
    Ok(shown)
}

/// Batch sizes beyond what fits are as good as the largest.
pub(crate) fn batch_size(size: Option<u64>) -> Option<u32> {
    size.map(|size| u32::try_from(size).unwrap_or(u32::MAX))
}
