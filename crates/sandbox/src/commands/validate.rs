//! `validate`: recomputes every index entry from the documents and compares.

use bson::{Bson, RawDocument, RawDocumentBuf, doc};
use portolan_model::Namespace;
use portolan_wire::Reply;

use super::{Call, Need, fields};
use crate::error::{Failure, codes, refuse};
use crate::store::{Collection, ID_INDEX, ReadTable, Readable, document_keys};

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    fields::only(&call.command, &["full", "background", "checkBSONConformance", "metadata"])?;
    let namespace = fields::namespace(&call.command)?;
    call.allow_database(Need::Manage, &namespace.database)?;
    call.blocking(move |call| validate(call, &namespace)).await
}

fn validate(call: &Call, namespace: &Namespace) -> Result<Reply, Failure> {
    let Some(collection) = call.snapshot()?.collection(namespace)? else {
        let message = format!("Collection '{namespace}' does not exist to validate.");
        return Err(refuse(codes::NAMESPACE_NOT_FOUND, message));
    };
    let found = check(&collection)?;
    let keys: bson::Document =
        found.keys.iter().map(|(name, count)| (name.clone(), fields::count(*count))).collect();
    let errors: Vec<Bson> = found.errors.iter().map(|error| Bson::String(error.clone())).collect();
    Ok(Reply::Document(RawDocumentBuf::try_from(doc! {
        "ns": namespace.to_string(),
        "nInvalidDocuments": fields::count(found.invalid),
        "nrecords": fields::count(found.records),
        "nIndexes": fields::count(found.keys.len() as u64),
        "keysPerIndex": keys,
        "valid": errors.is_empty(),
        "repaired": false,
        "warnings": Bson::Array(Vec::new()),
        "errors": errors,
    })?))
}

/// What a check found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) records: u64,
    pub(crate) invalid: u64,
    /// Name of each index and how many entries it has.
    pub(crate) keys: Vec<(String, u64)>,
    pub(crate) errors: Vec<String>,
}

/// Compares the indexes of a collection with its documents.
pub(crate) fn check(collection: &Collection<ReadTable>) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut expected = vec![0_u64; collection.indexes.len()];
    for row in collection.data.iter()? {
        let (record, bytes) = row?;
        found.records += 1;
        let Ok(document) = RawDocument::from_bytes(bytes.value()) else {
            found.invalid += 1;
            continue;
        };
        check_document(collection, record.value(), document, &mut expected, &mut found)?;
    }
    found.keys.push((ID_INDEX.to_owned(), collection.ids.len()?));
    for (index, table) in collection.entry.indexes.iter().zip(&collection.indexes) {
        found.keys.push((index.name.clone(), table.len()?));
    }
    let wanted = std::iter::once(found.records).chain(expected);
    for ((name, count), wanted) in found.keys.iter().zip(wanted) {
        if *count != wanted {
            found.errors.push(format!("index {name} has {count} entries, expected {wanted}"));
        }
    }
    Ok(found)
}

fn check_document(
    collection: &Collection<ReadTable>,
    record: &[u8],
    document: &RawDocument,
    expected: &mut [u64],
    found: &mut Found,
) -> Result<(), Failure> {
    let id = document.get("_id")?.map(|id| collection.entry.id_key(id)).unwrap_or_default();
    let points_here = collection.ids.get(id.as_slice())?.is_some_and(|to| to.value() == record);
    if !points_here {
        found.errors.push(format!("the _id of record {record:?} is not in its index"));
    }
    for (position, index) in collection.entry.indexes.iter().enumerate() {
        for key in document_keys(index, document)?.keys {
            expected[position] += 1;
            let entry = [key.as_slice(), record].concat();
            if collection.indexes[position].get(entry.as_slice())?.is_none() {
                found.errors.push(format!("index {} lacks record {record:?}", index.name));
            }
        }
    }
    Ok(())
}
