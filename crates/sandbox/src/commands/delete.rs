//! `delete`: each statement finds what matches and removes it inside one write transaction, so no
//! other write falls between the look and the removal.

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};
use portolan_wire::{Command, Reply};

use super::Call;
use super::fields::{self, Statement, as_f64};
use super::writes::{self, Outcome};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::{Patience, matching_records};
use crate::store::{CollectionEntry, CollectionWriter, Writing};

const FIELDS: &[&str] = &["deletes", "ordered", "let", "collectionUUID"];
const STATEMENT_FIELDS: &[&str] = &["q", "limit", "collation", "hint"];

pub(crate) async fn run(call: Call) -> Result<Reply, Failure> {
    let namespace = writes::begin(&call, FIELDS)?;
    for document in writes::statements(&call.command, "deletes")? {
        check(Statement { place: "delete.deletes", document })?;
    }
    let (command, patience) = (call.command.clone(), call.patience()?);
    writes::write(&call, move |writing| delete(writing, &command, &namespace, &patience)).await
}

/// What makes the whole command wrong.
fn check(statement: Statement<'_>) -> Result<(), Failure> {
    statement.only(STATEMENT_FIELDS)?;
    statement.required("q")?;
    let limit = as_f64(statement.required("limit")?);
    if !limit.is_some_and(|limit| limit == 0.0 || limit == 1.0) {
        let message = "The limit field in delete objects must be 0 or 1.";
        return Err(refuse(codes::FAILED_TO_PARSE, message));
    }
    fields::collation(statement.document("collation")?).map(drop)
}

fn delete(
    writing: &Writing<'_>,
    command: &Command,
    namespace: &Namespace,
    patience: &Patience,
) -> Result<RawDocumentBuf, Failure> {
    let entry = writing.entry(namespace)?;
    writes::check_uuid(&writing.catalog()?, command, namespace, entry.as_ref())?;
    let mut outcome = Outcome::new(command)?;
    // `$$NOW` is the time at which the transaction runs, not that at which the command came.
    // Without a collection nothing matches, but a bad filter is refused all the same.
    let entry = entry.unwrap_or_else(|| CollectionEntry::new(namespace.clone(), [0; 16]));
    let context = fields::context(command, writing.moment(), entry.options.collation())?;
    let exists = entry.uuid != [0; 16];
    let mut collection = exists.then(|| writing.open(entry.clone())).transpose()?;
    let mut removed = 0;
    for (index, document) in writes::statements(command, "deletes")?.into_iter().enumerate() {
        let statement = Statement { place: "delete.deletes", document };
        let done = parse(statement, &entry, &context).and_then(|parsed| match &mut collection {
            Some(collection) => remove(collection, &parsed, patience),
            None => Ok(0),
        });
        match done {
            Ok(count) => removed += count,
            Err(failure) => {
                if !outcome.refused(index, failure)? {
                    break;
                }
            }
        }
    }
    if let Some(collection) = collection {
        writing.finish(collection)?;
    }
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("n"), bson::RawBson::try_from(fields::count(removed))?);
    outcome.finish(&mut reply);
    Ok(reply)
}

pub(super) struct Parsed {
    filter: Filter,
    hint: Hint,
    one: bool,
}

pub(super) fn parse(
    statement: Statement<'_>,
    entry: &CollectionEntry,
    context: &Context,
) -> Result<Parsed, Failure> {
    let empty = RawDocumentBuf::new();
    let filter: &RawDocument = statement.document("q")?.unwrap_or(&empty);
    let context = &statement.collated(context)?;
    Ok(Parsed {
        filter: Filter::parse(filter, context)?,
        hint: Hint::parse(statement.get("hint")?, entry)?,
        one: statement.flag("limit")?,
    })
}

pub(super) fn remove(
    collection: &mut CollectionWriter<'_>,
    parsed: &Parsed,
    patience: &Patience,
) -> Result<u64, Failure> {
    let plan = Plan::choose(&collection.tables.entry, &parsed.filter, None, &parsed.hint);
    let limit = parsed.one.then_some(1);
    let found = matching_records(&collection.tables, plan, &parsed.filter, limit, patience)?;
    for record in &found {
        if let Some(document) = collection.tables.document(*record)? {
            collection.remove(*record, &document)?;
        }
    }
    Ok(found.len() as u64)
}
