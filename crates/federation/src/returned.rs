//! The identities that the cluster part of a union returned: exact, with bounded memory, per query
//! and for all queries of an endpoint together.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::FederationError;

/// What one entry costs beside its bytes: a pointer and a length, the allocator's share, the table.
const ENTRY_BYTES: usize = 48;

/// Bytes in use by all queries of an endpoint.
pub(crate) type Shared = Arc<AtomicUsize>;

/// A set of identities.
pub(crate) struct Returned {
    identities: HashSet<Box<[u8]>>,
    size_bytes: usize,
    bytes_max: usize,
    together: Shared,
    together_bytes_max: usize,
}

impl Returned {
    pub(crate) fn new(bytes_max: usize, together: Shared, together_bytes_max: usize) -> Self {
        let identities = HashSet::new();
        Self { identities, size_bytes: 0, bytes_max, together, together_bytes_max }
    }

    /// Remembers an identity; false when it was there already.
    pub(crate) fn insert(&mut self, identity: Vec<u8>) -> Result<bool, FederationError> {
        let size_bytes = identity.len() + ENTRY_BYTES;
        if !self.identities.insert(identity.into_boxed_slice()) {
            return Ok(false);
        }
        self.size_bytes += size_bytes;
        let together = self.together.fetch_add(size_bytes, Ordering::Relaxed) + size_bytes;
        if self.size_bytes > self.bytes_max {
            return Err(FederationError::TooLarge(format!(
                "the live part of this query has so many documents that remembering them takes more \
                 than {} bytes; narrow the filter, or ask the cluster and the archive separately",
                self.bytes_max
            )));
        }
        if together > self.together_bytes_max {
            return Err(FederationError::TooLarge(format!(
                "the queries of this endpoint together remember more than {} bytes of live \
                 documents; close cursors, or try again later",
                self.together_bytes_max
            )));
        }
        Ok(true)
    }

    pub(crate) fn contains(&self, identity: &[u8]) -> bool {
        self.identities.contains(identity)
    }

    pub(crate) fn clear(&mut self) {
        self.identities.clear();
        self.together.fetch_sub(self.size_bytes, Ordering::Relaxed);
        self.size_bytes = 0;
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        self.clear();
    }
}
