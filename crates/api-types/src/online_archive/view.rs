//! The archive as clients read it. Keys are alphabetical, as recorded from Atlas.

use portolan_model::{
    ArchiveState, Criteria, DataProcessRegion, OnlineArchive, PartitionField, Schedule, Window,
};
use serde::Serialize;

/// `BackupOnlineArchive`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnlineArchiveView {
    /// Id; `_id` on the wire, not `id`.
    #[serde(rename = "_id")]
    pub id: String,
    /// Name of its cluster.
    pub cluster_name: String,
    /// Collection.
    pub coll_name: String,
    /// `STANDARD` or `TIMESERIES`.
    pub collection_type: &'static str,
    /// The rule.
    pub criteria: CriteriaView,
    /// Left out when there is no rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_expiration_rule: Option<ExpirationView>,
    /// Where it is stored.
    pub data_process_region: RegionView,
    /// Database.
    pub db_name: String,
    /// Project.
    pub group_id: String,
    /// Partition fields in order.
    pub partition_fields: Vec<PartitionFieldView>,
    /// Whether it is paused or about to be.
    pub paused: bool,
    /// When it runs.
    pub schedule: ScheduleView,
    /// `PENDING`, `ACTIVE`, `PAUSING`, `PAUSED`, `ORPHANED` or `DELETED`.
    pub state: &'static str,
}

impl From<&OnlineArchive> for OnlineArchiveView {
    fn from(archive: &OnlineArchive) -> Self {
        Self {
            id: archive.id.to_string(),
            cluster_name: archive.cluster_name.clone(),
            coll_name: archive.namespace.collection.clone(),
            collection_type: archive.collection_type.as_str(),
            criteria: CriteriaView::from(&archive.criteria),
            data_expiration_rule: archive
                .expire_after_days
                .map(|expire_after_days| ExpirationView { expire_after_days }),
            data_process_region: RegionView::from(&archive.region),
            db_name: archive.namespace.database.clone(),
            group_id: archive.project_id.to_string(),
            partition_fields: archive.partition_fields.iter().map(Into::into).collect(),
            paused: is_paused(archive.state),
            schedule: ScheduleView::from(&archive.schedule),
            state: archive.state.wire_str(),
        }
    }
}

/// What `paused` says in a state.
#[must_use]
pub const fn is_paused(state: ArchiveState) -> bool {
    matches!(state, ArchiveState::Pausing | ArchiveState::Paused | ArchiveState::Suspended(_))
}

/// `CriteriaView`, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CriteriaView {
    /// By age.
    #[serde(rename_all = "camelCase")]
    Date {
        /// Dotted path.
        date_field: String,
        /// How it is written.
        date_format: &'static str,
        /// Age in days.
        expire_after_days: i32,
        /// `DATE`.
        r#type: &'static str,
    },
    /// By filter.
    Custom {
        /// JSON text.
        query: String,
        /// `CUSTOM`.
        r#type: &'static str,
    },
}

impl From<&Criteria> for CriteriaView {
    fn from(criteria: &Criteria) -> Self {
        let kind = criteria.type_str();
        match criteria {
            Criteria::Date { field, format, expire_after_days } => Self::Date {
                date_field: field.clone(),
                date_format: format.as_str(),
                expire_after_days: *expire_after_days,
                r#type: kind,
            },
            Criteria::Custom { query } => Self::Custom { query: query.clone(), r#type: kind },
        }
    }
}

/// `DataExpirationRuleView`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpirationView {
    /// Days.
    pub expire_after_days: i32,
}

/// `DataProcessRegionView`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionView {
    /// `AWS`, `AZURE` or `GCP`.
    pub cloud_provider: &'static str,
    /// Region name.
    pub region: String,
}

impl From<&DataProcessRegion> for RegionView {
    fn from(region: &DataProcessRegion) -> Self {
        Self { cloud_provider: region.provider.as_str(), region: region.region.clone() }
    }
}

/// `PartitionFieldView`; the type is null until the first run has sampled the collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionFieldView {
    /// Dotted path.
    pub field_name: String,
    /// Type, as found.
    pub field_type: Option<&'static str>,
    /// Position from 0.
    pub order: i32,
}

impl From<&PartitionField> for PartitionFieldView {
    fn from(field: &PartitionField) -> Self {
        Self {
            field_name: field.name.clone(),
            field_type: field.field_type.map(|kind| kind.as_str()),
            order: field.order,
        }
    }
}

/// `OnlineArchiveSchedule`, tagged by `type`; times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// Of a MONTHLY schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_of_month: Option<u8>,
    /// Of a WEEKLY schedule, 1 is Monday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_of_week: Option<u8>,
    /// The window; nothing for DEFAULT.
    #[serde(flatten)]
    pub window: Option<WindowView>,
    /// `DEFAULT`, `DAILY`, `WEEKLY` or `MONTHLY`.
    pub r#type: &'static str,
}

/// Start and end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowView {
    /// 0 to 23.
    pub end_hour: u8,
    /// 0 to 59.
    pub end_minute: u8,
    /// 0 to 23.
    pub start_hour: u8,
    /// 0 to 59.
    pub start_minute: u8,
}

impl From<Window> for WindowView {
    fn from(window: Window) -> Self {
        Self {
            end_hour: window.end.hour,
            end_minute: window.end.minute,
            start_hour: window.start.hour,
            start_minute: window.start.minute,
        }
    }
}

impl From<&Schedule> for ScheduleView {
    fn from(schedule: &Schedule) -> Self {
        let plain = |r#type, window: Option<Window>| Self {
            day_of_month: None,
            day_of_week: None,
            window: window.map(Into::into),
            r#type,
        };
        match *schedule {
            Schedule::Default => plain("DEFAULT", None),
            Schedule::Daily(window) => plain("DAILY", Some(window)),
            Schedule::Weekly(window, day) => {
                Self { day_of_week: Some(day), ..plain("WEEKLY", Some(window)) }
            }
            Schedule::Monthly(window, day) => {
                Self { day_of_month: Some(day), ..plain("MONTHLY", Some(window)) }
            }
        }
    }
}
