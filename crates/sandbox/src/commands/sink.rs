//! `$out` and `$merge`: the last stage of a pipeline that writes what came before it.
//!
//! The documents are gathered first, up to a limit, and written in one commit: readers of the
//! target see all of them or none. What is not here: the stages before, which are `aggregate`'s.

use bson::raw::cstr;
use bson::{Bson, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, Update};
use portolan_runtime::Runtime;
use portolan_wire::Reply;

use super::fields::{self, Moment, Statement, evaluated, writable, write_concern};
use super::output::Documents;
use super::update::change;
use super::writes::bypasses_validation;
use super::{Call, Need, prepare_document};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::{Patience, matching_records};
use crate::store::{CollectionWriter, IndexEntry, Writing};

/// Bytes that one `$out` or `$merge` may write.
const WRITTEN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Numbers of refusals that MongoDB gives no names.
const NOT_LAST_STAGE: i32 = 40_601;
const OUT_TO_CAPPED: i32 = 17_152;
const NO_UNIQUE_INDEX: i32 = 51_183;
const MERGE_LET_WITHOUT_PIPELINE: i32 = 51_199;
const MERGE_NOT_MATCHED: i32 = 13_113;

/// What `$merge` does with a document that is there already.
#[derive(Debug, Clone)]
enum Matched {
    Replace,
    Keep,
    Merge,
    Fail,
    Update(RawArrayBuf),
}

/// What `$merge` does with a document that is not there yet.
#[derive(Debug, Clone, Copy)]
enum NotMatched {
    Insert,
    Discard,
    Fail,
}

#[derive(Debug, Clone)]
enum Manner {
    Out,
    Merge(Box<Merge>),
}

/// How `$merge` finds and writes.
#[derive(Debug, Clone)]
struct Merge {
    on: Vec<String>,
    matched: Matched,
    not_matched: NotMatched,
    /// Variables of an updating pipeline, computed from the new document.
    variables: Option<RawDocumentBuf>,
}

/// A stage that writes.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    target: Namespace,
    manner: Manner,
}

impl Sink {
    /// Takes a writing stage off the end of a pipeline.
    pub(crate) fn take(
        stages: &mut Vec<RawDocumentBuf>,
        database: &str,
    ) -> Result<Option<Self>, Failure> {
        let name = |stage: &RawDocumentBuf| {
            stage.iter().next().and_then(Result::ok).map(|(name, _)| name.to_string())
        };
        let writes = |stage: &RawDocumentBuf| {
            name(stage).filter(|name| matches!(name.as_str(), "$out" | "$merge"))
        };
        let Some(position) = stages.iter().position(|stage| writes(stage).is_some()) else {
            return Ok(None);
        };
        let found = writes(&stages[position]).unwrap_or_default();
        if position + 1 < stages.len() {
            let message = format!("{found} can only be the final stage in the pipeline");
            return Err(refuse(NOT_LAST_STAGE, message));
        }
        let stage = stages.remove(position);
        let value = stage.get(found.as_str())?.unwrap_or(RawBsonRef::Null);
        let sink = if found == "$out" { out(value, database)? } else { merge(value, database)? };
        writable(&sink.target)?;
        Ok(Some(sink))
    }

    /// Runs the pipeline and writes what it gives.
    pub(crate) async fn run(
        self,
        call: &Call,
        namespace: &str,
        open: impl FnOnce(&Call) -> Result<Documents, Failure> + Send + 'static,
    ) -> Result<Reply, Failure> {
        call.allow(Need::Write, &self.target)?;
        let concern = write_concern(&call.command)?;
        let documents = call.blocking(move |call| gather(open(call)?)).await?;
        let runtime = call.engine.runtime.clone();
        let patience = call.patience()?;
        let (command, moment) = (call.command.clone(), Moment::now(&runtime));
        let queue = &call.engine.queue;
        let written = queue.write_alone(move |writing| {
            let target = writing.entry(&self.target)?;
            let default = target.as_ref().and_then(|entry| entry.options.collation());
            let context = fields::context(&command, moment, default)?;
            let bypass = bypasses_validation(&command)?;
            self.write(writing, &documents, &Written { runtime, patience, context, bypass })
        });
        written.await?;
        let cursor = rawdoc! { "firstBatch": [], "id": 0_i64, "ns": namespace };
        let mut reply = rawdoc! { "cursor": cursor };
        if let Some(error) = concern {
            reply.append(cstr!("writeConcernError"), error);
        }
        Ok(Reply::Document(reply))
    }

    fn write(
        &self,
        writing: &Writing<'_>,
        documents: &[RawDocumentBuf],
        with: &Written,
    ) -> Result<(), Failure> {
        let collection = writing.open_or_create(&self.target)?;
        if matches!(self.manner, Manner::Out) && collection.tables.entry.options.capped().is_some()
        {
            let message =
                format!("namespace '{}' is capped so it can't be used for $out", self.target);
            return Err(refuse(OUT_TO_CAPPED, message));
        }
        let mut collection = collection.without_validation(with.bypass);
        match &self.manner {
            Manner::Out => {
                clear(&mut collection, &with.patience)?;
                for document in documents {
                    collection.insert(&prepare_document(document, &with.runtime)?)?;
                }
            }
            Manner::Merge(merge) => {
                check_unique(&collection, &merge.on)?;
                for document in documents {
                    let document = prepare_document(document, &with.runtime)?;
                    merge_one(&mut collection, &document, merge, with)?;
                }
            }
        }
        writing.finish(collection)
    }
}

/// What writing needs besides the documents.
struct Written {
    runtime: Runtime,
    patience: Patience,
    context: Context,
    /// Documents are stored although they break the rules of the target.
    bypass: bool,
}

fn gather(documents: Documents) -> Result<Vec<RawDocumentBuf>, Failure> {
    let (mut gathered, mut held_bytes) = (Vec::new(), 0);
    for document in documents {
        let document = document?;
        held_bytes += document.as_bytes().len();
        if held_bytes > WRITTEN_BYTES_MAX {
            let message = format!("$out and $merge write {WRITTEN_BYTES_MAX} bytes at most here");
            return Err(refuse(codes::QUERY_EXCEEDED_MEMORY_LIMIT, message));
        }
        gathered.push(document);
    }
    Ok(gathered)
}

/// Removes every document; indexes stay, as `$out` keeps them.
fn clear(collection: &mut CollectionWriter<'_>, patience: &Patience) -> Result<(), Failure> {
    let everything = Filter::parse(&RawDocumentBuf::new(), &Context::new(0))?;
    let plan = Plan::everything(false);
    for record in matching_records(&collection.tables, plan, &everything, None, patience)? {
        if let Some(document) = collection.tables.document(record)? {
            collection.remove(record, &document)?;
        }
    }
    Ok(())
}

/// Documents are matched by fields that cannot be the same in two of them.
fn check_unique(collection: &CollectionWriter<'_>, on: &[String]) -> Result<(), Failure> {
    let same = |fields: &mut dyn Iterator<Item = &String>| {
        let mut fields: Vec<_> = fields.collect();
        let mut wanted: Vec<_> = on.iter().collect();
        fields.sort_unstable();
        wanted.sort_unstable();
        fields == wanted
    };
    let usable = |index: &&IndexEntry| index.options.unique && index.options.partial.is_none();
    let unique = collection.tables.entry.indexes.iter().filter(usable);
    let mut found = unique.map(|index| same(&mut index.fields.iter().map(|field| &field.path)));
    if on == ["_id"] || found.any(|same| same) {
        return Ok(());
    }
    let message = "Cannot find index to verify that join fields will be unique";
    Err(refuse(NO_UNIQUE_INDEX, message))
}

fn merge_one(
    collection: &mut CollectionWriter<'_>,
    document: &RawDocument,
    merge: &Merge,
    with: &Written,
) -> Result<(), Failure> {
    let filter = Filter::parse(&by_fields(document, &merge.on)?, &with.context)?;
    let plan = Plan::choose(&collection.tables.entry, &filter, None, &Hint::None);
    let found = matching_records(&collection.tables, plan, &filter, Some(1), &with.patience)?;
    let old = match found.first() {
        Some(record) => collection.tables.document(*record)?.map(|old| (*record, old)),
        None => None,
    };
    let Some((record, old)) = old else {
        return match merge.not_matched {
            NotMatched::Insert => collection.insert(document).map(drop),
            NotMatched::Discard => Ok(()),
            NotMatched::Fail => {
                let message = "$merge could not find a matching document in the target collection \
                               for at least one document in the source collection";
                Err(refuse(MERGE_NOT_MATCHED, message))
            }
        };
    };
    let update = match &merge.matched {
        Matched::Keep => return Ok(()),
        Matched::Fail => {
            return Err(duplicate(collection, document, &merge.on)?);
        }
        Matched::Replace => replacement(document, with)?,
        Matched::Merge => replacement(&merged(&old, document)?, with)?,
        Matched::Update(stages) => {
            let mut vars = with.context.vars.clone();
            match &merge.variables {
                Some(variables) => {
                    vars.extend(evaluated(variables, &with.context, document.to_owned())?);
                }
                None => {
                    let new = Bson::Document(bson::Document::try_from(document)?);
                    vars.push(("new".to_owned(), new));
                }
            }
            let context = with.context.clone().with_vars(vars);
            Update::parse(RawBsonRef::Array(stages), &[], &context)?
        }
    };
    change(collection, record, &old, &update, &filter).map(drop)
}

/// The refusal of a document that is there already, with the key that both have.
fn duplicate(
    collection: &CollectionWriter<'_>,
    document: &RawDocument,
    on: &[String],
) -> Result<Failure, Failure> {
    let (mut pattern, mut value) = (bson::Document::new(), bson::Document::new());
    for path in on {
        let found = portolan_mql::path::get(document, path);
        pattern.insert(path, 1);
        value.insert(path, found.map_or(Ok(Bson::Null), Bson::try_from)?);
    }
    let message = format!(
        "$merge failed due to a DuplicateKey error: E11000 duplicate key error collection: {} dup \
         key: {value}",
        collection.tables.entry.namespace
    );
    let mut extra = RawDocumentBuf::new();
    extra.append(cstr!("keyPattern"), RawDocumentBuf::try_from(&pattern)?);
    extra.append(cstr!("keyValue"), RawDocumentBuf::try_from(&value)?);
    Ok(refuse(codes::DUPLICATE_KEY, message).with_extra(extra))
}

fn replacement(document: &RawDocument, with: &Written) -> Result<Update, Failure> {
    Ok(Update::parse(RawBsonRef::Document(document), &[], &with.context)?)
}

fn by_fields(document: &RawDocument, on: &[String]) -> Result<RawDocumentBuf, Failure> {
    let mut filter = bson::Document::new();
    for path in on {
        let value = portolan_mql::path::get(document, path);
        let value = value.map_or(Ok(Bson::Null), Bson::try_from)?;
        filter.insert(path, bson::doc! { "$eq": value });
    }
    Ok(RawDocumentBuf::try_from(&filter)?)
}

/// `old` with the top-level fields of `new` over its own.
fn merged(old: &RawDocument, new: &RawDocument) -> Result<RawDocumentBuf, Failure> {
    let mut result = RawDocumentBuf::new();
    for element in old {
        let (name, value) = element?;
        result.append(name, new.get(name.as_str())?.unwrap_or(value));
    }
    for element in new {
        let (name, value) = element?;
        if old.get(name.as_str())?.is_none() {
            result.append(name, value);
        }
    }
    Ok(result)
}

fn out(value: RawBsonRef<'_>, database: &str) -> Result<Sink, Failure> {
    Ok(Sink { target: target("$out", value, database)?, manner: Manner::Out })
}

/// A collection by its name, or by `{db, coll}`.
fn target(stage: &str, value: RawBsonRef<'_>, database: &str) -> Result<Namespace, Failure> {
    match value {
        RawBsonRef::String(collection) => fields::namespace_of(database, collection),
        RawBsonRef::Document(document) => {
            Statement { place: "$out", document }.only(&["db", "coll"])?;
            let (Ok(collection), database) =
                (document.get_str("coll"), document.get_str("db").unwrap_or(database))
            else {
                let message = format!("{stage} needs the name of a collection");
                return Err(refuse(codes::FAILED_TO_PARSE, message));
            };
            fields::namespace_of(database, collection)
        }
        _ => {
            let message = format!("{stage} only supports a string or object argument");
            Err(refuse(codes::FAILED_TO_PARSE, message))
        }
    }
}

fn merge(value: RawBsonRef<'_>, database: &str) -> Result<Sink, Failure> {
    let document = match value {
        RawBsonRef::String(_) => {
            let mut document = RawDocumentBuf::new();
            document.append(cstr!("into"), value);
            document
        }
        RawBsonRef::Document(document) => document.to_owned(),
        _ => {
            let message = "$merge requires a string or object argument";
            return Err(refuse(codes::FAILED_TO_PARSE, message));
        }
    };
    let statement = Statement { place: "$merge", document: &document };
    statement.only(&["into", "on", "let", "whenMatched", "whenNotMatched"])?;
    let merge = Merge {
        on: on(&statement)?,
        matched: matched(&statement)?,
        not_matched: not_matched(&statement)?,
        variables: statement.document("let")?.map(RawDocument::to_owned),
    };
    if merge.variables.is_some() && !matches!(merge.matched, Matched::Update(_)) {
        let message = "Cannot use 'let' variables with 'whenMatched' other than a pipeline";
        return Err(refuse(MERGE_LET_WITHOUT_PIPELINE, message));
    }
    Ok(Sink {
        target: target("$merge", statement.required("into")?, database)?,
        manner: Manner::Merge(Box::new(merge)),
    })
}

fn on(statement: &Statement<'_>) -> Result<Vec<String>, Failure> {
    match statement.get("on")? {
        None => Ok(vec!["_id".to_owned()]),
        Some(RawBsonRef::String(path)) => Ok(vec![path.to_owned()]),
        Some(RawBsonRef::Array(paths)) if !paths.is_empty() => paths
            .into_iter()
            .map(|path| match path? {
                RawBsonRef::String(path) => Ok(path.to_owned()),
                other => Err(statement.mismatch("on", "string", &other)),
            })
            .collect(),
        Some(other) => Err(statement.mismatch("on", "string or array", &other)),
    }
}

fn matched(statement: &Statement<'_>) -> Result<Matched, Failure> {
    match statement.get("whenMatched")? {
        None | Some(RawBsonRef::String("merge")) => Ok(Matched::Merge),
        Some(RawBsonRef::String("replace")) => Ok(Matched::Replace),
        Some(RawBsonRef::String("keepExisting")) => Ok(Matched::Keep),
        Some(RawBsonRef::String("fail")) => Ok(Matched::Fail),
        Some(RawBsonRef::Array(stages)) => match RawBson::from(RawBsonRef::Array(stages)) {
            RawBson::Array(stages) => Ok(Matched::Update(stages)),
            _ => Err(bad_value("whenMatched")),
        },
        Some(_) => Err(bad_value("whenMatched")),
    }
}

fn not_matched(statement: &Statement<'_>) -> Result<NotMatched, Failure> {
    match statement.get("whenNotMatched")? {
        None | Some(RawBsonRef::String("insert")) => Ok(NotMatched::Insert),
        Some(RawBsonRef::String("discard")) => Ok(NotMatched::Discard),
        Some(RawBsonRef::String("fail")) => Ok(NotMatched::Fail),
        Some(_) => Err(bad_value("whenNotMatched")),
    }
}

fn bad_value(field: &str) -> Failure {
    let message = format!("Enumeration value for field '$merge.{field}' is not a valid value");
    refuse(codes::BAD_VALUE, message)
}

#[cfg(test)]
mod tests;
