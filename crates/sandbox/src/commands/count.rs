//! `count` and `distinct`.

use std::collections::HashSet;

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBson, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, key};
use portolan_wire::{Command, Reply};

use super::reading::Reading;
use super::{Call, Need, fields};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::store::{CollectionEntry, DOCUMENT_BYTES_MAX, Found, values_at};

pub(crate) const COUNT_FIELDS: &[&str] =
    &["query", "limit", "skip", "hint", "collation", "fields", "collectionUUID"];
pub(crate) const DISTINCT_FIELDS: &[&str] =
    &["key", "query", "hint", "collation", "collectionUUID"];
/// "distinct too big" has a number and no name.
const DISTINCT_TOO_BIG: i32 = 17217;

pub(crate) async fn count(call: Call) -> Result<Reply, Failure> {
    let namespace = begin(&call, COUNT_FIELDS)?;
    let counted = call.blocking(move |call| count_matching(call, &namespace)).await?;
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("n"), RawBson::try_from(fields::count(counted))?);
    Ok(Reply::Document(reply))
}

pub(crate) async fn distinct(call: Call) -> Result<Reply, Failure> {
    let namespace = begin(&call, DISTINCT_FIELDS)?;
    let values = call.blocking(move |call| distinct_values(call, &namespace)).await?;
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("values"), values);
    Ok(Reply::Document(reply))
}

/// The checks that both, and their `explain`, begin with.
pub(crate) fn begin(call: &Call, known: &[&str]) -> Result<Namespace, Failure> {
    let command = &call.command;
    fields::only(command, known)?;
    let namespace = fields::namespace(command)?;
    call.allow(Need::Read, &namespace)?;
    fields::collation(command.get_document("collation")?)?;
    Ok(namespace)
}

/// The `query` of either command.
pub(crate) fn filter(command: &Command, context: &Context) -> Result<Filter, Failure> {
    let empty = RawDocumentBuf::new();
    let query = command.get_document("query")?.unwrap_or(&empty);
    Ok(Filter::parse(query, context)?)
}

/// The way to the documents of either command.
pub(crate) fn plan(
    command: &Command,
    filter: &Filter,
    entry: &CollectionEntry,
) -> Result<Plan, Failure> {
    Ok(Plan::choose(entry, filter, None, &Hint::parse(command.get("hint"), entry)?))
}

fn count_matching(call: &Call, namespace: &Namespace) -> Result<u64, Failure> {
    let command = &call.command;
    let reading = Reading::new(call, &call.patience()?)?;
    let resolved = reading.resolve(namespace)?;
    let filter = filter(command, &reading.context(resolved.collation.as_ref())?)?;
    let skip = command.get_u64("skip")?.unwrap_or(0);
    let limit = command.get_i64("limit")?.unwrap_or(0).unsigned_abs();
    let all = match &resolved.entry {
        Some(entry) if filter.is_empty() && resolved.stages.is_empty() => {
            Hint::parse(command.get("hint"), entry)?;
            reading.snapshot.open(entry.clone())?.count()?
        }
        _ => {
            let wanted = if limit == 0 { u64::MAX } else { limit.saturating_add(skip) };
            let way = |entry: &CollectionEntry| plan(command, &filter, entry);
            let (documents, _) = reading.documents(&resolved, &filter, way)?;
            let mut counted = 0;
            for document in documents {
                document?;
                counted += 1;
                if counted >= wanted {
                    break;
                }
            }
            counted
        }
    };
    let behind = all.saturating_sub(skip);
    Ok(if limit == 0 { behind } else { behind.min(limit) })
}

fn distinct_values(call: &Call, namespace: &Namespace) -> Result<RawArrayBuf, Failure> {
    let command = &call.command;
    let path = command.get_str("key")?.ok_or_else(|| {
        refuse(codes::FIELD_IS_MISSING, "BSON field 'distinct.key' is missing but a required field")
    })?;
    let reading = Reading::new(call, &call.patience()?)?;
    let resolved = reading.resolve(namespace)?;
    let context = reading.context(resolved.collation.as_ref())?;
    let filter = filter(command, &context)?;
    let way = |entry: &CollectionEntry| plan(command, &filter, entry);
    let (documents, _) = reading.documents(&resolved, &filter, way)?;
    let (mut values, mut seen) = (RawArrayBuf::new(), HashSet::new());
    for document in documents {
        let document = document?;
        values_at(&document, path, &mut |found| {
            if let Found::Value(value) = found
                && seen.insert(key::encode_in(value, context.collation.as_ref()))
            {
                values.push(value);
            }
        })?;
        if values.as_bytes().len() > DOCUMENT_BYTES_MAX {
            return Err(refuse(DISTINCT_TOO_BIG, "distinct too big, 16mb cap"));
        }
    }
    Ok(values)
}
