//! Bulk loading from inside the process, in few large commits.

use bson::RawDocumentBuf;
use portolan_model::Namespace;

use crate::Sandbox;
use crate::commands::{prepare_document, writable};
use crate::error::SandboxError;

/// Documents and bytes of one commit, at most.
const COMMIT_DOCUMENTS: usize = 10_000;
const COMMIT_BYTES: usize = 16 * 1024 * 1024;

impl Sandbox {
    /// Inserts `documents` into a collection, which is made if there is none; returns how many.
    /// Each commit holds some thousands of them: a failure leaves whole commits behind.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for a document that a driver could not insert either, such as one
    /// with an `_id` that is taken.
    pub async fn insert_many(
        &self,
        namespace: &Namespace,
        documents: impl IntoIterator<Item = RawDocumentBuf>,
    ) -> Result<u64, SandboxError> {
        writable(namespace)?;
        let mut inserted = 0;
        let mut documents = documents.into_iter().peekable();
        while documents.peek().is_some() {
            inserted += self.insert_commit(namespace, next_commit(&mut documents)).await?;
        }
        Ok(inserted)
    }

    async fn insert_commit(
        &self,
        namespace: &Namespace,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<u64, SandboxError> {
        let (namespace, runtime) = (namespace.clone(), self.engine.runtime.clone());
        let write = self.engine.queue.write_alone(move |writing| {
            let mut collection = writing.open_or_create(&namespace)?;
            for document in &documents {
                collection.insert(&prepare_document(document, &runtime)?)?;
            }
            writing.finish(collection)?;
            Ok(documents.len() as u64)
        });
        Ok(write.await?)
    }
}

fn next_commit(documents: &mut impl Iterator<Item = RawDocumentBuf>) -> Vec<RawDocumentBuf> {
    let mut held_bytes = 0;
    let mut taken = Vec::new();
    while taken.len() < COMMIT_DOCUMENTS && held_bytes < COMMIT_BYTES {
        let Some(document) = documents.next() else { break };
        held_bytes += document.as_bytes().len();
        taken.push(document);
    }
    taken
}
