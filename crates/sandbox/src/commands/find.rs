//! `find`.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, Projection, Sort};
use portolan_wire::{Command, CursorReply, Reply};

use super::fields;
use super::output::{self, Documents, Shape};
use super::{Call, Need};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::{Matches, Patience};
use crate::store::CollectionEntry;

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
];
/// Options that would change the answer and that this cluster cannot honour.
const REFUSED: &[&str] = &["returnKey", "showRecordId", "tailable", "awaitData"];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let namespace = begin(&call)?;
    let query = Query::parse(&call.command, call.engine.runtime.now_ms())?;
    let (batch_size, single_batch, limit) = (query.batch_size, query.single_batch, query.limit);
    let ns = namespace.to_string();
    let patience = call.patience()?;
    let until = patience.clone();
    let open = move |call: &Call| query.open(call, &namespace, until);
    let documents = call.blocking(open).await?;
    Ok(Reply::Cursor(CursorReply {
        namespace: ns,
        documents: output::stream(&call.engine.runtime, documents, patience),
        batch_size,
        limit,
        single_batch,
        at_cluster_time: None,
    }))
}

/// The checks that `find` and its `explain` begin with.
pub(crate) fn begin(call: &Call) -> Result<Namespace, Failure> {
    let command = &call.command;
    fields::only(command, FIELDS)?;
    let namespace = fields::namespace(command)?;
    call.allow(Need::Read, &namespace)?;
    fields::simple_collation(command.get_document("collation")?)?;
    for option in REFUSED {
        if command.get_bool(option)?.unwrap_or(false) {
            let message = format!("the find option '{option}' is not implemented");
            return Err(refuse(codes::NOT_IMPLEMENTED, message));
        }
    }
    for option in ["min", "max"] {
        if command.get_document(option)?.is_some_and(|bound| !bound.is_empty()) {
            let message = format!("the find option '{option}' is not implemented");
            return Err(refuse(codes::NOT_IMPLEMENTED, message));
        }
    }
    Ok(namespace)
}

/// A parsed `find`.
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    projection: Option<Projection>,
    hint: Option<bson::RawBson>,
    skip: u64,
    limit: Option<u64>,
    batch_size: Option<u32>,
    single_batch: bool,
}

impl Query {
    pub(crate) fn parse(command: &Command, now_ms: i64) -> Result<Self, Failure> {
        let context: Context = fields::context(command, now_ms)?;
        let empty = RawDocumentBuf::new();
        let document =
            |name| Ok::<&RawDocument, Failure>(command.get_document(name)?.unwrap_or(&empty));
        let projection = document("projection")?;
        let projection = (!projection.is_empty()).then(|| Projection::parse(projection, &context));
        // `sort: {$natural: 1}` is another spelling of the hint.
        let sort = document("sort")?;
        let by_nature = sort.get("$natural")?.is_some();
        let natural = by_nature.then_some(RawBsonRef::Document(sort));
        let hint = natural.or_else(|| command.get("hint"));
        // A negative limit is the old spelling of "one batch of that many".
        let limit = command.get_i64("limit")?.unwrap_or(0);
        Ok(Self {
            filter: Filter::parse(document("filter")?, &context)?,
            sort: Sort::parse(if by_nature { &empty } else { sort })?,
            projection: projection.transpose()?,
            hint: hint.map(bson::RawBson::from),
            skip: command.get_u64("skip")?.unwrap_or(0),
            limit: (limit != 0).then(|| limit.unsigned_abs()),
            batch_size: batch_size(command.get_u64("batchSize")?),
            single_batch: command.get_bool("singleBatch")?.unwrap_or(false) || limit < 0,
        })
    }

    /// The way to the documents.
    pub(crate) fn plan(&self, entry: &CollectionEntry) -> Result<Plan, Failure> {
        let hint = Hint::parse(self.hint.as_ref().map(bson::RawBson::as_raw_bson_ref), entry)?;
        Ok(Plan::choose(entry, &self.filter, Some(&self.sort), &hint))
    }

    fn open(
        self,
        call: &Call,
        namespace: &Namespace,
        patience: Patience,
    ) -> Result<Documents, Failure> {
        let Some(collection) = call.snapshot()?.collection(namespace)? else {
            return Ok(Box::new(std::iter::empty()));
        };
        let plan = self.plan(&collection.entry)?;
        let shape = self.shape(&plan);
        let matches = Matches::new(collection, plan, self.filter, patience);
        Ok(shape.apply(Box::new(matches)))
    }

    /// What is to be done to the documents that `plan` gives.
    pub(crate) fn shape(&self, plan: &Plan) -> Shape {
        Shape {
            sort: if plan.sorted { Sort::default() } else { self.sort.clone() },
            skip: self.skip,
            limit: self.limit,
            projection: self.projection.clone(),
        }
    }
}

/// Batch sizes beyond what fits are as good as the largest.
pub(crate) fn batch_size(size: Option<u64>) -> Option<u32> {
    size.map(|size| u32::try_from(size).unwrap_or(u32::MAX))
}
