//! Archives as rows: the columns that hold more than one value.

use portolan_model::{
    ArchiveState, CollectionType, Criteria, DataProcessRegion, DateFormat, Hold, Namespace,
    OnlineArchive, PartitionField, Schedule, TimeOfDay, Window,
};

use super::StoredArchive;
use crate::clusters::json_text;
use crate::{FromRow, Row, StoreError};

impl FromRow for StoredArchive {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            archive: archive(row)?,
            level: row.parse("level")?,
            expiry_set_at: row.opt_int("expiry_set_at")?,
            rules_version: row.int("rules_version")?,
            hold: hold(row)?,
            purging_at: row.opt_int("purging_at")?,
        })
    }
}

fn hold(row: &Row) -> Result<Option<Hold>, StoreError> {
    let Some(placed_at) = row.opt_int("hold_at")? else { return Ok(None) };
    let text = |column: &str| Ok::<_, StoreError>(row.opt_text(column)?.unwrap_or_default());
    Ok(Some(Hold { reason: text("hold_reason")?, placed_by: text("hold_by")?, placed_at }))
}

fn archive(row: &Row) -> Result<OnlineArchive, StoreError> {
    Ok(OnlineArchive {
        id: row.parse("id")?,
        project_id: row.parse("project_id")?,
        cluster_id: row.parse("cluster_id")?,
        cluster_name: row.text("cluster_name")?,
        namespace: Namespace {
            database: row.text("database_name")?,
            collection: row.text("collection_name")?,
        },
        collection_type: collection_type(&row.text("collection_type")?)?,
        criteria: criteria(row)?,
        criteria_version: row.int("criteria_version")?,
        partition_fields: partition_fields(row)?,
        expire_after_days: days(row, "expire_after_days")?,
        region: region(row)?,
        schedule: schedule(row)?,
        state: state(row)?,
        table_uri: row.text("table_uri")?,
        created_at: row.int("created_at")?,
        deleted_at: row.opt_int("deleted_at")?,
    })
}

fn unknown(column: &str) -> StoreError {
    StoreError::corrupt(&format!("online_archives.{column}"), "unknown value")
}

fn collection_type(text: &str) -> Result<CollectionType, StoreError> {
    [CollectionType::Standard, CollectionType::TimeSeries]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| unknown("collection_type"))
}

fn days(row: &Row, column: &str) -> Result<Option<i32>, StoreError> {
    let days = row.opt_int(column)?.map(i32::try_from).transpose();
    days.map_err(|error| StoreError::corrupt(column, error))
}

fn criteria(row: &Row) -> Result<Criteria, StoreError> {
    if row.text("criteria_type")? == "CUSTOM" {
        let query = row.text("criteria_query")?;
        return Ok(Criteria::Custom { query });
    }
    let format: DateFormat =
        row.text("date_format")?.parse().map_err(|()| unknown("date_format"))?;
    Ok(Criteria::Date {
        field: row.text("date_field")?,
        format,
        expire_after_days: days(row, "criteria_days")?.ok_or_else(|| unknown("criteria_days"))?,
    })
}

fn region(row: &Row) -> Result<DataProcessRegion, StoreError> {
    let provider = row.text("provider")?.parse().map_err(|()| unknown("provider"))?;
    Ok(DataProcessRegion { provider, region: row.text("region")? })
}

pub(crate) fn state(row: &Row) -> Result<ArchiveState, StoreError> {
    let reason = row.opt_text("suspend_reason")?;
    ArchiveState::from_parts(&row.text("state")?, reason.as_deref()).ok_or_else(|| unknown("state"))
}

/// Each field as `[name, order, type or null]`.
type StoredField = (String, i32, Option<String>);

pub(super) fn partition_fields(row: &Row) -> Result<Vec<PartitionField>, StoreError> {
    let stored: Vec<StoredField> = row.json("partition_fields")?;
    let field = |(name, order, kind): StoredField| {
        let field_type =
            kind.map(|kind| kind.parse().map_err(|()| unknown("partition_fields"))).transpose()?;
        Ok(PartitionField { name, order, field_type })
    };
    stored.into_iter().map(field).collect()
}

pub(super) fn partition_fields_json(fields: &[PartitionField]) -> String {
    let plain: Vec<_> = fields
        .iter()
        .map(|field| (&field.name, field.order, field.field_type.map(|kind| kind.as_str())))
        .collect();
    json_text(&plain)
}

/// `[type, [start hour, start minute, end hour, end minute] or null, day or null]`.
type StoredSchedule = (String, Option<[u8; 4]>, Option<u8>);

pub(super) fn schedule_json(schedule: Schedule) -> String {
    let plain = |window: Window| {
        [window.start.hour, window.start.minute, window.end.hour, window.end.minute]
    };
    let stored = match schedule {
        Schedule::Default => ("DEFAULT", None, None),
        Schedule::Daily(window) => ("DAILY", Some(plain(window)), None),
        Schedule::Weekly(window, day) => ("WEEKLY", Some(plain(window)), Some(day)),
        Schedule::Monthly(window, day) => ("MONTHLY", Some(plain(window)), Some(day)),
    };
    json_text(&stored)
}

fn schedule(row: &Row) -> Result<Schedule, StoreError> {
    let (kind, window, day): StoredSchedule = row.json("schedule")?;
    let window = window.map(|[start_hour, start_minute, end_hour, end_minute]| {
        let start = TimeOfDay { hour: start_hour, minute: start_minute };
        let end = TimeOfDay { hour: end_hour, minute: end_minute };
        Window { start, end }
    });
    match (kind.as_str(), window, day) {
        ("DEFAULT", None, None) => Ok(Schedule::Default),
        ("DAILY", Some(window), None) => Ok(Schedule::Daily(window)),
        ("WEEKLY", Some(window), Some(day)) => Ok(Schedule::Weekly(window, day)),
        ("MONTHLY", Some(window), Some(day)) => Ok(Schedule::Monthly(window, day)),
        _ => Err(unknown("schedule")),
    }
}
