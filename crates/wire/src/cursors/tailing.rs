//! Cursors without an end: a `getMore` that finds nothing waits until something comes, or until its
//! `maxTimeMS` is over, and then answers with an empty batch.

use bson::{RawArrayBuf, RawDocumentBuf};

use super::batch::{Batch, FIRST_BATCH_DOCUMENTS};
use super::commands::cursor_reply;
use super::{Cursors, Opening, Owner};
use crate::backend::{Tail, TailBatch, TailReply};
use crate::error::{CommandError, codes};
use crate::shared::Shared;

/// How long a `getMore` waits that does not say, as on MongoDB.
const AWAIT_MS: u64 = 1_000;

/// An open cursor without an end.
pub(crate) struct Tailing {
    tail: Box<dyn Tail>,
    awaits: bool,
    change_stream: bool,
}

/// The first batch; it does not wait.
pub(crate) async fn open(
    cursors: &Cursors,
    owner: Owner,
    timeless: bool,
    reply: TailReply,
) -> Result<RawDocumentBuf, CommandError> {
    let TailReply { namespace, mut tail, batch_size, awaits } = reply;
    let count = batch_size.map_or(FIRST_BATCH_DOCUMENTS, u64::from);
    let first =
        if count == 0 { tail.read(Some(0)).await? } else { read(&mut *tail, count).await? };
    let change_stream = first.resume_token.is_some();
    let batch = into_batch(first);
    let id = if batch.last {
        0
    } else {
        let opening = Opening { owner, namespace: namespace.clone(), timeless };
        cursors.insert(opening, Tailing { tail, awaits, change_stream })?
    };
    Ok(cursor_reply(&batch, "firstBatch", id, &namespace))
}

async fn read(tail: &mut dyn Tail, count: u64) -> Result<TailBatch, CommandError> {
    loop {
        let batch = tail.read(Some(count)).await?;
        if !(batch.unfinished && batch.documents.is_empty()) {
            return Ok(batch);
        }
    }
}

fn into_batch(batch: TailBatch) -> Batch {
    let mut documents = RawArrayBuf::new();
    batch.documents.into_iter().for_each(|document| documents.push(document));
    Batch { documents, last: batch.closed, resume_token: batch.resume_token, ..Batch::default() }
}

impl Tailing {
    pub(crate) fn is_change_stream(&self) -> bool {
        self.change_stream
    }

    /// The next batch; empty when nothing came in time.
    pub(super) async fn await_batch(
        &mut self,
        shared: &Shared,
        count: Option<u64>,
        limit_ms: Option<u64>,
    ) -> Result<Batch, CommandError> {
        let wait_ms = if self.awaits { limit_ms.unwrap_or(AWAIT_MS) } else { 0 };
        let until_boot_ms = shared.runtime.boot_ms().saturating_add(wait_ms);
        loop {
            let batch = self.tail.read(count).await?;
            let left_ms = until_boot_ms.saturating_sub(shared.runtime.boot_ms());
            if batch.closed || !batch.documents.is_empty() || left_ms == 0 {
                return Ok(into_batch(batch));
            }
            if batch.unfinished {
                continue;
            }
            tokio::select! {
                () = self.tail.changed() => {}
                () = shared.runtime.sleep_ms(left_ms) => return Ok(into_batch(batch)),
                () = shared.shutdown.cancelled() => {
                    let message = "the cluster is shutting down";
                    return Err(CommandError::new(codes::INTERRUPTED_AT_SHUTDOWN, message));
                }
            }
        }
    }
}
