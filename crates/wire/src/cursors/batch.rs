//! Cutting a stream of documents into batches.

use bson::{RawArrayBuf, RawDocumentBuf};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::error::CommandError;
use crate::op_msg::DOCUMENT_BYTES_MAX;

/// Documents in a first batch for which the client gave no size.
pub(crate) const FIRST_BATCH_DOCUMENTS: u64 = 101;

/// Where a cursor stands.
pub(crate) struct Position {
    documents: BoxStream<'static, Result<RawDocumentBuf, CommandError>>,
    /// A document that did not fit into the batch before.
    pending: Option<RawDocumentBuf>,
    /// What is left of the limit.
    remaining: Option<u64>,
}

/// One batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) documents: RawArrayBuf,
    /// Nothing comes after this batch.
    pub(crate) last: bool,
    /// Where a change stream goes on after this batch.
    pub(crate) resume_token: Option<RawDocumentBuf>,
    /// The time of the past that the documents are of; told with the first batch.
    pub(crate) at_cluster_time: Option<bson::Timestamp>,
}

impl Position {
    pub(crate) fn new(
        documents: BoxStream<'static, Result<RawDocumentBuf, CommandError>>,
        limit: Option<u64>,
    ) -> Self {
        Self { documents, pending: None, remaining: limit.filter(|limit| *limit > 0) }
    }

    /// The next batch: at most `count` documents and 16 MiB, but at least one document.
    pub(crate) async fn next_batch(&mut self, count: Option<u64>) -> Result<Batch, CommandError> {
        let mut batch = Batch::default();
        let mut taken: u64 = 0;
        let mut size_bytes = 0;
        while count.is_none_or(|count| taken < count) {
            let Some(document) = self.next().await? else {
                batch.last = true;
                break;
            };
            size_bytes += document.as_bytes().len();
            if size_bytes > DOCUMENT_BYTES_MAX && taken > 0 {
                self.pending = Some(document);
                break;
            }
            batch.documents.push(document);
            taken += 1;
            if self.count_down() {
                batch.last = true;
                break;
            }
            // A stream that is always ready must not keep its thread from other connections.
            tokio::task::coop::consume_budget().await;
        }
        Ok(batch)
    }

    async fn next(&mut self) -> Result<Option<RawDocumentBuf>, CommandError> {
        match self.pending.take() {
            Some(document) => Ok(Some(document)),
            None => self.documents.next().await.transpose(),
        }
    }

    /// Counts one document against the limit; true when it was the last.
    fn count_down(&mut self) -> bool {
        match &mut self.remaining {
            None => false,
            Some(remaining) => {
                *remaining -= 1;
                *remaining == 0
            }
        }
    }
}
