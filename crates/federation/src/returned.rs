//! The identities that the cluster part of a union returned: exact, with bounded memory.

use std::collections::HashSet;

use crate::FederationError;

/// What one entry costs beside its bytes: a pointer and a length, the allocator's share, the table.
const ENTRY_BYTES: usize = 48;

/// A set of identities.
pub(crate) struct Returned {
    identities: HashSet<Box<[u8]>>,
    size_bytes: usize,
    bytes_max: usize,
}

impl Returned {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { identities: HashSet::new(), size_bytes: 0, bytes_max }
    }

    /// Remembers an identity; false when it was there already.
    pub(crate) fn insert(&mut self, identity: Vec<u8>) -> Result<bool, FederationError> {
        let size_bytes = identity.len() + ENTRY_BYTES;
        if !self.identities.insert(identity.into_boxed_slice()) {
            return Ok(false);
        }
        self.size_bytes += size_bytes;
        if self.size_bytes > self.bytes_max {
            return Err(FederationError::TooLarge(format!(
                "the live part of this query has so many documents that remembering them takes more \
                 than {} bytes; narrow the filter, or ask the cluster and the archive separately",
                self.bytes_max
            )));
        }
        Ok(true)
    }

    pub(crate) fn contains(&self, identity: &[u8]) -> bool {
        self.identities.contains(identity)
    }

    pub(crate) fn clear(&mut self) {
        self.identities.clear();
        self.size_bytes = 0;
    }
}
