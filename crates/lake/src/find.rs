//! Finding rows again: a batch of a move, and older rows of given documents.

use std::collections::HashSet;

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use portolan_model::ShardKey;

use crate::layout::ID_KEY;
use crate::prune::{Keys, Select};
use crate::row::prune_key_of;
use crate::{LakeError, Table, Version, identity_under};

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
    /// Identity of the document, as the table has it.
    pub identity: Vec<u8>,
    /// Its identity as it was asked for.
    pub sought: Vec<u8>,
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
        let select = Select { seq: Some((seq, seq)), batch: Some(batch), ..Select::default() };
        let rows = self.plan(&version.files, select).rows();
        rows.map_ok(|row| CommittedRow {
            identity: self.spec().identity(&row.doc),
            hash: row.hash,
            doc: row.doc,
        })
        .try_collect()
        .await
    }

    /// Number of batches of a move, counted to the last one that still has rows; 0: no rows.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn batches(&self, version: &Version, seq: i64) -> Result<i32, LakeError> {
        let mut count = 0;
        for file in version.files.iter().filter(|file| file.may_hold(seq)) {
            if file.seq_min == file.seq_max && file.batch_max < i32::MAX {
                count = count.max(file.batch_max + 1);
                continue;
            }
            // A file of several moves: its bounds say nothing about this one.
            let select = Select { seq: Some((seq, seq)), ..Select::default() };
            let mut rows = self.plan(std::slice::from_ref(file), select).rows();
            while let Some(row) = rows.try_next().await? {
                count = count.max(row.batch + 1);
            }
        }
        Ok(count)
    }

    /// Rows of the given identities whose move is older than `below_seq`. The identities are those under
    /// `shard_key`, which need not be the table's: the collection may be sharded otherwise today.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn find_identities(
        &self,
        version: &Version,
        (identities, shard_key): (&HashSet<Vec<u8>>, Option<&ShardKey>),
        below_seq: i64,
    ) -> Result<Vec<FoundRow>, LakeError> {
        let keys = identities.iter().map(|identity| prune_key_of(identity, shard_key)).collect();
        let select = Select {
            keys: vec![(ID_KEY, Keys::Points(keys))],
            seq: Some((i64::MIN, below_seq.saturating_sub(1))),
            ..Select::default()
        };
        let mut found = Vec::new();
        let mut rows = self.plan(&version.files, select).rows();
        while let Some(row) = rows.try_next().await? {
            let sought = identity_under(&row.doc, shard_key);
            if identities.contains(&sought) {
                found.push(FoundRow {
                    file_index: row.file_index,
                    seq: row.seq,
                    batch: row.batch,
                    superseded_by: row.superseded_by,
                    identity: self.spec().identity(&row.doc),
                    sought,
                    hash: row.hash,
                });
            }
        }
        Ok(found)
    }
}
