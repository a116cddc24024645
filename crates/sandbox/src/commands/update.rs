//! `update`: operators, replacements and pipelines on one or many documents, and upserts.

use bson::raw::cstr;
use bson::{Bson, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, Sort, Update, compare};
use portolan_runtime::Runtime;
use portolan_wire::{Command, Reply};

use super::documents::{check_size, with_id};
use super::fields::{self, Statement};
use super::writes::{self, Outcome};
use super::{Call, prepare_document};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::{Patience, first_record, matching_records};
use crate::store::{CollectionEntry, CollectionWriter, Manner, RecordId, Writing};

const FIELDS: &[&str] =
    &["updates", "ordered", "let", "bypassDocumentValidation", "collectionUUID"];
const STATEMENT_FIELDS: &[&str] =
    &["q", "u", "c", "upsert", "multi", "collation", "arrayFilters", "hint", "sort"];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let namespace = writes::begin(&call, FIELDS)?;
    for document in writes::statements(&call.command, "updates")? {
        check(Statement { place: "update.updates", document })?;
    }
    let (command, runtime) = (call.command.clone(), call.engine.runtime.clone());
    let patience = call.patience()?;
    writes::write(&call, move |writing| {
        Updates { writing, namespace: &namespace, runtime: &runtime, patience }.all(&command)
    })
    .await
}

/// What makes the whole command wrong.
fn check(statement: Statement<'_>) -> Result<(), Failure> {
    statement.only(STATEMENT_FIELDS)?;
    statement.required("q")?;
    statement.required("u")?;
    statement.document("c")?;
    fields::collation(statement.document("collation")?).map(drop)
}

/// An update that is ready to run.
pub(crate) struct Parsed {
    pub(crate) filter: Filter,
    pub(crate) update: Update,
    pub(crate) hint: Hint,
    pub(crate) multi: bool,
    pub(crate) upsert: bool,
    /// Which of the matching documents is the one.
    sort: Sort,
}

impl Parsed {
    fn new(
        statement: Statement<'_>,
        entry: &CollectionEntry,
        context: &Context,
    ) -> Result<Self, Failure> {
        let empty = RawDocumentBuf::new();
        let array_filters = fields::documents(statement.array("arrayFilters")?)?;
        let filter: &RawDocument = statement.document("q")?.unwrap_or(&empty);
        let context = &statement.collated(context)?;
        let update = match statement.document("c")? {
            // Constants are variables of the update, but not of the filter.
            Some(constants) => {
                let mut context = context.clone();
                for element in constants {
                    let (name, value) = element?;
                    context.vars.push((name.to_string(), Bson::try_from(value)?));
                }
                Update::parse(statement.required("u")?, &array_filters, &context)?
            }
            None => Update::parse(statement.required("u")?, &array_filters, context)?,
        };
        let parsed = Self {
            filter: Filter::parse(filter, context)?,
            update,
            hint: Hint::parse(statement.get("hint")?, entry)?,
            multi: statement.flag("multi")?,
            upsert: statement.flag("upsert")?,
            sort: Sort::parse(statement.document("sort")?.unwrap_or(&empty))?
                .collated(context.collation.clone()),
        };
        if parsed.multi && !parsed.sort.is_empty() {
            let message = "Cannot specify sort with multi=true";
            return Err(refuse(codes::FAILED_TO_PARSE, message));
        }
        if parsed.multi && parsed.update.is_replacement() {
            let message = "multi update is not supported for replacement-style update";
            return Err(refuse(codes::FAILED_TO_PARSE, message));
        }
        Ok(parsed)
    }
}

impl Parsed {
    /// What matches; of several documents only the first unless all are meant.
    fn records(
        &self,
        collection: &CollectionWriter<'_>,
        patience: &Patience,
    ) -> Result<Vec<RecordId>, Failure> {
        let Self { filter, sort, hint, .. } = self;
        let tables = &collection.tables;
        if !sort.is_empty() {
            let first = first_record(tables, filter, sort, hint, patience)?;
            return Ok(first.into_iter().collect());
        }
        let plan = Plan::choose(&tables.entry, filter, None, hint);
        matching_records(tables, plan, filter, (!self.multi).then_some(1), patience)
    }
}

/// What a statement did.
#[derive(Default)]
pub(super) struct Updated {
    pub(super) matched: u64,
    pub(super) modified: u64,
    pub(super) upserted: Option<RawBson>,
}

/// Updates of one collection.
pub(super) struct Updates<'r, 't> {
    pub(super) writing: &'r Writing<'t>,
    pub(super) namespace: &'r Namespace,
    pub(super) runtime: &'r Runtime,
    pub(super) patience: Patience,
}

impl<'t> Updates<'_, 't> {
    fn all(self, command: &Command) -> Result<RawDocumentBuf, Failure> {
        let entry = self.writing.entry(self.namespace)?;
        let catalog = self.writing.catalog()?;
        writes::check_uuid(&catalog, command, self.namespace, entry.as_ref())?;
        drop(catalog);
        let mut outcome = Outcome::new(command)?;
        let default = entry.as_ref().and_then(|entry| entry.options.collation().cloned());
        let context = fields::context(command, self.writing.moment(), default.as_ref())?;
        let bypass = writes::bypasses_validation(command)?;
        let open = |entry| Ok::<_, Failure>(self.writing.open(entry)?.without_validation(bypass));
        let mut collection = entry.map(open).transpose()?;
        let mut total = Updated::default();
        let mut upserted = RawArrayBuf::new();
        for (index, document) in writes::statements(command, "updates")?.into_iter().enumerate() {
            let statement = Statement { place: "update.updates", document };
            let mut done = Updated::default();
            let ran = self.statement(statement, &context, &mut collection, &mut done);
            total.matched += done.matched;
            total.modified += done.modified;
            if let Some(id) = done.upserted {
                upserted
                    .push(rawdoc! { "index": i32::try_from(index).unwrap_or(i32::MAX), "_id": id });
            }
            if let Err(failure) = ran
                && !outcome.refused(index, failure)?
            {
                break;
            }
        }
        if let Some(collection) = collection {
            self.writing.finish(collection)?;
        }
        reply(&total, upserted, outcome)
    }

    /// Runs one statement.
    pub(super) fn statement(
        &self,
        statement: Statement<'_>,
        context: &Context,
        collection: &mut Option<CollectionWriter<'t>>,
        done: &mut Updated,
    ) -> Result<(), Failure> {
        let parsed = match collection {
            Some(open) => Parsed::new(statement, &open.tables.entry, context)?,
            None => {
                let none = CollectionEntry::new(self.namespace.clone(), [0; 16]);
                Parsed::new(statement, &none, context)?
            }
        };
        if let Some(open) = collection {
            update_matching(open, &parsed, &self.patience, done)?;
        }
        if done.matched == 0 && parsed.upsert {
            if collection.is_none() {
                *collection = Some(self.writing.open_or_create(self.namespace)?);
            }
            if let Some(open) = collection {
                let inserted = upsert(open, &parsed.update, &parsed.filter, self.runtime)?;
                done.upserted = inserted.get("_id")?.map(RawBson::from);
                done.matched = 1;
            }
        }
        Ok(())
    }
}

fn reply(
    total: &Updated,
    upserted: RawArrayBuf,
    outcome: Outcome,
) -> Result<RawDocumentBuf, Failure> {
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("n"), RawBson::try_from(fields::count(total.matched))?);
    reply.append(cstr!("nModified"), RawBson::try_from(fields::count(total.modified))?);
    if !upserted.is_empty() {
        reply.append(cstr!("upserted"), upserted);
    }
    outcome.finish(&mut reply);
    Ok(reply)
}

fn update_matching(
    collection: &mut CollectionWriter<'_>,
    parsed: &Parsed,
    patience: &Patience,
    done: &mut Updated,
) -> Result<(), Failure> {
    for record in parsed.records(collection, patience)? {
        let Some(old) = collection.tables.document(record)? else { continue };
        let changed = change(collection, record, &old, &parsed.update, &parsed.filter)?;
        done.matched += 1;
        done.modified += u64::from(changed.is_some());
    }
    Ok(())
}

/// Applies an update to a document and stores the result; `None` when nothing changed.
pub(crate) fn change(
    collection: &mut CollectionWriter<'_>,
    record: RecordId,
    old: &RawDocument,
    update: &Update,
    filter: &Filter,
) -> Result<Option<RawDocumentBuf>, Failure> {
    let Some(new) = update.apply_matched(old, filter)? else { return Ok(None) };
    let new = keep_id(old, new)?;
    if new.as_bytes() == old.as_bytes() {
        return Ok(None);
    }
    check_size(&new)?;
    let manner = if update.is_replacement() { Manner::Replacement } else { Manner::Update };
    collection.replace(record, old, &new, manner)?;
    Ok(Some(new))
}

/// A replacement may leave `_id` out; no update may change it.
fn keep_id(old: &RawDocument, new: RawDocumentBuf) -> Result<RawDocumentBuf, Failure> {
    let Some(id) = old.get("_id")? else { return Ok(new) };
    match new.get("_id")? {
        None => with_id(&new, id),
        Some(given) if !compare::equal(given, id) => {
            let shown = |id| Bson::try_from(id).map_or_else(|_| String::new(), |id| id.to_string());
            let message = format!(
                "Performing an update on the path '_id' would modify the immutable field '_id' \
                 (from {} to {})",
                shown(id),
                shown(given)
            );
            Err(refuse(codes::IMMUTABLE_FIELD, message))
        }
        Some(given) if given == id && first_name(&new) == Some("_id") => Ok(new),
        // The stored type and place of an equal value stay.
        Some(_) => with_id(&new, id),
    }
}

fn first_name(document: &RawDocument) -> Option<&str> {
    document.iter().next()?.ok().map(|(name, _)| name.as_str())
}

/// Inserts what an upsert that matched nothing makes of its filter and update.
pub(crate) fn upsert(
    collection: &mut CollectionWriter<'_>,
    update: &Update,
    filter: &Filter,
    runtime: &Runtime,
) -> Result<RawDocumentBuf, Failure> {
    let made = update.upsert_from(filter)?;
    let document = prepare_document(&made, runtime)?.into_owned();
    collection.insert(&document)?;
    Ok(document)
}

/// The value of a field as it stands in a reply.
pub(crate) fn or_null(document: Option<&RawDocument>) -> RawBsonRef<'_> {
    document.map_or(RawBsonRef::Null, RawBsonRef::Document)
}
