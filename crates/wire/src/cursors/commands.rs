//! `getMore`, `killCursors`, `endSessions`, and the first batch of a result.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::batch::FIRST_BATCH_DOCUMENTS;
use super::{Batch, Cursors, Opening, Owner, Position, Source};
use crate::backend::CursorReply;
use crate::command::{Command, session_id};
use crate::error::{CommandError, codes};
use crate::shared::Shared;
use crate::user::User;

/// The first batch of a result; what is left stays open.
pub(crate) async fn open(
    cursors: &Cursors,
    owner: Owner,
    timeless: bool,
    reply: CursorReply,
) -> Result<RawDocumentBuf, CommandError> {
    let mut position = Position::new(reply.documents, reply.limit);
    let count = reply.batch_size.map_or(FIRST_BATCH_DOCUMENTS, u64::from);
    let mut batch = position.next_batch(Some(count)).await?;
    let namespace = reply.namespace;
    let id = if batch.last || reply.single_batch {
        0
    } else {
        let opening = Opening { owner, namespace: namespace.clone(), timeless };
        cursors.insert(opening, position)?
    };
    batch.at_cluster_time = reply.at_cluster_time;
    let mut first = cursor_reply(&batch, "firstBatch", id, &namespace);
    for element in reply.beside.iter().flatten() {
        let (name, value) = element?;
        first.append(name, value);
    }
    Ok(first)
}

/// The command `getMore`. The cursor is found by its id alone, on whatever database it is asked.
pub(crate) async fn get_more(
    shared: &Shared,
    owner: &Owner,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let cursors = &shared.cursors;
    let id = match command.get("getMore") {
        Some(RawBsonRef::Int64(id)) => id,
        _ => return Err(CommandError::type_mismatch("getMore needs a cursor id of type long")),
    };
    let count = command.get_u64("batchSize")?.filter(|count| *count > 0);
    let limit_ms = command.max_time_ms()?;
    let mut cursor = cursors.check_out(id, owner)?;
    let killed = cursor.killed.clone();
    let batch = tokio::select! {
        batch = next_batch(shared, cursor.source(), count, limit_ms) => batch?,
        () = killed.cancelled() => {
            let message = format!("cursor id {id} was killed");
            return Err(CommandError::new(codes::CURSOR_KILLED, message));
        }
    };
    let next = if batch.last { 0 } else { id };
    let reply = cursor_reply(&batch, "nextBatch", next, &cursor.namespace);
    if !batch.last {
        cursor.put_back();
    }
    Ok(reply)
}

async fn next_batch(
    shared: &Shared,
    source: &mut Source,
    count: Option<u64>,
    limit_ms: Option<u64>,
) -> Result<Batch, CommandError> {
    match source {
        Source::Stream(position) => {
            let Some(limit_ms) = limit_ms else { return position.next_batch(count).await };
            let read = position.next_batch(count);
            shared.runtime.timeout_ms(limit_ms, read).await.unwrap_or_else(|_| {
                Err(CommandError::new(codes::MAX_TIME_EXPIRED, "operation exceeded time limit"))
            })
        }
        Source::Tail(tailing) => tailing.await_batch(shared, count, limit_ms).await,
    }
}

/// Closes the cursor of a `getMore` that failed before it began.
pub(crate) fn abandon(cursors: &Cursors, owner: &Owner, command: &Command) {
    if let Some(RawBsonRef::Int64(id)) = command.get("getMore") {
        // Somebody else's cursor stays open.
        let _kept = cursors.kill(id, owner);
    }
}

pub(super) fn cursor_reply(batch: &Batch, field: &str, id: i64, namespace: &str) -> RawDocumentBuf {
    let mut cursor = RawDocumentBuf::new();
    if field == "firstBatch" {
        cursor.append(cstr!("firstBatch"), &*batch.documents);
    } else {
        cursor.append(cstr!("nextBatch"), &*batch.documents);
    }
    if let Some(time) = batch.at_cluster_time {
        cursor.append(cstr!("atClusterTime"), time);
    }
    if let Some(token) = &batch.resume_token {
        cursor.append(cstr!("postBatchResumeToken"), token);
    }
    cursor.append(cstr!("id"), id);
    cursor.append(cstr!("ns"), namespace);
    rawdoc! { "cursor": cursor }
}

/// The command `killCursors`.
pub(crate) fn kill_cursors(
    cursors: &Cursors,
    owner: &Owner,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let Some(ids) = command.get_array("cursors")? else {
        return Err(CommandError::failed_to_parse("killCursors needs the field cursors"));
    };
    let mut killed = RawArrayBuf::new();
    let mut not_found = RawArrayBuf::new();
    for value in ids {
        let RawBsonRef::Int64(id) = value? else {
            return Err(CommandError::type_mismatch("killCursors needs cursor ids of type long"));
        };
        match cursors.kill(id, owner) {
            None => not_found.push(id),
            Some(outcome) => {
                outcome?;
                killed.push(id);
            }
        }
    }
    Ok(rawdoc! {
        "cursorsKilled": killed,
        "cursorsNotFound": not_found,
        "cursorsAlive": [],
        "cursorsUnknown": [],
    })
}

/// The commands `endSessions` and `killSessions`: close what the sessions left open.
pub(crate) fn end_sessions(
    shared: &Shared,
    owner: &Owner,
    user: Option<&User>,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    let mut sessions = Vec::new();
    for lsid in command.documents(&command.name)? {
        sessions.extend(session_id(RawBsonRef::Document(lsid)));
    }
    shared.cursors.kill_sessions(&owner.user, &sessions);
    shared.backend.end_sessions(user, Some(&sessions));
    Ok(RawDocumentBuf::new())
}

/// A user as `killAllSessions` names one.
fn named_user(named: &RawDocument) -> Result<User, CommandError> {
    match (named.get("user")?, named.get("db")?) {
        (Some(RawBsonRef::String(name)), Some(RawBsonRef::String(database))) => {
            Ok(User { name: name.into(), database: database.into(), roles: Vec::new() })
        }
        _ => {
            Err(CommandError::failed_to_parse("killAllSessions needs the user and db of each user"))
        }
    }
}

/// The command `killAllSessions`: the sessions of the users in its list end, or everybody's without one.
pub(crate) fn end_all_sessions(
    shared: &Shared,
    user: Option<&User>,
    command: &Command,
) -> Result<RawDocumentBuf, CommandError> {
    if user.is_some_and(|user| !user.may_admin("admin")) {
        return Err(CommandError::not_authorized("admin", &command.name));
    }
    let named = command.documents(&command.name)?;
    if named.is_empty() {
        shared.cursors.kill_all();
        shared.backend.end_sessions(None, None);
    }
    let users = named.into_iter().map(named_user).collect::<Result<Vec<_>, _>>()?;
    for user in users {
        shared.cursors.kill_of_user(&(user.database.clone(), user.name.clone()));
        shared.backend.end_sessions(Some(&user), None);
    }
    Ok(RawDocumentBuf::new())
}
