//! From a lazy iterator over a snapshot to the stream that the wire server cuts into batches.
//!
//! A chunk is made on a blocking thread when the client asks for it; between two chunks no thread
//! is held, only the snapshot. Memory is bounded by one chunk and by what a sort holds.

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use portolan_mql::{MqlError, Projection, Sort};
use portolan_runtime::Runtime;
use portolan_wire::CommandError;

use crate::error::{Failure, codes, refuse};
use crate::scan::Patience;

/// Documents and bytes of one chunk, at most.
const CHUNK_DOCUMENTS: usize = 128;
const CHUNK_BYTES: usize = 1024 * 1024;
/// What a sort may hold, as on MongoDB when it may not use the disk.
const SORT_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Under this name `showRecordId` shows the number of a record.
pub(crate) const RECORD_ID: &str = "$recordId";

/// Documents on their way to a client.
pub(crate) type Documents = Box<dyn Iterator<Item = Result<RawDocumentBuf, Failure>> + Send>;
type Chunk = Vec<Result<RawDocumentBuf, CommandError>>;

/// Turns an iterator that blocks into a stream.
pub(crate) fn stream(
    runtime: &Runtime,
    documents: Documents,
    patience: Patience,
) -> BoxStream<'static, Result<RawDocumentBuf, CommandError>> {
    let runtime = runtime.clone();
    let chunks = stream::unfold(Some(documents), move |documents| {
        let (runtime, patience) = (runtime.clone(), patience.clone());
        async move {
            let documents = documents?;
            let work = move || {
                patience.resume();
                let pulled = pull(documents);
                patience.pause();
                pulled
            };
            let pulled = runtime.spawn_blocking(work).await;
            let (chunk, rest) = pulled.unwrap_or_else(|error| {
                let message = format!("reading failed: {error}");
                (vec![Err(CommandError::internal(message))], None)
            });
            Some((stream::iter(chunk), rest))
        }
    });
    chunks.flatten().boxed()
}

fn pull(mut documents: Documents) -> (Chunk, Option<Documents>) {
    let (mut chunk, mut held_bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK_DOCUMENTS && held_bytes < CHUNK_BYTES {
        match documents.next() {
            None => return (chunk, None),
            Some(Ok(document)) => {
                held_bytes += document.as_bytes().len();
                chunk.push(Ok(document));
            }
            Some(Err(failure)) => {
                chunk.push(Err(failure.into()));
                return (chunk, None);
            }
        }
    }
    (chunk, Some(documents))
}

/// What `find` does to the documents that match.
pub(crate) struct Shape {
    /// Empty when the documents come in order.
    pub(crate) sort: Sort,
    pub(crate) skip: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) projection: Option<Projection>,
}

impl Shape {
    /// Sorts, skips, limits and projects.
    pub(crate) fn apply(self, documents: Documents) -> Documents {
        let keep = self.limit.map(|limit| limit.saturating_add(self.skip));
        let sorted: Documents = if self.sort.is_empty() {
            documents
        } else {
            Box::new(Sorted {
                waiting: Some((documents, self.sort)),
                keep,
                ready: Vec::new().into_iter(),
            })
        };
        let mut to_skip = self.skip;
        let skipped = sorted.filter(move |item| {
            let skip = to_skip > 0 && item.is_ok();
            to_skip -= u64::from(skip);
            !skip
        });
        let limit =
            self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let limited = skipped.take(limit);
        match self.projection {
            None => Box::new(limited),
            Some(projection) => {
                Box::new(limited.map(move |document| projected(&projection, &document?)))
            }
        }
    }
}

/// The number of a record is no field: a projection leaves it.
fn projected(projection: &Projection, document: &RawDocument) -> Result<RawDocumentBuf, Failure> {
    let mut shown = projection.apply(document)?;
    if let Some(record) = document.get(RECORD_ID)?
        && shown.get(RECORD_ID)?.is_none()
    {
        shown.append(cstr!("$recordId"), record);
    }
    Ok(shown)
}

/// Sorts at the first pull.
struct Sorted {
    waiting: Option<(Documents, Sort)>,
    /// Only the first so many are wanted.
    keep: Option<u64>,
    ready: std::vec::IntoIter<RawDocumentBuf>,
}

impl Iterator for Sorted {
    type Item = Result<RawDocumentBuf, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((documents, sort)) = self.waiting.take() {
            match sorted(documents, &sort, self.keep) {
                Ok(ready) => self.ready = ready.into_iter(),
                Err(failure) => return Some(Err(failure)),
            }
        }
        self.ready.next().map(Ok)
    }
}

fn sorted(
    documents: Documents,
    sort: &Sort,
    keep: Option<u64>,
) -> Result<Vec<RawDocumentBuf>, Failure> {
    let keep = keep.map_or(usize::MAX, |keep| usize::try_from(keep).unwrap_or(usize::MAX));
    let mut held: Vec<(Vec<u8>, RawDocumentBuf)> = Vec::new();
    let mut held_bytes = 0;
    for document in documents {
        let document = document?;
        held_bytes += document.as_bytes().len();
        held.push((sort.key(&document)?, document));
        if held.len() / 2 > keep {
            held.sort_by(|(a, _), (b, _)| a.cmp(b));
            held.truncate(keep);
            held_bytes = held.iter().map(|(_, document)| document.as_bytes().len()).sum();
        }
        if held_bytes > SORT_BYTES_MAX {
            let message = format!(
                "Sort exceeded memory limit of {SORT_BYTES_MAX} bytes, and this cluster does not sort on disk"
            );
            return Err(refuse(codes::QUERY_EXCEEDED_MEMORY_LIMIT, message));
        }
    }
    held.sort_by(|(a, _), (b, _)| a.cmp(b));
    held.truncate(keep);
    Ok(held.into_iter().map(|(_, document)| document).collect())
}

/// A failure inside a pipeline's input, in the pipeline's terms.
pub(crate) fn as_mql(failure: Failure) -> MqlError {
    let error = CommandError::from(failure);
    MqlError::new(error.code, error.message)
}
