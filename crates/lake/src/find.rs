//! Finding rows again: a batch of a move, and older rows of given documents.

use std::collections::HashSet;

use bson::RawDocumentBuf;

use crate::{LakeError, Table, Version};

/// A row as it was committed: the only reference for deleting at the source.
#[derive(Debug, Clone)]
pub struct CommittedRow {
    /// The document's bytes.
    pub doc: RawDocumentBuf,
    /// BLAKE3 of them, as stored and checked again on reading.
    pub hash: [u8; 32],
    /// Identity of the document.
    pub identity: Vec<u8>,
}

/// Where a row of a document was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRow {
    /// Index into [`Version::files`].
    pub file_index: usize,
    /// Number of its move.
    pub seq: i64,
    /// Number of its batch.
    pub batch: i32,
    /// Set when a hold keeps a superseded row.
    pub superseded_by: Option<i64>,
    /// Identity of the document.
    pub identity: Vec<u8>,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
}

impl Table {
    /// The rows of one batch, in file order.
    ///
    /// # Errors
    /// Storage errors; [`LakeError::Internal`] when a stored hash does not fit its document.
    pub async fn batch(
        &self,
        version: &Version,
        seq: i64,
        batch: i32,
    ) -> Result<Vec<CommittedRow>, LakeError> {
        let _ = (version, seq, batch);
        Err(LakeError::Unsupported("reading is not built yet".into()))
    }

    /// Number of batches of a move, from the statistics of its files.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn batches(&self, version: &Version, seq: i64) -> Result<i32, LakeError> {
        let _ = (version, seq);
        Err(LakeError::Unsupported("reading is not built yet".into()))
    }

    /// Rows of the given identities whose move is older than `below_seq`.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn find_identities(
        &self,
        version: &Version,
        identities: &HashSet<Vec<u8>>,
        below_seq: i64,
    ) -> Result<Vec<FoundRow>, LakeError> {
        let _ = (version, identities, below_seq);
        Err(LakeError::Unsupported("reading is not built yet".into()))
    }
}
