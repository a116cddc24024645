//! Online archives: rules, partition fields and the one table of state transitions.

use std::fmt;
use std::str::FromStr;

use crate::{ArchiveId, ClusterId, DataProcessRegion, EpochMs, Namespace, ProjectId, Schedule};

/// An online archive: one rule that moves cold documents of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineArchive {
    /// Its id.
    pub id: ArchiveId,
    /// Its project. May change by `:migrate`; nothing derived from it is stored in the table.
    pub project_id: ProjectId,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its cluster's name.
    pub cluster_name: String,
    /// The collection that it archives.
    pub namespace: Namespace,
    /// Plain or time series.
    pub collection_type: CollectionType,
    /// Which documents are cold.
    pub criteria: Criteria,
    /// Rises with each change of criteria: a run freezes it.
    pub criteria_version: i64,
    /// Partition fields in order; for DATE criteria the date field is among them.
    pub partition_fields: Vec<PartitionField>,
    /// Archived documents expire after so many days; `None`: never.
    pub expire_after_days: Option<i32>,
    /// Provider and region label.
    pub region: DataProcessRegion,
    /// When runs may start.
    pub schedule: Schedule,
    /// Where it is in its life.
    pub state: ArchiveState,
    /// URI of its table, fixed at creation and never derived again.
    pub table_uri: String,
    /// When it was created.
    pub created_at: EpochMs,
    /// When it was deleted, if it was: its files stay until the purge date counted from here.
    pub deleted_at: Option<EpochMs>,
}

/// Kind of the archived collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CollectionType {
    /// A plain collection.
    #[default]
    Standard,
    /// A time-series collection.
    TimeSeries,
}

impl CollectionType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::TimeSeries => "TIMESERIES",
        }
    }
}

/// Which documents are cold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criteria {
    /// Those whose date is older than so many days.
    Date {
        /// Dotted path of the date.
        field: String,
        /// How the date is written.
        format: DateFormat,
        /// Age in days, 0 to 2,147,483,647.
        expire_after_days: i32,
    },
    /// Those that match a find filter.
    Custom {
        /// The filter as (extended) JSON text, as given; never the empty document.
        query: String,
    },
}

impl Criteria {
    /// `DATE` or `CUSTOM`.
    #[must_use]
    pub const fn type_str(&self) -> &'static str {
        match self {
            Self::Date { .. } => "DATE",
            Self::Custom { .. } => "CUSTOM",
        }
    }
}

/// How a date field is written (Admin API, `criteria.dateFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateFormat {
    /// A BSON date.
    #[default]
    IsoDate,
    /// A BSON long of seconds since the epoch.
    EpochSeconds,
    /// A BSON long of milliseconds since the epoch.
    EpochMillis,
    /// A BSON long of nanoseconds since the epoch.
    EpochNanos,
    /// The time inside an ObjectId.
    ObjectId,
}

impl DateFormat {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::IsoDate, Self::EpochSeconds, Self::EpochMillis, Self::EpochNanos, Self::ObjectId];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IsoDate => "ISODATE",
            Self::EpochSeconds => "EPOCH_SECONDS",
            Self::EpochMillis => "EPOCH_MILLIS",
            Self::EpochNanos => "EPOCH_NANOSECONDS",
            Self::ObjectId => "OBJECT_ID",
        }
    }
}

impl FromStr for DateFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(())
    }
}

/// A field by which an archive is sorted and pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionField {
    /// Dotted path.
    pub name: String,
    /// Position, from 0.
    pub order: i32,
    /// Type found when the first run sampled the collection; `None` before.
    pub field_type: Option<PartitionFieldType>,
}

/// Type of a partition field (Admin API, `partitionFields[].fieldType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionFieldType {
    /// BSON date.
    Date,
    /// BSON 32-bit integer.
    Int,
    /// BSON 64-bit integer.
    Long,
    /// ObjectId.
    ObjectId,
    /// String; also doubles, booleans and decimals in their canonical text.
    String,
    /// UUID (binary subtype 4).
    Uuid,
}

impl PartitionFieldType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Int => "int",
            Self::Long => "long",
            Self::ObjectId => "objectId",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }
}

impl FromStr for PartitionFieldType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Date, Self::Int, Self::Long, Self::ObjectId, Self::String, Self::Uuid]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(())
    }
}

/// Where an archive is in its life. ARCHIVING and IDLE are one state, ACTIVE, to Admin API clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveState {
    /// Created; no run has ended yet.
    Pending,
    /// A run is under way.
    Archiving,
    /// Waiting for the next run.
    Idle,
    /// To be paused when the run under way ends.
    Pausing,
    /// Paused: no run starts; still readable, still expiring.
    Paused,
    /// Its collection is gone or is another one; kept until it is deleted by hand.
    Orphaned,
    /// Deleted for clients; files stay for the grace period.
    Deleted,
    /// Stopped because a system was found older than the others; waits for the operator.
    Suspended(SuspendReason),
}

/// Why an archive was suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SuspendReason {
    /// The table is older than the journal or the cluster.
    TableOlder,
    /// The cluster is older than the table, or another one.
    SourceOlder,
    /// The control database is older than the table.
    JournalOlder,
    /// Somebody else removed rows from the table, or owns it.
    ForeignWriter,
    /// The cluster can guarantee less than when the archive was made.
    LevelFell,
}

impl SuspendReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::TableOlder,
        Self::SourceOlder,
        Self::JournalOlder,
        Self::ForeignWriter,
        Self::LevelFell,
    ];

    /// Its name in the store and in Portolan's own API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TableOlder => "TABLE_OLDER",
            Self::SourceOlder => "SOURCE_OLDER",
            Self::JournalOlder => "JOURNAL_OLDER",
            Self::ForeignWriter => "FOREIGN_WRITER",
            Self::LevelFell => "LEVEL_FELL",
        }
    }
}

/// What happens to an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveEvent {
    /// A worker begins a run.
    RunStarted,
    /// A run ended, whatever it moved.
    RunEnded,
    /// A client asks for a pause.
    PauseRequested,
    /// A client asks to resume.
    Resumed,
    /// The collection is gone or has another UUID.
    CollectionLost,
    /// A client deletes the archive.
    Deleted,
    /// A system was found older than the others.
    Suspended(SuspendReason),
    /// The operator accepted the state of a suspended archive.
    Released,
    /// The operator gave an orphaned archive a collection again.
    Reattached,
}

/// An event that a state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an archive in state {state} does not allow {event:?}")]
pub struct StateRefused {
    /// The state.
    pub state: ArchiveState,
    /// The event.
    pub event: ArchiveEvent,
}

impl ArchiveState {
    /// The one transition table.
    ///
    /// # Errors
    /// [`StateRefused`] when the state does not allow the event.
    pub fn next(self, event: ArchiveEvent) -> Result<Self, StateRefused> {
        use ArchiveEvent as E;
        use ArchiveState as S;
        match (self, event) {
            (S::Deleted, _) => Err(StateRefused { state: self, event }),
            (_, E::Deleted) => Ok(S::Deleted),
            (_, E::Suspended(reason)) => Ok(S::Suspended(reason)),
            (S::Suspended(_), E::Released) | (S::Orphaned, E::Reattached) => Ok(S::Paused),
            (S::Pending | S::Idle | S::Archiving, E::RunStarted) => Ok(S::Archiving),
            (S::Archiving, E::RunEnded) => Ok(S::Idle),
            (S::Pausing | S::Paused, E::RunEnded) => Ok(S::Paused),
            (S::Archiving, E::PauseRequested) => Ok(S::Pausing),
            (S::Idle, E::PauseRequested) => Ok(S::Paused),
            (S::Pausing | S::Paused, E::PauseRequested) => Ok(self),
            (S::Pausing, E::Resumed) => Ok(S::Archiving),
            (S::Paused, E::Resumed) => Ok(S::Idle),
            (S::Pending | S::Idle | S::Archiving | S::Pausing | S::Paused, E::CollectionLost) => {
                Ok(S::Orphaned)
            }
            _ => Err(StateRefused { state: self, event }),
        }
    }

    /// The name in the store and in Portolan's own API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Archiving => "ARCHIVING",
            Self::Idle => "IDLE",
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
            Self::Orphaned => "ORPHANED",
            Self::Deleted => "DELETED",
            Self::Suspended(_) => "SUSPENDED",
        }
    }

    /// The name on the Admin API, whose enumeration knows neither ARCHIVING, IDLE nor SUSPENDED:
    /// the first two are ACTIVE, the last is shown as PAUSED.
    #[must_use]
    pub const fn wire_str(self) -> &'static str {
        match self {
            Self::Archiving | Self::Idle => "ACTIVE",
            Self::Suspended(_) => "PAUSED",
            other => other.as_str(),
        }
    }

    /// Whether it counts as active: one per namespace, twenty per cluster.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Archiving | Self::Idle | Self::Pausing)
    }

    /// Rebuilds a state from its stored name and reason.
    #[must_use]
    pub fn from_parts(name: &str, reason: Option<&str>) -> Option<Self> {
        let plain = [
            Self::Pending,
            Self::Archiving,
            Self::Idle,
            Self::Pausing,
            Self::Paused,
            Self::Orphaned,
            Self::Deleted,
        ];
        plain.into_iter().find(|state| state.as_str() == name).or_else(|| {
            let reason = SuspendReason::ALL.into_iter().find(|r| Some(r.as_str()) == reason)?;
            (name == "SUSPENDED").then_some(Self::Suspended(reason))
        })
    }

    /// The reason of a suspended archive.
    #[must_use]
    pub const fn suspend_reason(self) -> Option<SuspendReason> {
        match self {
            Self::Suspended(reason) => Some(reason),
            _ => None,
        }
    }
}

impl fmt::Display for ArchiveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
