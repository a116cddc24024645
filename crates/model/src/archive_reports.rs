//! What can be told about an archive's data: how much there is, what would expire.

use crate::{EpochMs, ExpiryRule, Hold};

/// What would expire if the rule were in effect now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpiryPreview {
    /// The rule looked at; `None`: there is none, and nothing expires.
    pub rule: Option<ExpiryRule>,
    /// When it takes effect: a day after it was set.
    pub takes_effect_at: Option<EpochMs>,
    /// The hold that keeps everything as long as it stands.
    pub hold: Option<Hold>,
    /// Documents whose date is at or before this time expire.
    pub expired_until: Option<EpochMs>,
    /// Documents that would expire.
    pub documents: u64,
    /// Files that would go whole.
    pub files_removed: u64,
    /// Files that would be written again without the expired documents.
    pub files_rewritten: u64,
    /// Bytes of the files that would go whole.
    pub bytes_removed: u64,
}

/// Whether an index of the cluster finds what is cold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IndexCheck {
    /// One begins with a field of the rule.
    Sufficient,
    /// None does: each look reads the whole collection.
    Insufficient {
        /// The line to paste into mongosh.
        create_index: String,
    },
    /// The rule names no field that an index could begin with.
    Impossible,
    /// The server does not list its indexes, or was not asked yet.
    #[default]
    Unknown,
}

impl IndexCheck {
    /// Its name in Portolan's own API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sufficient => "SUFFICIENT",
            Self::Insufficient { .. } => "INSUFFICIENT",
            Self::Impossible => "IMPOSSIBLE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The line to paste, where one helps.
    #[must_use]
    pub fn create_index(&self) -> Option<&str> {
        match self {
            Self::Insufficient { create_index } => Some(create_index),
            _ => None,
        }
    }
}

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveStatistics {
    /// Version of its table; `None`: it has none yet.
    pub version: Option<i64>,
    /// Documents.
    pub documents: u64,
    /// Bytes of its files.
    pub bytes_stored: u64,
    /// Data files.
    pub files: u64,
    /// Partitions (months).
    pub partitions: u64,
    /// Documents without a usable date.
    pub documents_without_date: u64,
    /// Earliest date in it, rounded down to what the files' statistics tell.
    pub min_date: Option<EpochMs>,
    /// Latest date in it, rounded up likewise.
    pub max_date: Option<EpochMs>,
    /// Last confirmed move.
    pub confirmed: i64,
    /// Whether a move is committed and not confirmed.
    pub open_move: bool,
}
