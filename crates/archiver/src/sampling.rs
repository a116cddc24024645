//! The types of an archive's partition fields, found by sampling the first cold documents, as the
//! Atlas documentation describes ("Online Archive", partitions: a sample of ten documents). Unlike
//! there, a document of another type is archived all the same; only its typed column stays empty.

use std::collections::HashMap;

use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocumentBuf};
use futures::TryStreamExt;
use portolan_cluster::ReadOptions;
use portolan_model::{OnlineArchive, PartitionFieldType};
use portolan_mql::path;

use crate::ArchiverError;
use crate::criteria::Frozen;
use crate::scene::Scene;

/// Samples cold documents and stores the types found for fields that have none yet.
pub(crate) async fn run(scene: &mut Scene, frozen: &Frozen) -> Result<(), ArchiverError> {
    if scene.archive.partition_fields.iter().all(|field| field.field_type.is_some()) {
        return Ok(());
    }
    scene.ease().await?;
    let limit = scene.options.sample_documents;
    let began_ms = scene.runtime.boot_ms();
    let options = ReadOptions { limit: Some(limit), majority: true, ..ReadOptions::default() };
    let stream = scene.cluster.read(scene.namespace(), frozen.filter(), options).await?;
    let sample: Vec<RawDocumentBuf> = stream.try_collect().await?;
    scene.load.looked_up(&scene.runtime, began_ms, &sample);
    let found = types(&scene.archive, &sample);
    if found.is_empty() {
        return Ok(());
    }
    scene.journal.set_partition_types(&scene.held, scene.archive.id, &found).await?;
    for field in &mut scene.archive.partition_fields {
        let kind = found.iter().find(|(name, _)| *name == field.name).map(|(_, kind)| *kind);
        field.field_type = field.field_type.or(kind);
    }
    Ok(())
}

/// The most frequent type of each field; a field that no sampled document has gets none.
fn types(archive: &OnlineArchive, sample: &[RawDocumentBuf]) -> Vec<(String, PartitionFieldType)> {
    let mut found = Vec::new();
    for field in &archive.partition_fields {
        let mut counts: HashMap<&'static str, (usize, PartitionFieldType)> = HashMap::new();
        for kind in sample
            .iter()
            .filter_map(|document| path::get(document, &field.name))
            .filter_map(type_of)
        {
            counts.entry(kind.as_str()).or_insert((0, kind)).0 += 1;
        }
        if let Some((_, kind)) =
            counts.into_values().max_by_key(|(count, kind)| (*count, kind.as_str()))
        {
            found.push((field.name.clone(), kind));
        }
    }
    found
}

fn type_of(value: RawBsonRef<'_>) -> Option<PartitionFieldType> {
    match value {
        RawBsonRef::DateTime(_) => Some(PartitionFieldType::Date),
        RawBsonRef::Int32(_) => Some(PartitionFieldType::Int),
        RawBsonRef::Int64(_) => Some(PartitionFieldType::Long),
        RawBsonRef::ObjectId(_) => Some(PartitionFieldType::ObjectId),
        RawBsonRef::String(_)
        | RawBsonRef::Double(_)
        | RawBsonRef::Boolean(_)
        | RawBsonRef::Decimal128(_) => Some(PartitionFieldType::String),
        RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Uuid => {
            Some(PartitionFieldType::Uuid)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
