//! `bulkWrite`: inserts, updates and deletes in several collections by one command and in one transaction,
//! as the MongoDB manual describes the command of version 8.0
//! (<https://www.mongodb.com/docs/manual/reference/command/bulkWrite/>).
//!
//! What each operation does is that of `insert`, `update` and `delete`; here is how they are named, in which
//! collection they work, and what the reply says of them.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use futures::StreamExt;
use futures::stream;
use portolan_model::Namespace;
use portolan_mql::Context;
use portolan_runtime::Runtime;
use portolan_wire::{Command, CursorReply, Reply};

use super::fields::{self, Statement};
use super::update::{Updated, Updates};
use super::writes::{self, expected_uuid, write_error};
use super::{Call, Need, aggregate, delete, insert};
use crate::error::{Failure, codes, refuse};
use crate::scan::Patience;
use crate::store::{CollectionEntry, CollectionWriter, Writing};

const FIELDS: &[&str] =
    &["ops", "nsInfo", "ordered", "bypassDocumentValidation", "let", "errorsOnly", "cursor"];
/// Fields of an update here, and in the command `update`.
const UPDATE: &[(&str, &str)] = &[
    ("filter", "q"),
    ("updateMods", "u"),
    ("constants", "c"),
    ("multi", "multi"),
    ("upsert", "upsert"),
    ("arrayFilters", "arrayFilters"),
    ("hint", "hint"),
    ("collation", "collation"),
    ("sort", "sort"),
];
/// Fields of a delete here, and in the command `delete`.
const DELETE: &[(&str, &str)] = &[("filter", "q"), ("hint", "hint"), ("collation", "collation")];
const PLACE: &str = "bulkWrite.ops";
const REPLY_NAMESPACE: &str = "admin.$cmd.bulkWrite";
/// Where the reply has its results until it becomes a cursor.
const RESULTS: &str = "results";

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    call.admin_only()?;
    fields::only(&call.command, FIELDS)?;
    let names = names(&call)?;
    for document in writes::statements(&call.command, "ops")? {
        Operation::parse(document, names.len())?;
    }
    let batch_size = match call.command.has("cursor") {
        true => aggregate::batch_size(&call.command)?,
        false => None,
    };
    let (command, runtime) = (call.command.clone(), call.engine.runtime.clone());
    let patience = call.patience()?;
    let work = move |writing: &Writing<'_>| {
        let run = Run { writing, command: &command, runtime: &runtime, patience };
        run.all(names)
    };
    match writes::write(&call, work).await? {
        Reply::Document(reply) => as_cursor(&reply, batch_size),
        other => Ok(other),
    }
}

/// The results become a cursor; what else is said of the command stands beside it.
fn as_cursor(reply: &RawDocument, batch_size: Option<u32>) -> Result<Reply, Failure> {
    let (mut results, mut beside) = (Vec::new(), RawDocumentBuf::new());
    for element in reply {
        match element? {
            (name, RawBsonRef::Array(array)) if name.as_str() == RESULTS => {
                results = fields::documents(Some(array))?;
            }
            (name, value) => beside.append(name, value),
        }
    }
    let documents = stream::iter(results.into_iter().map(Ok)).boxed();
    let mut cursor = CursorReply::new(REPLY_NAMESPACE, documents);
    cursor.batch_size = Some(batch_size.unwrap_or(u32::MAX));
    cursor.beside = Some(beside);
    Ok(Reply::Cursor(cursor))
}

/// A collection of `nsInfo`.
struct Named {
    namespace: Namespace,
    uuid: Option<[u8; 16]>,
}

fn names(call: &Call) -> Result<Vec<Named>, Failure> {
    let mut names: Vec<Named> = Vec::new();
    for document in call.command.documents("nsInfo")? {
        let info = Statement { place: "bulkWrite.nsInfo", document };
        info.only(&["ns", "collectionUUID"])?;
        let text = match info.required("ns")? {
            RawBsonRef::String(text) => text,
            other => return Err(info.mismatch("ns", "string", &other)),
        };
        let (database, collection) = text.split_once('.').unwrap_or((text, ""));
        let namespace = fields::namespace_of(database, collection)?;
        call.allow(Need::Write, &namespace)?;
        fields::writable(&namespace)?;
        if call.in_transaction() && namespace.database == "admin" {
            let message = "Cannot write to the database 'admin' in a transaction";
            return Err(refuse(codes::OPERATION_NOT_SUPPORTED_IN_TRANSACTION, message));
        }
        if names.iter().any(|known| known.namespace == namespace) {
            let message = format!("the namespace {namespace} stands in nsInfo twice");
            return Err(refuse(codes::BAD_VALUE, message));
        }
        names.push(Named { namespace, uuid: expected_uuid(info.get("collectionUUID")?)? });
    }
    Ok(names)
}

/// What one operation is.
enum Operation<'c> {
    Insert(&'c RawDocument),
    /// A statement of the command `update`.
    Update(RawDocumentBuf),
    /// A statement of the command `delete`.
    Delete(RawDocumentBuf),
}

impl<'c> Operation<'c> {
    /// Reads an operation and the number of its collection.
    fn parse(document: &'c RawDocument, names: usize) -> Result<(usize, Self), Failure> {
        let statement = Statement { place: PLACE, document };
        let first = document.iter().next().transpose()?;
        let kind = first.map(|(name, _)| name.as_str()).unwrap_or_default();
        let operation = match kind {
            "insert" => {
                statement.only(&["insert", "document"])?;
                statement.required("document")?;
                let empty = || refuse(codes::FIELD_IS_MISSING, "an insert needs a document");
                Self::Insert(statement.document("document")?.ok_or_else(empty)?)
            }
            "update" => {
                statement.required("filter")?;
                statement.required("updateMods")?;
                Self::Update(renamed(document, "update", UPDATE)?)
            }
            "delete" => {
                statement.required("filter")?;
                let mut renamed = renamed(document, "delete", DELETE)?;
                renamed.append(cstr!("limit"), i32::from(!statement.flag("multi")?));
                Self::Delete(renamed)
            }
            other => {
                let message = format!("'{other}' is not an operation of bulkWrite");
                return Err(refuse(codes::FAILED_TO_PARSE, message));
            }
        };
        let number = fields::as_f64(statement.required(kind)?).unwrap_or(-1.0);
        let known = (0..names).find(|known| *known as f64 == number);
        let number = known.ok_or_else(|| {
            let message = format!("{PLACE}.{kind} must be the number of an entry of nsInfo");
            refuse(codes::BAD_VALUE, message)
        })?;
        Ok((number, operation))
    }
}

/// The operation as a statement of the command that does only this.
fn renamed(
    document: &RawDocument,
    kind: &str,
    names: &[(&str, &str)],
) -> Result<RawDocumentBuf, Failure> {
    let mut statement = RawDocumentBuf::new();
    for element in document {
        let (name, value) = element?;
        let known = names.iter().find(|(here, _)| *here == name.as_str());
        let multi = kind == "delete" && name.as_str() == "multi";
        match known.map(|(_, there)| <&bson::raw::CStr>::try_from(*there)) {
            Some(Ok(there)) => statement.append(there, value),
            _ if name.as_str() == kind || multi => {}
            _ => {
                let message = format!("BSON field '{PLACE}.{name}' is an unknown field.");
                return Err(refuse(codes::UNKNOWN_FIELD, message));
            }
        }
    }
    Ok(statement)
}

/// A collection that operations work in.
struct Place<'t> {
    namespace: Namespace,
    context: Context,
    /// `None` as long as there is none.
    collection: Option<CollectionWriter<'t>>,
}

/// What became of all operations.
#[derive(Default)]
struct Total {
    results: RawArrayBuf,
    errors: u64,
    inserted: u64,
    matched: u64,
    modified: u64,
    upserted: u64,
    deleted: u64,
}

struct Run<'r, 't> {
    writing: &'r Writing<'t>,
    command: &'r Command,
    runtime: &'r Runtime,
    patience: Patience,
}

impl<'t> Run<'_, 't> {
    fn all(self, names: Vec<Named>) -> Result<RawDocumentBuf, Failure> {
        let ordered = self.command.get_bool("ordered")?.unwrap_or(true);
        let errors_only = self.command.get_bool("errorsOnly")?.unwrap_or(false);
        let mut places: Vec<Option<Place<'t>>> = names.iter().map(|_| None).collect();
        let mut total = Total::default();
        for (index, document) in writes::statements(self.command, "ops")?.into_iter().enumerate() {
            let (number, operation) = Operation::parse(document, names.len())?;
            let done = self.one(&names[number], &mut places[number], operation, &mut total);
            let number = i32::try_from(index).unwrap_or(i32::MAX);
            match done {
                Ok(result) if !errors_only => total.results.push(numbered(number, &result)),
                Ok(_) => {}
                Err(Failure::Refused(error)) => {
                    total.errors += 1;
                    total.results.push(refused(write_error(cstr!("idx"), index, &error)));
                    if ordered {
                        break;
                    }
                }
                Err(storage) => return Err(storage),
            }
        }
        for collection in places.into_iter().flatten().filter_map(|place| place.collection) {
            self.writing.finish(collection)?;
        }
        total.reply()
    }

    /// Does one operation; gives what the reply says of it.
    fn one(
        &self,
        named: &Named,
        place: &mut Option<Place<'t>>,
        operation: Operation<'_>,
        total: &mut Total,
    ) -> Result<RawDocumentBuf, Failure> {
        if place.is_none() {
            *place = Some(self.open(named)?);
        }
        let Some(place) = place else { return Ok(RawDocumentBuf::new()) };
        match operation {
            Operation::Insert(document) => {
                if place.collection.is_none() {
                    place.collection = Some(self.writing.open_or_create(&place.namespace)?);
                }
                if let Some(collection) = &mut place.collection {
                    insert::insert_one(collection, document, self.runtime)?;
                }
                total.inserted += 1;
                Ok(rawdoc! { "n": 1 })
            }
            Operation::Update(statement) => self.update(place, &statement, total),
            Operation::Delete(statement) => self.delete(place, &statement, total),
        }
    }

    fn open(&self, named: &Named) -> Result<Place<'t>, Failure> {
        let namespace = &named.namespace;
        let entry = self.writing.entry(namespace)?;
        writes::check_expected(&self.writing.catalog()?, named.uuid, namespace, entry.as_ref())?;
        let default = entry.as_ref().and_then(|entry| entry.options.collation().cloned());
        let context = fields::context(self.command, self.writing.moment(), default.as_ref())?;
        let bypass = writes::bypasses_validation(self.command)?;
        let open = |entry| Ok::<_, Failure>(self.writing.open(entry)?.without_validation(bypass));
        let collection = entry.map(open).transpose()?;
        Ok(Place { namespace: namespace.clone(), context, collection })
    }

    fn update(
        &self,
        place: &mut Place<'t>,
        statement: &RawDocument,
        total: &mut Total,
    ) -> Result<RawDocumentBuf, Failure> {
        let updates = Updates {
            writing: self.writing,
            namespace: &place.namespace,
            runtime: self.runtime,
            patience: self.patience.clone(),
        };
        let statement = Statement { place: PLACE, document: statement };
        let mut done = Updated::default();
        updates.statement(statement, &place.context, &mut place.collection, &mut done)?;
        let mut result = RawDocumentBuf::new();
        result.append(cstr!("n"), RawBson::try_from(fields::count(done.matched))?);
        result.append(cstr!("nModified"), RawBson::try_from(fields::count(done.modified))?);
        total.modified += done.modified;
        match done.upserted {
            Some(id) => {
                total.upserted += 1;
                result.append(cstr!("upserted"), rawdoc! { "_id": id });
            }
            None => total.matched += done.matched,
        }
        Ok(result)
    }

    fn delete(
        &self,
        place: &mut Place<'t>,
        statement: &RawDocument,
        total: &mut Total,
    ) -> Result<RawDocumentBuf, Failure> {
        let statement = Statement { place: PLACE, document: statement };
        let none = CollectionEntry::new(place.namespace.clone(), [0; 16]);
        let entry = place.collection.as_ref().map_or(&none, |open| &open.tables.entry);
        let parsed = delete::parse(statement, entry, &place.context)?;
        let removed = match &mut place.collection {
            Some(collection) => delete::remove(collection, &parsed, &self.patience)?,
            None => 0,
        };
        total.deleted += removed;
        let mut result = RawDocumentBuf::new();
        result.append(cstr!("n"), RawBson::try_from(fields::count(removed))?);
        Ok(result)
    }
}

/// The result of an operation that was done.
fn numbered(index: i32, result: &RawDocument) -> RawDocumentBuf {
    let mut numbered = rawdoc! { "ok": 1.0, "idx": index };
    for (name, value) in result.into_iter().flatten() {
        numbered.append(name, value);
    }
    numbered
}

/// The result of an operation that was refused.
fn refused(error: RawDocumentBuf) -> RawDocumentBuf {
    let mut result = rawdoc! { "ok": 0.0, "n": 0 };
    for (name, value) in error.iter().flatten() {
        result.append(name, value);
    }
    result
}

impl Total {
    fn reply(self) -> Result<RawDocumentBuf, Failure> {
        let mut reply = RawDocumentBuf::new();
        reply.append(cstr!("results"), self.results);
        for (name, count) in [
            (cstr!("nErrors"), self.errors),
            (cstr!("nInserted"), self.inserted),
            (cstr!("nMatched"), self.matched),
            (cstr!("nModified"), self.modified),
            (cstr!("nUpserted"), self.upserted),
            (cstr!("nDeleted"), self.deleted),
        ] {
            reply.append(name, RawBson::try_from(fields::count(count))?);
        }
        Ok(reply)
    }
}
