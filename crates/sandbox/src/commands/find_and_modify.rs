//! `findAndModify`: takes the first document in an order, changes or removes it, and returns it as
//! it was or as it became.

use bson::raw::cstr;
use bson::{RawDocumentBuf, rawdoc};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, Projection, Sort, Update};
use portolan_runtime::Runtime;
use portolan_wire::{Command, Reply};

use super::Call;
use super::fields;
use super::update::{change, or_null, upsert};
use super::writes;
use crate::error::{Failure, codes, refuse};
use crate::plan::Hint;
use crate::scan::{Patience, first_record};
use crate::store::{CollectionEntry, CollectionWriter, RecordId, Writing};

const FIELDS: &[&str] = &[
    "query",
    "sort",
    "remove",
    "update",
    "new",
    "fields",
    "upsert",
    "bypassDocumentValidation",
    "collation",
    "arrayFilters",
    "hint",
    "let",
    "collectionUUID",
];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let namespace = writes::begin(&call, FIELDS)?;
    fields::collation(call.command.get_document("collation")?)?;
    let (command, runtime) = (call.command.clone(), call.engine.runtime.clone());
    let patience = call.patience()?;
    writes::write(&call, move |writing| {
        Run { writing, command: &command, namespace: &namespace, runtime: &runtime, patience }.one()
    })
    .await
}

enum Change {
    Remove,
    Update(Box<Update>),
}

struct Parsed {
    filter: Filter,
    sort: Sort,
    projection: Option<Projection>,
    hint: Hint,
    change: Change,
    new: bool,
    upsert: bool,
}

impl Parsed {
    fn new(command: &Command, entry: &CollectionEntry, context: &Context) -> Result<Self, Failure> {
        let empty = RawDocumentBuf::new();
        let projection = command.get_document("fields")?.filter(|fields| !fields.is_empty());
        let flag = |name| Ok::<_, Failure>(command.get_bool(name)?.unwrap_or(false));
        let parsed = Self {
            filter: Filter::parse(command.get_document("query")?.unwrap_or(&empty), context)?,
            sort: Sort::parse(command.get_document("sort")?.unwrap_or(&empty))?
                .collated(context.collation.clone()),
            projection: projection.map(|fields| Projection::parse(fields, context)).transpose()?,
            hint: Hint::parse(command.get("hint"), entry)?,
            change: Change::parse(command, flag("remove")?, context)?,
            new: flag("new")?,
            upsert: flag("upsert")?,
        };
        if matches!(parsed.change, Change::Remove) && (parsed.new || parsed.upsert) {
            let message = "Cannot specify 'new' or 'upsert' together with 'remove'";
            return Err(refuse(codes::FAILED_TO_PARSE, message));
        }
        Ok(parsed)
    }

    fn project(&self, document: Option<RawDocumentBuf>) -> Result<Option<RawDocumentBuf>, Failure> {
        match (document, &self.projection) {
            (Some(document), Some(projection)) => Ok(Some(projection.apply(&document)?)),
            (document, _) => Ok(document),
        }
    }
}

impl Change {
    fn parse(command: &Command, remove: bool, context: &Context) -> Result<Self, Failure> {
        match (remove, command.get("update")) {
            (true, None) => Ok(Self::Remove),
            (false, Some(update)) => {
                let array_filters = fields::documents(command.get_array("arrayFilters")?)?;
                Ok(Self::Update(Box::new(Update::parse(update, &array_filters, context)?)))
            }
            (true, Some(_)) => {
                Err(refuse(codes::FAILED_TO_PARSE, "Cannot specify both an update and remove=true"))
            }
            (false, None) => Err(refuse(
                codes::FAILED_TO_PARSE,
                "Either an update or remove=true must be specified",
            )),
        }
    }
}

struct Run<'r, 't> {
    writing: &'r Writing<'t>,
    command: &'r Command,
    namespace: &'r Namespace,
    runtime: &'r Runtime,
    patience: Patience,
}

impl Run<'_, '_> {
    fn one(self) -> Result<RawDocumentBuf, Failure> {
        let entry = self.writing.entry(self.namespace)?;
        let catalog = self.writing.catalog()?;
        writes::check_uuid(&catalog, self.command, self.namespace, entry.as_ref())?;
        drop(catalog);
        let default = entry.as_ref().and_then(|entry| entry.options.collation().cloned());
        let context = fields::context(self.command, self.writing.moment(), default.as_ref())?;
        let none = || CollectionEntry::new(self.namespace.clone(), [0; 16]);
        let parsed = Parsed::new(self.command, &entry.clone().unwrap_or_else(none), &context)?;
        let upserts = matches!(parsed.change, Change::Update(_)) && parsed.upsert;
        let collection = match entry {
            Some(entry) => self.writing.open(entry)?,
            None if upserts => self.writing.open_or_create(self.namespace)?,
            None => return reply(rawdoc! { "n": 0 }, None, &parsed),
        };
        let bypass = writes::bypasses_validation(self.command)?;
        let mut collection = collection.without_validation(bypass);
        let Parsed { filter, sort, hint, .. } = &parsed;
        let found = first_record(&collection.tables, filter, sort, hint, &self.patience)?;
        let done = match found {
            Some(record) => modify(&mut collection, record, &parsed),
            None => self.nothing_found(&mut collection, &parsed),
        };
        self.writing.finish(collection)?;
        done
    }

    fn nothing_found(
        &self,
        collection: &mut CollectionWriter<'_>,
        parsed: &Parsed,
    ) -> Result<RawDocumentBuf, Failure> {
        match &parsed.change {
            Change::Update(update) if parsed.upsert => {
                let made = upsert(collection, update, &parsed.filter, self.runtime)?;
                let mut last = rawdoc! { "n": 1, "updatedExisting": false };
                if let Some(id) = made.get("_id")? {
                    last.append(cstr!("upserted"), id);
                }
                reply(last, parsed.new.then_some(made), parsed)
            }
            Change::Update(_) => reply(rawdoc! { "n": 0, "updatedExisting": false }, None, parsed),
            Change::Remove => reply(rawdoc! { "n": 0 }, None, parsed),
        }
    }
}

fn modify(
    collection: &mut CollectionWriter<'_>,
    record: RecordId,
    parsed: &Parsed,
) -> Result<RawDocumentBuf, Failure> {
    let Some(old) = collection.tables.document(record)? else {
        return Err(refuse(codes::INTERNAL_ERROR, "the document found is not there"));
    };
    match &parsed.change {
        Change::Remove => {
            collection.remove(record, &old)?;
            reply(rawdoc! { "n": 1 }, Some(old), parsed)
        }
        Change::Update(update) => {
            let new = change(collection, record, &old, update, &parsed.filter)?;
            let shown = if parsed.new { new.unwrap_or(old) } else { old };
            reply(rawdoc! { "n": 1, "updatedExisting": true }, Some(shown), parsed)
        }
    }
}

fn reply(
    last: RawDocumentBuf,
    value: Option<RawDocumentBuf>,
    parsed: &Parsed,
) -> Result<RawDocumentBuf, Failure> {
    let value = parsed.project(value)?;
    let mut reply = rawdoc! { "lastErrorObject": last };
    reply.append(cstr!("value"), or_null(value.as_deref()));
    Ok(reply)
}
