//! Online archives on the wire: `BackupOnlineArchiveCreate`, `BackupOnlineArchive`.
//!
//! All checks of shape and range are in [`parse`]; what depends on stored state (immutable fields,
//! limits, other archives) is decided in `control`.

mod parse;
mod view;

use portolan_model::{
    CollectionType, Criteria, DataProcessRegion, DateFormat, Namespace, PartitionField, Schedule,
};

pub use parse::{parse_create, parse_update};
pub use view::{
    CriteriaView, ExpirationView, OnlineArchiveView, PartitionFieldView, RegionView, ScheduleView,
    WindowView, is_paused,
};

/// Longest name of a partition field (schema `PartitionFieldView`).
pub const PARTITION_FIELD_CHARS_MAX: usize = 700;
/// Partition fields of a DATE archive (documentation, "Configure Online Archive").
pub const DATE_PARTITION_FIELDS_MAX: usize = 3;
/// Partition fields of a CUSTOM archive.
pub const CUSTOM_PARTITION_FIELDS_MAX: usize = 2;
/// Fewest days of a data expiration rule (schema `DataExpirationRuleView`).
pub const EXPIRY_DAYS_MIN: i64 = 7;
/// Most days of a data expiration rule.
pub const EXPIRY_DAYS_MAX: i64 = 9215;

/// A checked create body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveDraft {
    /// The collection.
    pub namespace: Namespace,
    /// Plain or time series.
    pub collection_type: CollectionType,
    /// Which documents are cold.
    pub criteria: Criteria,
    /// In order; never empty for DATE, where the date field is among them.
    pub partition_fields: Vec<PartitionField>,
    /// Days after which archived documents expire.
    pub expire_after_days: Option<i32>,
    /// Where it is stored; `None`: the default.
    pub region: Option<DataProcessRegion>,
    /// When runs may start.
    pub schedule: Schedule,
    /// Created paused.
    pub paused: bool,
}

/// A checked update body: `None` is a field that was not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchivePatch {
    /// Changes of the criteria.
    pub criteria: Option<CriteriaPatch>,
    /// A new expiration rule; `Some(None)` removes it.
    pub expire_after_days: Option<Option<i32>>,
    /// A whole new schedule.
    pub schedule: Option<Schedule>,
    /// Pause or resume.
    pub paused: Option<bool>,
    /// A state: the Atlas CLI pauses with `PAUSING` and resumes with `ACTIVE`.
    pub state: Option<String>,
    /// Fields that may be repeated but not changed.
    pub fixed: FixedFields,
}

/// Changes of criteria; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CriteriaPatch {
    /// `DATE` or `CUSTOM`; may not change.
    pub kind: Option<String>,
    /// May not change.
    pub date_field: Option<String>,
    /// May not change.
    pub date_format: Option<DateFormat>,
    /// The new age of a DATE rule.
    pub expire_after_days: Option<i32>,
    /// The new filter of a CUSTOM rule.
    pub query: Option<String>,
}

/// Values given for immutable fields: refused only where they differ from what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FixedFields {
    /// `_id`.
    pub id: Option<String>,
    /// `clusterName`.
    pub cluster_name: Option<String>,
    /// `collName`.
    pub collection: Option<String>,
    /// `collectionType`.
    pub collection_type: Option<CollectionType>,
    /// `dbName`.
    pub database: Option<String>,
    /// `groupId`.
    pub project_id: Option<String>,
    /// `partitionFields`, name and order.
    pub partition_fields: Option<Vec<PartitionField>>,
    /// `dataProcessRegion`.
    pub region: Option<DataProcessRegion>,
}

#[cfg(test)]
mod tests;
