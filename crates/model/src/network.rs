//! The IP access list of a project: from which addresses its clusters and read endpoints are reached.

use crate::EpochMs;

/// An entry, by the text of its network in CIDR notation (a single address as `/32` or `/128`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkEntry {
    /// The network, host bits cleared.
    pub cidr: String,
    /// What it is for.
    pub comment: Option<String>,
    /// From then on it does not count.
    pub delete_after: Option<EpochMs>,
    /// When it was added or last changed.
    pub changed_at: EpochMs,
}
