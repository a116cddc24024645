//! Change streams: a walk along the change log that goes on as long as its cursor is open.
//!
//! Each read takes the newest snapshot, shows what of the log behind the stream's place concerns it,
//! and remembers where it stands; between two reads nothing is held. Waiting is waiting for the next
//! commit. What is not here: the log itself (`store`), the command (`commands::watch`).

mod event;
mod spec;
mod split;
mod token;

pub(crate) use event::Scope;
pub(crate) use spec::{Spec, check_following, first_name, take_split};
pub(crate) use token::Place;

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawDocument, RawDocumentBuf};
use portolan_mql::Pipeline;
use portolan_wire::{CommandError, Tail, TailBatch};
use tokio::sync::watch;

use crate::error::{Failure, codes, refuse};
use crate::store::{DOCUMENT_BYTES_MAX, Position, Readable, Snapshot, Store};
use event::Row;
use token::Given;

/// Rows of the log that one read looks at, at most.
const READ_ROWS: usize = 10_000;
const NOT_RESUMABLE: &str = "NonResumableChangeStreamError";

/// What a stream shows, and of what.
pub(crate) struct Watched {
    pub(crate) scope: Scope,
    pub(crate) spec: Spec,
    pub(crate) pipeline: Pipeline,
    /// Large events are split.
    pub(crate) split: bool,
}

/// An open change stream.
pub(crate) struct ChangeStream {
    store: Arc<Store>,
    watched: Arc<Watched>,
    place: Place,
    ticks: watch::Receiver<u64>,
}

impl ChangeStream {
    /// A stream that begins where its options say, or with what comes after `now`.
    pub(crate) fn new(store: Arc<Store>, watched: Watched, now: u64) -> Self {
        let place = watched.spec.start.unwrap_or_else(|| Place::after(now));
        let ticks = store.ticks();
        Self { store, watched: Arc::new(watched), place, ticks }
    }
}

#[async_trait]
impl Tail for ChangeStream {
    async fn read(&mut self, documents_max: Option<u64>) -> Result<TailBatch, CommandError> {
        self.ticks.mark_unchanged();
        let (store, watched, place) = (self.store.clone(), self.watched.clone(), self.place);
        let runtime = self.store.runtime.clone();
        let read = runtime.spawn_blocking(move || {
            let mut read = Reading::new(&watched, place, documents_max);
            read.all(&store.snapshot()?)?;
            Ok::<_, Failure>((read.batch, read.place))
        });
        let done = read.await.map_err(|error| CommandError::internal(error.to_string()))?;
        let (mut batch, place) = done?;
        self.place = place;
        batch.resume_token = Some(place.token());
        Ok(batch)
    }

    async fn changed(&mut self) {
        if self.ticks.changed().await.is_err() {
            // The store is gone, and nothing comes any more.
            std::future::pending::<()>().await;
        }
    }
}

/// One read.
struct Reading<'w> {
    watched: &'w Watched,
    place: Place,
    documents_max: Option<u64>,
    batch: TailBatch,
    size_bytes: usize,
}

impl<'w> Reading<'w> {
    fn new(watched: &'w Watched, place: Place, documents_max: Option<u64>) -> Self {
        Self { watched, place, documents_max, batch: TailBatch::default(), size_bytes: 0 }
    }

    fn all(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        self.check_history(snapshot.log_start()?)?;
        let log = snapshot.log()?;
        let from = self.place.position.to_key();
        let mut rows = log.range(Bound::Included(&from), Bound::Unbounded, false)?;
        let mut left = READ_ROWS;
        while !self.is_full() {
            let Some(row) = rows.next() else {
                self.place = self.place.max(Place::after(snapshot.tick()?));
                return Ok(());
            };
            if left == 0 {
                self.batch.unfinished = true;
                return Ok(());
            }
            left -= 1;
            let (key, row) = row?;
            let damaged = || refuse(codes::INTERNAL_ERROR, "a key of the log cannot be read");
            let position = Position::from_key(key.value()).ok_or_else(damaged)?;
            let row = Row::new(RawDocument::from_bytes(row.value())?);
            if !self.row(position, row, snapshot)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.batch.closed
            || self.documents_max.is_some_and(|max| self.batch.documents.len() as u64 >= max)
    }

    /// Refuses to go on when something that was not shown yet is no longer in the log.
    fn check_history(&self, start: Position) -> Result<(), Failure> {
        let at_the_beginning =
            start == Position::end_of(start.tick) && self.place.position.tick == start.tick;
        if self.place.position >= start || at_the_beginning {
            return Ok(());
        }
        let message = "Resume of change stream was not possible, as the resume point may no longer \
                       be in the oplog.";
        Err(refuse(codes::CHANGE_STREAM_HISTORY_LOST, message).with_label(NOT_RESUMABLE))
    }

    /// Shows a row; false when the batch has no room for it.
    fn row(
        &mut self,
        position: Position,
        row: Row<'_>,
        snapshot: &Snapshot,
    ) -> Result<bool, Failure> {
        let given = match self.place.position == position {
            true => self.place.given,
            false => Given::Nothing,
        };
        let place = Place { position, given: Given::All };
        if !row.concerns(&self.watched.scope, self.watched.spec.expanded) {
            self.place = self.place.max(place);
            return Ok(true);
        }
        if given < Given::All {
            let event = row.event(place, &self.watched.spec, snapshot)?;
            if !self.show(&event, place, given)? {
                return Ok(false);
            }
        }
        if given < Given::Invalidate && row.invalidates(&self.watched.scope) {
            if self.is_full() {
                return Ok(false);
            }
            let place = Place { position, given: Given::Invalidate };
            if !self.show(&row.invalidate(place), place, Given::Nothing)? {
                return Ok(false);
            }
            self.batch.closed = true;
        }
        Ok(true)
    }

    /// Puts an event through the pipeline and into the batch; false when there is no room for it.
    fn show(&mut self, event: &RawDocument, place: Place, given: Given) -> Result<bool, Failure> {
        let Some(shown) = self.through_pipeline(event)? else {
            self.place = place;
            return Ok(true);
        };
        if shown.as_bytes().len() <= DOCUMENT_BYTES_MAX {
            return Ok(self.push(place, shown));
        }
        if !self.watched.split {
            let message = "an event is larger than a document may be; \
                           $changeStreamSplitLargeEvent splits such events";
            let failure = refuse(codes::BSON_OBJECT_TOO_LARGE, message);
            return Err(failure.with_label(NOT_RESUMABLE));
        }
        for (place, fragment) in split::fragments(&shown, place, DOCUMENT_BYTES_MAX)? {
            if place.given > given && (self.is_full() || !self.push(place, fragment)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn push(&mut self, place: Place, document: RawDocumentBuf) -> bool {
        let size_bytes = document.as_bytes().len();
        if !self.batch.documents.is_empty() && self.size_bytes + size_bytes > DOCUMENT_BYTES_MAX {
            return false;
        }
        self.size_bytes += size_bytes;
        self.batch.documents.push(document);
        self.place = place;
        true
    }

    fn through_pipeline(&self, event: &RawDocument) -> Result<Option<RawDocumentBuf>, Failure> {
        if self.watched.pipeline.is_empty() {
            return Ok(Some(event.to_owned()));
        }
        let mut output = self.watched.pipeline.run(std::iter::once(Ok(event.to_owned())));
        let Some(shown) = output.next().transpose()? else { return Ok(None) };
        if shown.get("_id")? == event.get("_id")? {
            return Ok(Some(shown));
        }
        let message = "Encountered an event whose _id field, which contains the resume token, was \
                       modified by the pipeline. Modifying the _id field of an event makes it \
                       impossible to resume the stream from that point. Only transformations that \
                       retain the unmodified _id field are allowed.";
        Err(refuse(codes::CHANGE_STREAM_FATAL, message).with_label(NOT_RESUMABLE))
    }
}

#[cfg(test)]
mod tests;
