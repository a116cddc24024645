//! The read-only endpoints: plan, prune, union.
