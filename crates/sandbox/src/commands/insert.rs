//! `insert`.

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_runtime::Runtime;
use portolan_wire::{Command, Reply};

use super::writes::{self, Outcome};
use super::{Call, fields, prepare_document};
use crate::error::Failure;
use crate::store::{CollectionWriter, Writing};

const FIELDS: &[&str] = &["documents", "ordered", "bypassDocumentValidation", "collectionUUID"];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let namespace = writes::begin(&call, FIELDS)?;
    writes::statements(&call.command, "documents")?;
    let (command, runtime) = (call.command.clone(), call.engine.runtime.clone());
    writes::write(&call, move |writing| insert(writing, &command, &namespace, &runtime)).await
}

fn insert(
    writing: &Writing<'_>,
    command: &Command,
    namespace: &Namespace,
    runtime: &Runtime,
) -> Result<RawDocumentBuf, Failure> {
    let entry = writing.entry(namespace)?;
    writes::check_uuid(&writing.catalog()?, command, namespace, entry.as_ref())?;
    let mut outcome = Outcome::new(command)?;
    let bypass = writes::bypasses_validation(command)?;
    let mut collection = writing.open_or_create(namespace)?.without_validation(bypass);
    let mut inserted = 0;
    for (index, document) in writes::statements(command, "documents")?.into_iter().enumerate() {
        match insert_one(&mut collection, document, runtime) {
            Ok(()) => inserted += 1,
            Err(failure) => {
                if !outcome.refused(index, failure)? {
                    break;
                }
            }
        }
    }
    writing.finish(collection)?;
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("n"), bson::RawBson::try_from(fields::count(inserted))?);
    outcome.finish(&mut reply);
    Ok(reply)
}

pub(super) fn insert_one(
    collection: &mut CollectionWriter<'_>,
    document: &RawDocument,
    runtime: &Runtime,
) -> Result<(), Failure> {
    collection.insert(&prepare_document(document, runtime)?).map(drop)
}
