//! `collStats`, `dbStats` and the stage `$collStats`.

use bson::raw::cstr;
use bson::{Bson, RawBson, RawDocument, RawDocumentBuf, doc, rawdoc};
use portolan_model::Namespace;
use portolan_wire::Reply;

use super::fields::{self, Statement, as_f64};
use super::{Call, Need};
use crate::error::{Failure, codes, refuse};
use crate::store::{Collection, ID_INDEX, ReadTable, Snapshot};

pub(crate) async fn collection(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["scale"])?;
    let namespace = fields::namespace(&call.command)?;
    call.allow(Need::Read, &namespace)?;
    call.blocking(move |call| {
        let scale = scale(call.command.get("scale").and_then(as_f64))?;
        let snapshot = call.snapshot()?;
        let mut reply = doc! { "ns": namespace.to_string() };
        reply.extend(measure(&snapshot, &namespace)?.document(scale));
        Ok(Reply::Document(RawDocumentBuf::try_from(reply)?))
    })
    .await
}

/// The document that `$collStats` gives.
pub(crate) fn stage(
    call: &Call,
    snapshot: &Snapshot,
    namespace: &Namespace,
    argument: &RawDocument,
) -> Result<RawDocumentBuf, Failure> {
    let argument = Statement { place: "$collStats", document: argument };
    argument.only(&["storageStats", "count"])?;
    let now = bson::DateTime::from_millis(call.engine.runtime.now_ms());
    let mut document =
        rawdoc! { "ns": namespace.to_string(), "host": &*call.host, "localTime": now };
    let measured = measure(snapshot, namespace)?;
    if let Some(options) = argument.document("storageStats")? {
        let scale = scale(options.get("scale")?.and_then(as_f64))?;
        document.append(cstr!("storageStats"), RawDocumentBuf::try_from(measured.document(scale))?);
    }
    if argument.document("count")?.is_some() {
        document.append(cstr!("count"), RawBson::try_from(fields::count(measured.documents))?);
    }
    Ok(document)
}

fn scale(scale: Option<f64>) -> Result<u64, Failure> {
    match scale {
        None => Ok(1),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1")]
        Some(scale) if scale >= 1.0 => Ok(scale as u64),
        Some(_) => Err(refuse(codes::BAD_VALUE, "scale has to be a number >= 1")),
    }
}

/// Sizes of one or several collections.
#[derive(Default)]
struct Measured {
    documents: u64,
    size_bytes: u64,
    storage_bytes: u64,
    /// Name and bytes of each index.
    indexes: Vec<(String, u64)>,
    capped: bool,
    views: u64,
}

fn measure(snapshot: &Snapshot, namespace: &Namespace) -> Result<Measured, Failure> {
    let Some(entry) = snapshot.catalog()?.get(namespace)? else { return Ok(Measured::default()) };
    if entry.options.is_view() {
        let message = format!("Namespace {namespace} is a view, not a collection");
        return Err(refuse(codes::COMMAND_NOT_SUPPORTED_ON_VIEW, message));
    }
    let collection = snapshot.open(entry)?;
    measure_open(snapshot, &collection)
}

fn measure_open(
    snapshot: &Snapshot,
    collection: &Collection<ReadTable>,
) -> Result<Measured, Failure> {
    let mut indexes = vec![(ID_INDEX.to_owned(), stored(&collection.ids)?)];
    for (index, table) in collection.entry.indexes.iter().zip(&collection.indexes) {
        indexes.push((index.name.clone(), stored(table)?));
    }
    Ok(Measured {
        documents: collection.count()?,
        size_bytes: snapshot.size_bytes(collection.entry.uuid)?,
        storage_bytes: stored(&collection.data)?,
        indexes,
        capped: collection.entry.options.capped().is_some(),
        views: 0,
    })
}

/// Bytes that a table takes in the file.
fn stored(table: &ReadTable) -> Result<u64, Failure> {
    table.stored_bytes()
}

impl Measured {
    fn index_bytes(&self) -> u64 {
        self.indexes.iter().map(|(_, bytes)| bytes).sum()
    }

    fn document(&self, scale: u64) -> bson::Document {
        let scaled = |bytes: u64| fields::count(bytes / scale);
        let sizes: bson::Document =
            self.indexes.iter().map(|(name, bytes)| (name.clone(), scaled(*bytes))).collect();
        let mut document = doc! {
            "size": scaled(self.size_bytes),
            "count": fields::count(self.documents),
            "storageSize": scaled(self.storage_bytes),
            "totalIndexSize": scaled(self.index_bytes()),
            "totalSize": scaled(self.storage_bytes + self.index_bytes()),
            "nindexes": fields::count(self.indexes.len() as u64),
            "indexSizes": sizes,
            "indexBuilds": Bson::Array(Vec::new()),
            "capped": self.capped,
            "numOrphanDocs": 0,
            "scaleFactor": fields::count(scale),
        };
        if let Some(average) = self.size_bytes.checked_div(self.documents) {
            document.insert("avgObjSize", fields::count(average));
        }
        document
    }
}

pub(crate) async fn database(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["scale", "freeStorage"])?;
    call.allow_database(Need::Read, &call.command.database)?;
    call.blocking(database_stats).await
}

fn database_stats(call: &Call) -> Result<Reply, Failure> {
    let scale = scale(call.command.get("scale").and_then(as_f64))?;
    let snapshot = call.snapshot()?;
    let entries = snapshot.catalog()?.of_database(&call.command.database)?;
    let mut total = Measured::default();
    let collections = entries.len() as u64;
    for entry in entries {
        if entry.options.is_view() {
            total.views += 1;
            continue;
        }
        let measured = measure_open(&snapshot, &snapshot.open(entry)?)?;
        total.documents += measured.documents;
        total.size_bytes += measured.size_bytes;
        total.storage_bytes += measured.storage_bytes;
        total.indexes.extend(measured.indexes);
    }
    #[expect(clippy::cast_precision_loss, reason = "dbStats answers in doubles")]
    let scaled = |bytes: u64| bytes as f64 / scale as f64;
    let average = total.size_bytes.checked_div(total.documents).unwrap_or(0);
    Ok(Reply::Document(RawDocumentBuf::try_from(doc! {
        "db": &call.command.database,
        "collections": fields::count(collections - total.views),
        "views": fields::count(total.views),
        "objects": fields::count(total.documents),
        "avgObjSize": scaled(average * scale),
        "dataSize": scaled(total.size_bytes),
        "storageSize": scaled(total.storage_bytes),
        "indexes": fields::count(total.indexes.len() as u64),
        "indexSize": scaled(total.index_bytes()),
        "totalSize": scaled(total.storage_bytes + total.index_bytes()),
        "scaleFactor": fields::count(scale),
    })?))
}
