//! The archive that a table belongs to, as one table property: what the control database would need to
//! know of it again if it were lost. It steers nothing here.

use portolan_model::{
    ArchiveDefinition, CollectionType, Criteria, DataProcessRegion, Schedule, TimeOfDay, Window,
};
use serde::{Deserialize, Serialize};

use crate::LakeError;

/// The property's name.
pub(crate) const PROPERTY: &str = "portolan.definition";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    collection_type: String,
    criteria: StoredCriteria,
    provider: String,
    region: String,
    schedule: StoredSchedule,
    created_at_ms: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "type", rename_all_fields = "camelCase")]
enum StoredCriteria {
    Date { field: String, format: String, expire_after_days: i32 },
    Custom { query: String },
}

/// Hours and minutes of start and end.
type StoredWindow = [u8; 4];

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "type", rename_all_fields = "camelCase")]
enum StoredSchedule {
    Default,
    Daily { window: StoredWindow },
    Weekly { window: StoredWindow, day: u8 },
    Monthly { window: StoredWindow, day: u8 },
}

/// The property's value.
pub(crate) fn to_property(definition: &ArchiveDefinition) -> String {
    let stored = Stored {
        collection_type: definition.collection_type.as_str().to_owned(),
        criteria: match &definition.criteria {
            Criteria::Date { field, format, expire_after_days } => StoredCriteria::Date {
                field: field.clone(),
                format: format.as_str().to_owned(),
                expire_after_days: *expire_after_days,
            },
            Criteria::Custom { query } => StoredCriteria::Custom { query: query.clone() },
        },
        provider: definition.region.provider.as_str().to_owned(),
        region: definition.region.region.clone(),
        schedule: schedule_to(definition.schedule),
        created_at_ms: definition.created_at,
    };
    serde_json::to_string(&stored).expect("numbers and texts always serialize")
}

fn schedule_to(schedule: Schedule) -> StoredSchedule {
    let plain = |window: Window| {
        [window.start.hour, window.start.minute, window.end.hour, window.end.minute]
    };
    match schedule {
        Schedule::Default => StoredSchedule::Default,
        Schedule::Daily(window) => StoredSchedule::Daily { window: plain(window) },
        Schedule::Weekly(window, day) => StoredSchedule::Weekly { window: plain(window), day },
        Schedule::Monthly(window, day) => StoredSchedule::Monthly { window: plain(window), day },
    }
}

/// Reads the property; a table from before it was written has none.
pub(crate) fn of_property(text: Option<&str>) -> Result<Option<ArchiveDefinition>, LakeError> {
    let Some(text) = text else { return Ok(None) };
    let refused = |why: String| LakeError::Unsupported(format!("property {PROPERTY}: {why}"));
    let stored: Stored = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
    let unknown = |what: &str| refused(format!("an unknown {what}"));
    let criteria = match stored.criteria {
        StoredCriteria::Date { field, format, expire_after_days } => {
            let format = format.parse().map_err(|()| unknown("date format"))?;
            Criteria::Date { field, format, expire_after_days }
        }
        StoredCriteria::Custom { query } => Criteria::Custom { query },
    };
    let kinds = [CollectionType::Standard, CollectionType::TimeSeries];
    let collection_type = kinds
        .into_iter()
        .find(|kind| kind.as_str() == stored.collection_type)
        .ok_or_else(|| unknown("type of collection"))?;
    let provider = stored.provider.parse().map_err(|()| unknown("provider"))?;
    Ok(Some(ArchiveDefinition {
        collection_type,
        criteria,
        region: DataProcessRegion { provider, region: stored.region },
        schedule: schedule_of(stored.schedule).ok_or_else(|| unknown("schedule"))?,
        created_at: stored.created_at_ms,
    }))
}

fn schedule_of(stored: StoredSchedule) -> Option<Schedule> {
    let window = |[start_hour, start_minute, end_hour, end_minute]: StoredWindow| {
        let start = TimeOfDay { hour: start_hour, minute: start_minute };
        let end = TimeOfDay { hour: end_hour, minute: end_minute };
        Window::new(start, end).ok()
    };
    match stored {
        StoredSchedule::Default => Some(Schedule::Default),
        StoredSchedule::Daily { window: of } => window(of).map(Schedule::Daily),
        StoredSchedule::Weekly { window: of, day } => Schedule::weekly(window(of)?, day).ok(),
        StoredSchedule::Monthly { window: of, day } => Schedule::monthly(window(of)?, day).ok(),
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::DateFormat;

    use super::*;

    #[test]
    fn definitions_come_back_and_broken_ones_are_refused() {
        let time = |hour| TimeOfDay { hour, minute: 30 };
        let window = Window::new(time(22), time(4)).unwrap();
        let date = Criteria::Date {
            field: "a.at".into(),
            format: DateFormat::EpochNanos,
            expire_after_days: 90,
        };
        let custom = Criteria::Custom { query: r#"{"a": "\""}"#.into() };
        for (criteria, schedule) in [
            (date.clone(), Schedule::Default),
            (custom.clone(), Schedule::Daily(window)),
            (date, Schedule::weekly(window, 7).unwrap()),
            (custom, Schedule::monthly(window, 31).unwrap()),
        ] {
            let definition = ArchiveDefinition {
                collection_type: CollectionType::Standard,
                criteria,
                region: DataProcessRegion::default(),
                schedule,
                created_at: 1_700_000_000_000,
            };
            let text = to_property(&definition);
            assert_eq!(of_property(Some(&text)).unwrap(), Some(definition), "{text}");
            for broken in ["{}", &text.replace("STANDARD", "X"), &text.replace(":30", ":61")] {
                let refused = of_property(Some(broken));
                let same = *broken == text;
                assert!(same || matches!(refused, Err(LakeError::Unsupported(_))), "{broken}");
            }
        }
        assert_eq!(of_property(None).unwrap(), None);
    }
}
