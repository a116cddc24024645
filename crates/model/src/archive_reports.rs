//! What can be told about an archive's data: how much there is, what would expire.

use crate::{
    ArchiveId, ArchiveRules, CollectionType, Criteria, DataProcessRegion, DateFormat, EpochMs,
    ExpiryRule, Hold, Namespace, OnlineArchive, PartitionField, Schedule,
};

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
    /// Bytes of its documents before archiving; `None` when a file was written before files told it.
    pub bytes_raw: Option<u64>,
    /// Bytes of its files.
    pub bytes_stored: u64,
    /// Data files.
    pub files: u64,
    /// Of these, files that are damaged and are left alone.
    pub quarantined_files: u64,
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

/// How an archive was defined: what its table keeps of it beside its fields, rules and collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveDefinition {
    /// Plain or time series.
    pub collection_type: CollectionType,
    /// Which documents are cold.
    pub criteria: Criteria,
    /// Provider and region label.
    pub region: DataProcessRegion,
    /// When runs may start.
    pub schedule: Schedule,
    /// When it was created.
    pub created_at: EpochMs,
}

impl ArchiveDefinition {
    /// That of an archive.
    #[must_use]
    pub fn of(archive: &OnlineArchive) -> Self {
        Self {
            collection_type: archive.collection_type,
            criteria: archive.criteria.clone(),
            region: archive.region.clone(),
            schedule: archive.schedule,
            created_at: archive.created_at,
        }
    }
}

/// A table as it was found in a storage location: all that can be known of an archive without a control
/// database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTable {
    /// The archive.
    pub archive_id: ArchiveId,
    /// Whether this installation owns the table.
    pub ours: bool,
    /// The collection that it was filled from.
    pub namespace: Namespace,
    /// UUID of that collection.
    pub collection_uuid: Option<[u8; 16]>,
    /// Partition fields, with the types that the first run found.
    pub partition_fields: Vec<PartitionField>,
    /// Path and format of the date; `None` for CUSTOM criteria.
    pub date: Option<(String, DateFormat)>,
    /// How the archive was defined; older tables do not say.
    pub definition: Option<ArchiveDefinition>,
    /// Hold and expiration rule.
    pub rules: ArchiveRules,
    /// Version of the criteria.
    pub criteria_version: i64,
    /// Newest epoch.
    pub epoch: i64,
    /// Last confirmed move.
    pub confirmed: i64,
    /// The move that is committed and not confirmed.
    pub open: Option<OpenMove>,
    /// Documents in it, those of the open move included.
    pub documents: u64,
    /// Bytes of its files.
    pub bytes_stored: u64,
    /// Version in which another engine changed it, if one did.
    pub foreign: Option<i64>,
}

/// A move that is committed and not confirmed, as the table alone tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenMove {
    /// Its number.
    pub seq: i64,
    /// Its batches.
    pub batches: i32,
    /// Its documents.
    pub documents: u64,
}
