//! `count`: counts what the union shows, one document at a time.

use bson::{RawBson, RawDocumentBuf};
use futures::TryStreamExt;
use portolan_wire::{Command, CommandContext, CommandError, Reply};

use super::{log, options};
use crate::query::Query;
use crate::session::Session;
use crate::{Endpoint, reader};

const KNOWN: &[&str] = &["query", "limit", "skip", "fields"];

pub(super) fn parse(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<(Query, u64), CommandError> {
    options::check(command, KNOWN, &[])?;
    let namespace = options::namespace(context, command)?;
    let evaluation = options::evaluation(endpoint, command)?;
    let skip = command.get_u64("skip")?.unwrap_or(0);
    // A negative limit means the same as its absolute value here.
    let limit = command.get_i64("limit")?.map(i64::unsigned_abs).filter(|limit| *limit > 0);
    let query = Query::new(namespace, options::filter(command, "query")?, &evaluation)?
        .first(limit.map(|limit| limit.saturating_add(skip)));
    Ok((query, skip))
}

/// Answers a `count`.
pub(super) async fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    let (query, skip) = parse(endpoint, context, command)?;
    let session = Session::new(endpoint);
    let noted = log::Noted::new(&session, context, command);
    let documents = log::noting(reader::read(session, query), noted);
    let counted = documents.try_fold(0_u64, |count, _| async move { Ok(count + 1) });
    let count = counted.await.map_err(CommandError::from)?.saturating_sub(skip);
    let mut reply = RawDocumentBuf::new();
    reply.append(bson::raw::cstr!("n"), number(count));
    Ok(Reply::Document(reply))
}

/// An int where it fits, as servers count.
pub(super) fn number(count: u64) -> RawBson {
    match i32::try_from(count) {
        Ok(small) => RawBson::Int32(small),
        Err(_) => RawBson::Int64(i64::try_from(count).unwrap_or(i64::MAX)),
    }
}
