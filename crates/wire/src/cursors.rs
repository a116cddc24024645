//! Open cursors: results that clients fetch batch by batch, on any connection.
//!
//! A cursor belongs to the user and the session that opened it. It ends when its documents or its
//! limit are used up, on an error, by `killCursors` or `endSessions`, or when idle for too long.
//! What is not here: where the documents come from.

mod batch;
mod commands;
mod tailing;

use std::collections::HashMap;
use std::sync::Mutex;

use portolan_runtime::Runtime;
use tokio_util::sync::CancellationToken;

pub(crate) use batch::{Batch, Position};
pub(crate) use commands::{abandon, end_all_sessions, end_sessions, get_more, kill_cursors, open};
pub(crate) use tailing::{Tailing, open as open_tail};

use crate::error::{CommandError, codes};

/// Who opened a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Database and name of the user.
    pub(crate) user: Option<(String, String)>,
    /// Bytes of the logical session id.
    pub(crate) session: Option<Vec<u8>>,
}

struct Entry {
    owner: Owner,
    namespace: String,
    /// `None` while a `getMore` reads from it.
    source: Option<Source>,
    change_stream: bool,
    used_boot_ms: u64,
    timeless: bool,
    killed: CancellationToken,
}

/// Where the documents of a cursor come from.
pub(crate) enum Source {
    Stream(Position),
    Tail(Tailing),
}

impl From<Position> for Source {
    fn from(position: Position) -> Self {
        Self::Stream(position)
    }
}

impl From<Tailing> for Source {
    fn from(tailing: Tailing) -> Self {
        Self::Tail(tailing)
    }
}

/// All open cursors of a server.
pub(crate) struct Cursors {
    entries: Mutex<HashMap<i64, Entry>>,
    cursors_max: usize,
    idle_ms: u64,
    runtime: Runtime,
}

/// What is kept of a cursor between batches.
pub(crate) struct Opening {
    pub(crate) owner: Owner,
    pub(crate) namespace: String,
    pub(crate) timeless: bool,
}

impl Cursors {
    pub(crate) fn new(cursors_max: usize, idle_ms: u64, runtime: Runtime) -> Self {
        Self { entries: Mutex::new(HashMap::new()), cursors_max, idle_ms, runtime }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Entry>> {
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Number of open cursors.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Keeps a cursor and gives its id.
    pub(crate) fn insert(
        &self,
        opening: Opening,
        source: impl Into<Source>,
    ) -> Result<i64, CommandError> {
        let source = source.into();
        let entry = Entry {
            owner: opening.owner,
            namespace: opening.namespace,
            change_stream: matches!(&source, Source::Tail(tail) if tail.is_change_stream()),
            source: Some(source),
            used_boot_ms: self.runtime.boot_ms(),
            timeless: opening.timeless,
            killed: CancellationToken::new(),
        };
        let mut entries = self.lock();
        if entries.len() >= self.cursors_max {
            let message = format!("too many open cursors; the limit is {}", self.cursors_max);
            return Err(CommandError::new(codes::EXCEEDED_MEMORY_LIMIT, message));
        }
        loop {
            let id = i64::from_le_bytes(self.runtime.random_bytes()) & i64::MAX;
            if id != 0 && !entries.contains_key(&id) {
                entries.insert(id, entry);
                return Ok(id);
            }
        }
    }

    /// Takes a cursor's documents out for one batch.
    pub(crate) fn check_out(&self, id: i64, owner: &Owner) -> Result<CheckedOut<'_>, CommandError> {
        let mut entries = self.lock();
        let entry = entries.get_mut(&id).ok_or_else(|| CommandError::cursor_not_found(id))?;
        check_owner(id, entry, owner)?;
        let source = entry.source.take().ok_or_else(|| {
            CommandError::new(codes::CURSOR_IN_USE, format!("cursor id {id} is already in use"))
        })?;
        Ok(CheckedOut {
            cursors: self,
            id,
            namespace: entry.namespace.clone(),
            killed: entry.killed.clone(),
            source: Some(source),
            keep: false,
        })
    }

    /// Whether a cursor is a change stream; false if there is none of this id.
    pub(crate) fn is_change_stream(&self, id: i64) -> bool {
        self.lock().get(&id).is_some_and(|entry| entry.change_stream)
    }

    /// Closes a cursor. `None`: there is none of this id.
    pub(crate) fn kill(&self, id: i64, owner: &Owner) -> Option<Result<(), CommandError>> {
        let mut entries = self.lock();
        let entry = entries.get(&id)?;
        if entry.owner.user != owner.user {
            return Some(Err(foreign(id)));
        }
        entry.killed.cancel();
        entries.remove(&id);
        Some(Ok(()))
    }

    /// Closes the cursors of sessions that their user ended.
    pub(crate) fn kill_sessions(&self, user: &Option<(String, String)>, sessions: &[Vec<u8>]) {
        self.lock().retain(|_, entry| {
            let ended = entry.owner.user == *user
                && entry.owner.session.as_ref().is_some_and(|id| sessions.contains(id));
            if ended {
                entry.killed.cancel();
            }
            !ended
        });
    }

    /// Closes the cursors of a user.
    pub(crate) fn kill_of_user(&self, user: &(String, String)) {
        self.lock().retain(|_, entry| {
            let theirs = entry.owner.user.as_ref() == Some(user);
            if theirs {
                entry.killed.cancel();
            }
            !theirs
        });
    }

    /// Closes every cursor.
    pub(crate) fn kill_all(&self) {
        self.lock().drain().for_each(|(_, entry)| entry.killed.cancel());
    }

    /// Closes cursors that nobody asked for in a long time.
    pub(crate) fn close_idle(&self) {
        let now_ms = self.runtime.boot_ms();
        self.lock().retain(|id, entry| {
            let idle = now_ms.saturating_sub(entry.used_boot_ms) >= self.idle_ms;
            let expired = idle && entry.source.is_some() && !entry.timeless;
            if expired {
                tracing::debug!(cursor = id, namespace = entry.namespace, "idle cursor closed");
            }
            !expired
        });
    }

    /// Closes idle cursors for as long as the server lives.
    pub(crate) async fn watch_idle(&self) {
        loop {
            self.runtime.sleep_ms((self.idle_ms / 10).clamp(10, 30_000)).await;
            self.close_idle();
        }
    }
}

fn check_owner(id: i64, entry: &Entry, owner: &Owner) -> Result<(), CommandError> {
    if entry.owner.user != owner.user {
        return Err(foreign(id));
    }
    if entry.owner.session.is_some() && entry.owner.session != owner.session {
        let message = format!("cursor id {id} was created in another session");
        return Err(CommandError::new(codes::UNAUTHORIZED, message));
    }
    Ok(())
}

fn foreign(id: i64) -> CommandError {
    let message = format!("cursor id {id} was not created by the authenticated user");
    CommandError::new(codes::UNAUTHORIZED, message)
}

/// A cursor that is being read. Dropped without [`CheckedOut::put_back`] (an error, a client that
/// went away) it is closed: nobody could say where it stands.
pub(crate) struct CheckedOut<'a> {
    cursors: &'a Cursors,
    id: i64,
    pub(crate) namespace: String,
    pub(crate) killed: CancellationToken,
    source: Option<Source>,
    keep: bool,
}

impl CheckedOut<'_> {
    pub(crate) fn source(&mut self) -> &mut Source {
        self.source.as_mut().expect("the source leaves only when the value is consumed")
    }

    /// Leaves the cursor open for the next batch.
    pub(crate) fn put_back(mut self) {
        self.keep = true;
    }
}

impl Drop for CheckedOut<'_> {
    fn drop(&mut self) {
        let mut entries = self.cursors.lock();
        if !self.keep {
            entries.remove(&self.id);
        } else if let Some(entry) = entries.get_mut(&self.id) {
            entry.source = self.source.take();
            entry.used_boot_ms = self.cursors.runtime.boot_ms();
        }
    }
}

#[cfg(test)]
mod tests;
