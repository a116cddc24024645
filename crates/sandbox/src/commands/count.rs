//! `count` and `distinct`.

use std::collections::HashSet;

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBson, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Filter, key};
use portolan_wire::{Command, Reply};

use super::{Call, Need, fields};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::Matches;
use crate::store::{CollectionEntry, DOCUMENT_BYTES_MAX, Found, values_at};

pub(crate) const COUNT_FIELDS: &[&str] = &["query", "limit", "skip", "hint", "collation", "fields"];
pub(crate) const DISTINCT_FIELDS: &[&str] = &["key", "query", "hint", "collation"];
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
    fields::simple_collation(command.get_document("collation")?)?;
    Ok(namespace)
}

/// The `query` of either command.
pub(crate) fn filter(command: &Command, now_ms: i64) -> Result<Filter, Failure> {
    let empty = RawDocumentBuf::new();
    let query = command.get_document("query")?.unwrap_or(&empty);
    Ok(Filter::parse(query, &fields::context(command, now_ms)?)?)
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
    let filter = filter(command, call.engine.runtime.now_ms())?;
    let skip = command.get_u64("skip")?.unwrap_or(0);
    let limit = command.get_i64("limit")?.unwrap_or(0).unsigned_abs();
    let Some(collection) = call.snapshot()?.collection(namespace)? else {
        return Ok(0);
    };
    let plan = plan(command, &filter, &collection.entry)?;
    let all = if filter.is_empty() {
        collection.count()?
    } else {
        let wanted = if limit == 0 { u64::MAX } else { limit.saturating_add(skip) };
        let mut counted = 0;
        for document in Matches::new(collection, plan, filter, call.patience()?) {
            document?;
            counted += 1;
            if counted >= wanted {
                break;
            }
        }
        counted
    };
    let behind = all.saturating_sub(skip);
    Ok(if limit == 0 { behind } else { behind.min(limit) })
}

fn distinct_values(call: &Call, namespace: &Namespace) -> Result<RawArrayBuf, Failure> {
    let command = &call.command;
    let path = command.get_str("key")?.ok_or_else(|| {
        refuse(codes::FIELD_IS_MISSING, "BSON field 'distinct.key' is missing but a required field")
    })?;
    let filter = filter(command, call.engine.runtime.now_ms())?;
    let mut values = RawArrayBuf::new();
    let Some(collection) = call.snapshot()?.collection(namespace)? else {
        return Ok(values);
    };
    let plan = plan(command, &filter, &collection.entry)?;
    let mut seen = HashSet::new();
    for document in Matches::new(collection, plan, filter, call.patience()?) {
        let document = document?;
        values_at(&document, path, &mut |found| {
            if let Found::Value(value) = found
                && seen.insert(key::encode(value))
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
