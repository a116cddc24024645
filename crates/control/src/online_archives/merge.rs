//! Merging an update into an archive.
//!
//! Clients send parts: the Atlas CLI an age alone, or a state to pause and resume; the Terraform
//! provider whole objects in which little differs. What cannot change may be repeated, and is refused
//! only where the value differs.

use portolan_api_types::online_archive::{
    ArchivePatch, CriteriaPatch, FixedFields, PartitionFieldView, is_paused,
};
use portolan_api_types::{ErrorCode, Problem};
use portolan_model::{
    ArchiveEvent, ArchiveState, Criteria, DateFormat, EpochMs, OnlineArchive, PartitionField,
};
use portolan_store::archives::StoredArchive;

use crate::ControlError;

/// The outcome of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merged {
    /// The archive as it is to be.
    pub(super) stored: StoredArchive,
    /// Its events, at least one.
    pub(super) events: Vec<&'static str>,
    /// It becomes active: other archives may stand in the way.
    pub(super) resumed: bool,
    /// The archiver has to look at it again.
    pub(super) wakes: bool,
}

pub(super) fn merge(
    current: &StoredArchive,
    patch: &ArchivePatch,
    now_ms: EpochMs,
) -> Result<Merged, ControlError> {
    check_fixed(&current.archive, &patch.fixed)?;
    let mut merged =
        Merged { stored: current.clone(), events: Vec::new(), resumed: false, wakes: false };
    if let Some(change) = &patch.criteria {
        merge_criteria(&mut merged, change)?;
    }
    if let Some(days) = patch.expire_after_days {
        merge_expiry(&mut merged, days, now_ms);
    }
    if let Some(schedule) = patch.schedule {
        merged.wakes |= schedule != current.archive.schedule;
        merged.stored.archive.schedule = schedule;
    }
    let wish = wish(current.archive.state, patch)?;
    follow(&mut merged, wish)?;
    merged.events.push("ONLINE_ARCHIVE_UPDATED");
    Ok(merged)
}

fn cannot_modify(field: &str) -> ControlError {
    let detail = "The request contained modifications to immutable fields.";
    let problem = Problem::new(ErrorCode::OnlineArchiveCannotModifyField, detail);
    problem.at(field, "cannot be changed").into()
}

fn check_fixed(archive: &OnlineArchive, given: &FixedFields) -> Result<(), ControlError> {
    let differs = |given: &Option<String>, stored: &str| {
        given.as_deref().is_some_and(|given| given != stored)
    };
    let namespace = &archive.namespace;
    let fields = given.partition_fields.as_ref();
    for (name, changed) in [
        ("_id", differs(&given.id, &archive.id.to_string())),
        ("clusterName", differs(&given.cluster_name, &archive.cluster_name)),
        ("collName", differs(&given.collection, &namespace.collection)),
        ("dbName", differs(&given.database, &namespace.database)),
        ("groupId", differs(&given.project_id, &archive.project_id.to_string())),
        ("collectionType", given.collection_type.is_some_and(|k| k != archive.collection_type)),
        ("dataProcessRegion", given.region.as_ref().is_some_and(|r| *r != archive.region)),
        ("partitionFields", fields.is_some_and(|f| !same_fields(f, &archive.partition_fields))),
    ] {
        if changed {
            return Err(cannot_modify(name));
        }
    }
    Ok(())
}

/// Compares names and positions; the types are the server's.
fn same_fields(given: &[PartitionField], stored: &[PartitionField]) -> bool {
    let plain = |fields: &[PartitionField]| {
        let mut views: Vec<(i32, String)> = fields
            .iter()
            .map(PartitionFieldView::from)
            .map(|view| (view.order, view.field_name))
            .collect();
        views.sort();
        views
    };
    plain(given) == plain(stored)
}

fn merge_criteria(merged: &mut Merged, change: &CriteriaPatch) -> Result<(), ControlError> {
    let current = &merged.stored.archive.criteria;
    if change.kind.as_deref().is_some_and(|kind| kind != current.type_str()) {
        return Err(cannot_modify("criteria.type"));
    }
    let next = match current {
        Criteria::Date { field, format, expire_after_days } => {
            check_date_change(field, *format, change)?;
            Criteria::Date {
                field: field.clone(),
                format: *format,
                expire_after_days: change.expire_after_days.unwrap_or(*expire_after_days),
            }
        }
        Criteria::Custom { query } => {
            check_custom_change(change)?;
            Criteria::Custom { query: change.query.clone().unwrap_or_else(|| query.clone()) }
        }
    };
    if next != *current {
        let archive = &mut merged.stored.archive;
        archive.criteria = next;
        archive.criteria_version += 1;
        merged.wakes = true;
    }
    Ok(())
}

fn check_date_change(
    field: &str,
    format: DateFormat,
    change: &CriteriaPatch,
) -> Result<(), ControlError> {
    if change.date_field.as_deref().is_some_and(|given| given != field) {
        return Err(cannot_modify("criteria.dateField"));
    }
    if change.date_format.is_some_and(|given| given != format) {
        return Err(cannot_modify("criteria.dateFormat"));
    }
    if change.query.is_some() {
        let rule = "belongs to CUSTOM criteria";
        return Err(Problem::invalid_attribute("criteria.query", rule).into());
    }
    Ok(())
}

fn check_custom_change(change: &CriteriaPatch) -> Result<(), ControlError> {
    // The Go SDK's constructor fills in the default of the DATE rule.
    let format = change.date_format.is_some_and(|given| given != DateFormat::default());
    for (name, given) in [
        ("criteria.dateField", change.date_field.is_some()),
        ("criteria.dateFormat", format),
        ("criteria.expireAfterDays", change.expire_after_days.is_some()),
    ] {
        if given {
            return Err(Problem::invalid_attribute(name, "belongs to DATE criteria").into());
        }
    }
    Ok(())
}

fn merge_expiry(merged: &mut Merged, days: Option<i32>, now_ms: EpochMs) {
    let archive = &mut merged.stored.archive;
    let event = match (archive.expire_after_days, days) {
        (old, new) if old == new => return,
        (None, _) => "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_ENABLED",
        (_, None) => "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_DISABLED",
        _ => "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_UPDATED",
    };
    archive.expire_after_days = days;
    merged.stored.expiry_set_at = days.map(|_| now_ms);
    merged.stored.rules_version += 1;
    merged.events.push(event);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    Pause,
    Resume,
}

/// What `state` and `paused` ask for. The Atlas CLI pauses by writing PAUSING and resumes by writing
/// ACTIVE; any other state may only be repeated.
fn wish(current: ArchiveState, patch: &ArchivePatch) -> Result<Wish, ControlError> {
    let by_state = match patch.state.as_deref() {
        None => Wish::Nothing,
        Some("PAUSING") => Wish::Pause,
        Some("ACTIVE") if is_paused(current) => Wish::Resume,
        Some(same) if same == current.wire_str() || same == current.as_str() => Wish::Nothing,
        Some(_) => return Err(cannot_modify("state")),
    };
    let by_flag = match patch.paused {
        Some(wanted) if wanted != is_paused(current) => {
            if wanted {
                Wish::Pause
            } else {
                Wish::Resume
            }
        }
        _ => Wish::Nothing,
    };
    match (by_state, by_flag) {
        (Wish::Nothing, wish) | (wish, Wish::Nothing) => Ok(wish),
        (a, b) if a == b => Ok(a),
        _ => Err(Problem::validation("paused", "contradicts state").into()),
    }
}

fn follow(merged: &mut Merged, wish: Wish) -> Result<(), ControlError> {
    let current = merged.stored.archive.state;
    let (event, name) = match wish {
        Wish::Nothing => return Ok(()),
        Wish::Pause => (ArchiveEvent::PauseRequested, "ONLINE_ARCHIVE_PAUSE_REQUESTED"),
        Wish::Resume => (ArchiveEvent::Resumed, "ONLINE_ARCHIVE_ACTIVE"),
    };
    let next = current.next(event).map_err(|_| refused(current, wish))?;
    merged.stored.archive.state = next;
    if next == current {
        return Ok(());
    }
    merged.events.push(name);
    if next == ArchiveState::Paused {
        merged.events.push("ONLINE_ARCHIVE_PAUSED");
    }
    merged.resumed = wish == Wish::Resume;
    merged.wakes |= merged.resumed;
    Ok(())
}

fn refused(current: ArchiveState, wish: Wish) -> ControlError {
    if wish == Wish::Pause {
        let detail = "An archive must be in an active state in order to be paused.";
        return Problem::new(ErrorCode::OnlineArchiveMustBeActiveToPause, detail).into();
    }
    match current.suspend_reason() {
        Some(reason) => {
            let reason = reason.as_str();
            let detail = format!("The archive is suspended ({reason}): see `archive resume`.");
            Problem::new(ErrorCode::ConcurrentModification, detail).with(reason).into()
        }
        None => cannot_modify("state"),
    }
}
