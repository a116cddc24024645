//! How much memory each sandbox cluster gets for pages of its file. All of the process share one sum: a
//! cluster is given its part when it is opened, and keeps it until it is closed. What is not here: the
//! memory of commands, cursors and open transactions.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one cluster gets at most: more makes none of them faster.
const PART_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What one cluster needs to work at all.
const PART_BYTES_MIN: usize = 2 * 1024 * 1024;

/// The sum, and among how many clusters it is divided.
pub(super) struct CacheShare {
    sum_bytes: usize,
    /// Clusters that a start is about to open.
    expected: AtomicUsize,
}

impl CacheShare {
    pub(super) fn new(sum_bytes: usize) -> Self {
        Self { sum_bytes, expected: AtomicUsize::new(1) }
    }

    /// So many clusters are about to be opened.
    pub(super) fn expect(&self, clusters: usize) {
        self.expected.store(clusters, Ordering::Relaxed);
    }

    /// The part of one more cluster beside those that are open.
    pub(super) fn part(&self, open: usize) -> usize {
        let clusters = self.expected.load(Ordering::Relaxed).max(open + 1);
        (self.sum_bytes / clusters).clamp(PART_BYTES_MIN, PART_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn the_clusters_of_a_start_share_the_sum() {
        let share = CacheShare::new(512 * MIB);
        assert_eq!(share.part(0), 64 * MIB);
        share.expect(100);
        let given: usize = (0..100).map(|open| share.part(open)).sum();
        assert!(given <= 512 * MIB && given > 500 * MIB, "{given}");
        assert_eq!(share.part(127), 4 * MIB);
        assert_eq!(share.part(10_000), 2 * MIB);
    }
}
