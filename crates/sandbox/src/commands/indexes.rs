//! `createIndexes`, `dropIndexes`, `listIndexes`.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use futures::StreamExt;
use futures::stream;
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};
use portolan_wire::{Command, CursorReply, Reply, type_name};

use super::fields::{self, Statement, writable};
use super::writes::{check_uuid, write_alone};
use super::{Call, Need, lists};
use crate::error::{Failure, codes, refuse};
use crate::plan::is_id_pattern;
use crate::store::{
    CollectionEntry, Event, HASHED, ID_INDEX, IndexEntry, IndexField, IndexOptions, Writing,
    index_fields,
};

/// Fields of an index that mean what they say here, or nothing.
const KNOWN: &[&str] = &[
    "key",
    "name",
    "unique",
    "v",
    "ns",
    "background",
    "collation",
    "sparse",
    "hidden",
    "partialFilterExpression",
    "expireAfterSeconds",
];
/// Indexes of one collection, at most, as on MongoDB.
const INDEXES_MAX: usize = 64;

pub(crate) async fn list(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["cursor"])?;
    let namespace = fields::namespace(&call.command)?;
    call.allow(Need::Read, &namespace).or_else(|denied| {
        call.allow_database(Need::Manage, &namespace.database).map_err(|_| denied)
    })?;
    let batch_size = lists::batch_size(&call.command)?;
    let name = namespace.to_string();
    let entry = call
        .blocking(move |call| {
            let found = call.snapshot()?.catalog()?.get(&namespace)?;
            found.ok_or_else(|| not_found(&namespace))
        })
        .await?;
    if entry.options.is_view() {
        let message = format!("Namespace {name} is a view, not a collection");
        return Err(refuse(codes::COMMAND_NOT_SUPPORTED_ON_VIEW, message));
    }
    let mut listed = vec![entry.id_index()];
    listed.extend(entry.indexes.iter().map(IndexEntry::document));
    let mut reply = CursorReply::new(name, stream::iter(listed.into_iter().map(Ok)).boxed());
    reply.batch_size = batch_size;
    Ok(Reply::Cursor(reply))
}

pub(super) fn not_found(namespace: &Namespace) -> Failure {
    refuse(codes::NAMESPACE_NOT_FOUND, format!("ns does not exist: {namespace}"))
}

fn begin(call: &Call, known: &[&str]) -> Result<Namespace, Failure> {
    fields::only(&call.command, known)?;
    let namespace = fields::namespace(&call.command)?;
    call.allow_database(Need::Manage, &namespace.database)?;
    writable(&namespace)?;
    Ok(namespace)
}

pub(crate) async fn create(call: Call) -> Result<Reply, Failure> {
    let known = &["indexes", "commitQuorum", "ignoreUnknownIndexOptions", "collectionUUID"];
    let namespace = begin(&call, known)?;
    let wanted = wanted(&call.command)?;
    let command = call.command.clone();
    write_alone(&call, move |writing| {
        let entry = writing.entry(&namespace)?;
        check_uuid(&writing.catalog()?, &command, &namespace, entry.as_ref())?;
        build(writing, &namespace, &wanted)
    })
    .await
}

/// An index that a client asks for.
struct Wanted {
    name: String,
    pattern: RawDocumentBuf,
    fields: Vec<IndexField>,
    options: IndexOptions,
    /// The index says what its collation is, be it the simple one.
    collated: bool,
}

fn wanted(command: &Command) -> Result<Vec<Wanted>, Failure> {
    let documents = command.documents("indexes")?;
    if documents.is_empty() {
        return Err(refuse(codes::BAD_VALUE, "Must specify at least one index to create"));
    }
    documents
        .into_iter()
        .map(|document| Wanted::parse(Statement { place: "createIndexes.indexes", document }))
        .collect()
}

impl Wanted {
    fn parse(statement: Statement<'_>) -> Result<Self, Failure> {
        for element in statement.document {
            let (name, _) = element?;
            if !KNOWN.contains(&name.as_str()) {
                return Err(unsupported(name.as_str()));
            }
        }
        statement.required("key")?;
        let empty = RawDocumentBuf::new();
        let pattern: &RawDocument = statement.document("key")?.unwrap_or(&empty);
        check_pattern(pattern)?;
        let name = match statement.required("name")? {
            RawBsonRef::String(name) if !name.is_empty() && name != "*" => name.to_owned(),
            other => return Err(statement.mismatch("name", "string", &other)),
        };
        let fields = index_fields(pattern)?;
        let options = options(statement, &fields)?;
        check_hashed(&fields, &options)?;
        let collated = statement.get("collation")?.is_some();
        Ok(Self { name, pattern: pattern.to_owned(), fields, options, collated })
    }
}

fn options(statement: Statement<'_>, fields: &[IndexField]) -> Result<IndexOptions, Failure> {
    let expire_after_s = statement.get("expireAfterSeconds")?.map(expire_after_s).transpose()?;
    if expire_after_s.is_some() && fields.len() > 1 {
        let message = "TTL indexes are single-field indexes, compound indexes do not support TTL";
        return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
    }
    let partial = statement.document("partialFilterExpression")?;
    let sparse = statement.flag("sparse")?;
    if partial.is_some() && sparse {
        let message = "cannot mix \"partialFilterExpression\" and \"sparse\" options";
        return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
    }
    if is_id_pattern(fields) && (partial.is_some() || sparse || statement.flag("hidden")?) {
        let message = "the _id index cannot be sparse, partial or hidden";
        return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
    }
    Ok(IndexOptions {
        unique: statement.flag("unique")?,
        sparse,
        hidden: statement.flag("hidden")?,
        partial: partial.map(partial_filter).transpose()?,
        expire_after_s,
        collation: fields::collation(statement.document("collation")?)?,
    })
}

/// What a hash cannot do.
fn check_hashed(fields: &[IndexField], options: &IndexOptions) -> Result<(), Failure> {
    let hashed = fields.iter().filter(|field| field.hashed).count();
    if hashed > 1 {
        let message = "A maximum of one index field is allowed to be hashed";
        return Err(refuse(TWO_HASHED_FIELDS, message));
    }
    if hashed == 1 && options.unique {
        let message = "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.";
        return Err(refuse(UNIQUE_HASHED, message));
    }
    if hashed == 1 && options.expire_after_s.is_some() {
        let message = "documents cannot expire by a hashed index; use a regular one";
        return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
    }
    Ok(())
}

/// Numbers of refusals that MongoDB gives no names.
const TWO_HASHED_FIELDS: i32 = 31_303;
const UNIQUE_HASHED: i32 = 16_764;

/// The filter of a partial index: what the MongoDB manual allows there ("Partial Indexes").
fn partial_filter(filter: &RawDocument) -> Result<Filter, Failure> {
    const OPERATORS: &[&str] =
        &["$eq", "$gt", "$gte", "$lt", "$lte", "$exists", "$type", "$and", "$or", "$in"];
    fn check(filter: &RawDocument) -> Result<(), Failure> {
        for element in filter {
            let (name, value) = element?;
            let name = name.as_str();
            if name.starts_with('$') && !OPERATORS.contains(&name) {
                let message = format!("Expression not supported in partial index: {name}");
                return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
            }
            if name == "$exists" && as_flag(value) == Some(false) {
                let message = "Expression not supported in partial index: $not";
                return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
            }
            match value {
                RawBsonRef::Document(inner) => check(inner)?,
                RawBsonRef::Array(branches) if matches!(name, "$and" | "$or") => {
                    for branch in fields::documents(Some(branches))? {
                        check(&branch)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
    check(filter)?;
    Ok(Filter::parse(filter, &Context::new(0))?)
}

fn as_flag(value: RawBsonRef<'_>) -> Option<bool> {
    value.as_bool().or_else(|| fields::as_f64(value).map(|number| number != 0.0))
}

/// Seconds after which documents expire.
pub(super) fn expire_after_s(value: RawBsonRef<'_>) -> Result<i64, Failure> {
    match fields::as_f64(value) {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Some(seconds) if (0.0..=f64::from(i32::MAX)).contains(&seconds) => Ok(seconds as i64),
        Some(_) => {
            let message =
                format!("TTL index 'expireAfterSeconds' option must be within 0 and {}", i32::MAX);
            Err(refuse(codes::CANNOT_CREATE_INDEX, message))
        }
        None => Err(refuse(codes::TYPE_MISMATCH, "'expireAfterSeconds' must be a number")),
    }
}

/// The index that a `collMod` means.
pub(super) fn position_of(
    statement: Statement<'_>,
    entry: &CollectionEntry,
) -> Result<usize, Failure> {
    match (statement.get("name")?, statement.document("keyPattern")?) {
        (Some(RawBsonRef::String(name)), None) => by_name(entry, name),
        (None, Some(pattern)) => by_pattern(entry, pattern),
        _ => {
            let message = "must specify either 'name' or 'keyPattern' in index";
            Err(refuse(codes::INVALID_OPTIONS, message))
        }
    }
}

fn unsupported(option: &str) -> Failure {
    refuse(codes::NOT_IMPLEMENTED, format!("the index option '{option}' is not implemented"))
}

fn check_pattern(pattern: &RawDocument) -> Result<(), Failure> {
    if pattern.is_empty() {
        return Err(refuse(codes::CANNOT_CREATE_INDEX, "Index keys cannot be an empty object"));
    }
    for element in pattern {
        let (path, value) = element?;
        let path = path.as_str();
        if path.split('.').any(|part| part == "$**") {
            return Err(refuse(codes::NOT_IMPLEMENTED, "wildcard indexes are not implemented"));
        }
        if path.split('.').any(|part| part.is_empty() || part.starts_with('$')) {
            let message = format!("Index key contains an illegal field name: '{path}'");
            return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
        }
        match value {
            RawBsonRef::String(HASHED) => {}
            RawBsonRef::String(kind) => {
                let message = format!("indexes of the kind '{kind}' are not implemented");
                return Err(refuse(codes::NOT_IMPLEMENTED, message));
            }
            value if fields::as_f64(value).is_some() => {}
            other => {
                let message = format!(
                    "Values in the index key pattern cannot be of type {}",
                    type_name(&other)
                );
                return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
            }
        }
    }
    Ok(())
}

fn build(
    writing: &Writing<'_>,
    namespace: &Namespace,
    wanted: &[Wanted],
) -> Result<RawDocumentBuf, Failure> {
    let existing = writing.entry(namespace)?;
    let created = existing.is_none();
    let mut entry = match existing {
        Some(entry) => entry,
        None => writing.create(namespace)?,
    };
    let before = entry.indexes.len();
    for index in wanted {
        let mut options = index.options.clone();
        if !index.collated {
            options.collation = entry.options.collation().cloned();
        }
        if !exists(&entry, index, &options)? {
            let number = entry.next_index;
            entry.next_index += 1;
            entry.indexes.push(IndexEntry {
                number,
                name: index.name.clone(),
                pattern: index.pattern.clone(),
                fields: index.fields.clone(),
                options,
                multikey: false,
            });
        }
    }
    if entry.indexes.len() >= INDEXES_MAX {
        let message = format!("too many indexes for {namespace}, no more than {INDEXES_MAX}");
        return Err(refuse(codes::CANNOT_CREATE_INDEX, message));
    }
    let after = entry.indexes.len();
    let mut collection = writing.open(entry)?;
    if before < after {
        writing.check_indexable(&collection)?;
    }
    for position in before..after {
        collection.build_index(position)?;
    }
    let made = collection.tables.entry.indexes[before..after].to_vec();
    let uuid = collection.tables.entry.uuid;
    writing.finish(collection)?;
    if before < after {
        writing.keep_indexes(namespace, uuid, made)?;
    }
    Ok(created_reply(before, after, created))
}

fn index_event(kind: &str, entry: &CollectionEntry, indexes: RawArrayBuf) -> Event {
    Event::new(kind, &entry.namespace, entry.uuid).description(rawdoc! { "indexes": indexes })
}

fn created_reply(before: usize, after: usize, created: bool) -> RawDocumentBuf {
    // The index on `_id` counts, too.
    let count = |indexes: usize| i32::try_from(indexes + 1).unwrap_or(i32::MAX);
    let mut reply = rawdoc! {
        "numIndexesBefore": count(before),
        "numIndexesAfter": count(after),
        "createdCollectionAutomatically": created,
    };
    if before == after {
        reply.append(cstr!("note"), "all indexes already exist");
    }
    reply
}

/// Whether the very index is there; refuses one that contradicts another.
fn exists(
    entry: &CollectionEntry,
    wanted: &Wanted,
    options: &IndexOptions,
) -> Result<bool, Failure> {
    if is_id_pattern(&wanted.fields) {
        return Ok(true);
    }
    if wanted.name == ID_INDEX {
        let message = "The index name '_id_' is reserved for the _id index";
        return Err(refuse(codes::BAD_VALUE, message));
    }
    for index in &entry.indexes {
        let same_key = index.fields == wanted.fields;
        let same = same_key && index.options == *options;
        if same && index.name == wanted.name {
            return Ok(true);
        }
        if index.name == wanted.name {
            let message = format!(
                "An existing index has the same name as the requested index. When index names are \
                 not specified, they are auto generated and can cause conflicts. Please refer to \
                 our documentation. Requested index: {}, existing index: {}",
                shown(&wanted.pattern),
                shown(&index.document())
            );
            let code = if same_key {
                codes::INDEX_OPTIONS_CONFLICT
            } else {
                codes::INDEX_KEY_SPECS_CONFLICT
            };
            return Err(refuse(code, message));
        }
        // Indexes on the same fields may differ in their collation and in what they hold.
        let partial =
            |options: &IndexOptions| options.partial.as_ref().map(|filter| filter.raw().to_owned());
        if same_key
            && index.options.collation == options.collation
            && partial(&index.options) == partial(options)
            && index.options.unique == options.unique
            && index.options.sparse == options.sparse
        {
            let message = format!("Index already exists with a different name: {}", index.name);
            return Err(refuse(codes::INDEX_OPTIONS_CONFLICT, message));
        }
    }
    Ok(false)
}

fn shown(document: &RawDocument) -> String {
    bson::Document::try_from(document).unwrap_or_default().to_string()
}

pub(crate) async fn drop(call: Call) -> Result<Reply, Failure> {
    let namespace = begin(&call, &["index", "collectionUUID"])?;
    let command = call.command.clone();
    write_alone(&call, move |writing| {
        let entry = writing.entry(&namespace)?;
        check_uuid(&writing.catalog()?, &command, &namespace, entry.as_ref())?;
        let entry = entry.ok_or_else(|| not_found(&namespace))?;
        drop_indexes(writing, &command, entry)
    })
    .await
}

fn drop_indexes(
    writing: &Writing<'_>,
    command: &Command,
    mut entry: CollectionEntry,
) -> Result<RawDocumentBuf, Failure> {
    let before = entry.indexes.len();
    let mut dropped = Vec::new();
    for position in chosen(command, &entry)? {
        writing.drop_index_table(&entry, &entry.indexes[position])?;
        dropped.push(entry.indexes.remove(position).document());
    }
    writing.catalog()?.put(&entry)?;
    if !dropped.is_empty() {
        let dropped = dropped.into_iter().rev().collect();
        writing.log(index_event("dropIndexes", &entry, dropped))?;
    }
    Ok(rawdoc! { "nIndexesWas": i32::try_from(before + 1).unwrap_or(i32::MAX) })
}

/// Positions of the indexes to drop, from the last to the first.
fn chosen(command: &Command, entry: &CollectionEntry) -> Result<Vec<usize>, Failure> {
    let mut positions = match command.get("index") {
        Some(RawBsonRef::String("*")) => (0..entry.indexes.len()).collect(),
        Some(RawBsonRef::String(name)) => vec![by_name(entry, name)?],
        Some(RawBsonRef::Document(pattern)) => vec![by_pattern(entry, pattern)?],
        Some(RawBsonRef::Array(names)) => names
            .into_iter()
            .map(|name| match name? {
                RawBsonRef::String(name) => by_name(entry, name),
                _ => Err(refuse(codes::TYPE_MISMATCH, "dropIndexes.index must hold names")),
            })
            .collect::<Result<Vec<_>, _>>()?,
        _ => {
            let message = "BSON field 'dropIndexes.index' must be a name, names, or a key pattern";
            return Err(refuse(codes::TYPE_MISMATCH, message));
        }
    };
    positions.sort_unstable();
    positions.dedup();
    positions.reverse();
    Ok(positions)
}

fn by_name(entry: &CollectionEntry, name: &str) -> Result<usize, Failure> {
    if name == ID_INDEX {
        return Err(refuse(codes::INVALID_OPTIONS, "cannot drop _id index"));
    }
    let position = entry.indexes.iter().position(|index| index.name == name);
    position.ok_or_else(|| {
        refuse(codes::INDEX_NOT_FOUND, format!("index not found with name [{name}]"))
    })
}

fn by_pattern(entry: &CollectionEntry, pattern: &RawDocument) -> Result<usize, Failure> {
    let fields = index_fields(pattern)?;
    if is_id_pattern(&fields) {
        return Err(refuse(codes::INVALID_OPTIONS, "cannot drop _id index"));
    }
    let position = entry.indexes.iter().position(|index| index.fields == fields);
    position.ok_or_else(|| {
        let shown = bson::Document::try_from(pattern).unwrap_or_default();
        refuse(codes::INDEX_NOT_FOUND, format!("can't find index with key: {shown}"))
    })
}
