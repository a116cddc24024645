//! Wire shapes of what operators do with archives, under `/api/portolan/v1`: holds, previews,
//! statistics, operations.

use portolan_model::{
    Acceptance, ArchiveStatistics, EpochMs, ExpiryPreview, GuardLevel, Hold, SuspendReason,
};
use serde_json::{Value, json};

use crate::time::iso8601;
use crate::{Fields, Problem};

/// Longest reason of a hold, in characters.
const REASON_CHARS_MAX: usize = 1_000;

/// Days that an expiration rule may name (Admin API, `dataExpirationRule.expireAfterDays`).
const EXPIRE_DAYS: std::ops::RangeInclusive<i32> = 7..=9215;

/// Reads the body of `:hold`: the reason.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_hold(mut fields: Fields) -> Result<String, Problem> {
    let reason = fields.required_string("reason")?;
    fields.finish()?;
    let length = reason.trim().chars().count();
    if !(1..=REASON_CHARS_MAX).contains(&length) {
        let rule = format!("must hold 1 to {REASON_CHARS_MAX} characters");
        return Err(Problem::validation("reason", rule));
    }
    Ok(reason.trim().to_owned())
}

/// Reads the body of `:verify`: whether the cluster is looked at, too.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_verify(mut fields: Fields) -> Result<bool, Problem> {
    let against_cluster = fields.bool("againstCluster")?.unwrap_or_default();
    fields.finish()?;
    Ok(against_cluster)
}

/// A checked body of `:restore`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreDraft {
    /// Which documents, as a find filter (extended JSON text); all of them when left out.
    pub filter: Option<String>,
    /// Database to return to; the archive's own when left out.
    pub database: Option<String>,
    /// Collection to return to; the archive's own when left out.
    pub collection: Option<String>,
    /// Whether to stop at the first document that cannot return, instead of listing it.
    pub stop_at_conflict: bool,
    /// Whether only to count.
    pub preview: bool,
}

impl RestoreDraft {
    /// As it is queued.
    #[must_use]
    pub fn request(&self) -> String {
        json!({
            "collName": self.collection,
            "dbName": self.database,
            "filter": self.filter,
            "onConflict": if self.stop_at_conflict { "STOP" } else { "SKIP" },
            "preview": self.preview,
        })
        .to_string()
    }
}

/// Reads the body of `:restore`.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_restore(mut fields: Fields) -> Result<RestoreDraft, Problem> {
    let policy = fields.string("onConflict")?;
    let stop_at_conflict = match policy.as_deref() {
        None | Some("SKIP") => false,
        Some("STOP") => true,
        Some(_) => return Err(Problem::validation("onConflict", "must be SKIP or STOP")),
    };
    let draft = RestoreDraft {
        filter: fields.string("filter")?,
        database: fields.string("dbName")?,
        collection: fields.string("collName")?,
        stop_at_conflict,
        preview: fields.bool("preview")?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(draft)
}

/// A checked body of `:redact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactDraft {
    /// The document's `_id`, as extended JSON text.
    pub id: String,
    /// The values of its shard key, as extended JSON text.
    pub shard_key: Option<String>,
    /// Why; it stays in the record.
    pub reason: String,
    /// Whether the cluster may hold a document with this `_id`.
    pub even_if_live: bool,
}

impl RedactDraft {
    /// As it is queued.
    #[must_use]
    pub fn request(&self) -> String {
        let Self { id, shard_key, reason, even_if_live } = self;
        let mut request = json!({ "evenIfLive": even_if_live, "id": id, "reason": reason });
        if let Some(values) = shard_key {
            request["shardKey"] = json!(values);
        }
        request.to_string()
    }
}

/// Reads the body of `:redact`.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_redact(mut fields: Fields) -> Result<RedactDraft, Problem> {
    let id = fields.take("_id").ok_or_else(|| fields.missing("_id"))?;
    let reason = fields.required_string("reason")?;
    let even_if_live = fields.bool("evenIfLive")?.unwrap_or_default();
    let shard_key = fields.take("shardKey");
    if shard_key.as_ref().is_some_and(|values| !values.is_object()) {
        return Err(Problem::validation("shardKey", "must be an object of field values"));
    }
    let shard_key = shard_key.map(|values| values.to_string());
    fields.finish()?;
    let length = reason.trim().chars().count();
    if !(1..=REASON_CHARS_MAX).contains(&length) {
        let rule = format!("must hold 1 to {REASON_CHARS_MAX} characters");
        return Err(Problem::validation("reason", rule));
    }
    let (id, reason) = (id.to_string(), reason.trim().to_owned());
    Ok(RedactDraft { id, shard_key, reason, even_if_live })
}

/// A checked body of `onlineArchives:attach`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachArchiveDraft {
    /// URI of the table.
    pub storage: String,
    /// Whether a table of another installation is taken from it.
    pub take_over: bool,
    /// The days of a DATE rule, for tables that do not tell.
    pub expire_after_days: Option<i32>,
    /// The filter of a CUSTOM rule, for tables that do not tell.
    pub query: Option<String>,
}

/// Reads the body of `onlineArchives:attach`.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_attach_archive(mut fields: Fields) -> Result<AttachArchiveDraft, Problem> {
    let draft = AttachArchiveDraft {
        storage: fields.required_string("storage")?.trim_end_matches('/').to_owned(),
        take_over: fields.bool("takeOver")?.unwrap_or_default(),
        expire_after_days: fields
            .int("expireAfterDays", 0, i64::from(i32::MAX))?
            .and_then(|days| i32::try_from(days).ok()),
        query: fields.string("query")?,
    };
    fields.finish()?;
    Ok(draft)
}

/// Reads the body of `:resume`: the reasons that are accepted, and the lowest level that will do.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_resume(mut fields: Fields) -> Result<Acceptance, Problem> {
    let names = fields.strings("accept")?.unwrap_or_default();
    let reasons = names.iter().map(|name| {
        let known = SuspendReason::ALL.into_iter().find(|reason| reason.as_str() == name);
        known.ok_or_else(|| Problem::validation("accept", format!("{name:?} is no reason")))
    });
    let reasons = reasons.collect::<Result<_, _>>()?;
    let level = fields.string("level")?;
    let level = level.map(|text| text.parse::<GuardLevel>()).transpose();
    let level = level.map_err(|_| Problem::validation("level", "must be L0, L1, L2 or L3"))?;
    fields.finish()?;
    Ok(Acceptance { reasons, level })
}

/// A checked body of `:reattach`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReattachDraft {
    /// Database of the collection; the archive's own when left out.
    pub database: Option<String>,
    /// The collection; the archive's own name when left out.
    pub collection: Option<String>,
    /// Whether another collection than the one that was archived is meant.
    pub other_collection: bool,
}

/// Reads the body of `:reattach`.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_reattach(mut fields: Fields) -> Result<ReattachDraft, Problem> {
    let draft = ReattachDraft {
        database: fields.string("dbName")?,
        collection: fields.string("collName")?,
        other_collection: fields.bool("otherCollection")?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(draft)
}

/// Reads the query parameter `expireAfterDays` of `:expiryPreview`.
///
/// # Errors
/// A [`Problem`] that names it.
pub fn parse_preview_days(text: Option<&str>) -> Result<Option<i32>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let days = text.parse().ok().filter(|days| EXPIRE_DAYS.contains(days));
    let (first, last) = (EXPIRE_DAYS.start(), EXPIRE_DAYS.end());
    let rule = || format!("must be a whole number from {first} to {last}");
    days.map(Some).ok_or_else(|| Problem::validation("expireAfterDays", rule()))
}

/// A hold on the wire.
#[must_use]
pub fn hold_json(hold: &Hold) -> Value {
    json!({
        "placedAt": iso8601(hold.placed_at),
        "placedBy": hold.placed_by,
        "reason": hold.reason,
    })
}

/// What would expire, on the wire.
#[must_use]
pub fn expiry_preview_json(preview: &ExpiryPreview) -> Value {
    json!({
        "bytesRemoved": preview.bytes_removed,
        "documents": preview.documents,
        "expireAfterDays": preview.rule.map(|rule| rule.expire_after_days),
        "expiredUntil": preview.expired_until.map(iso8601),
        "filesRemoved": preview.files_removed,
        "filesRewritten": preview.files_rewritten,
        "hold": preview.hold.as_ref().map(hold_json),
        "takesEffectAt": preview.takes_effect_at.map(iso8601),
    })
}

/// What an archive holds, on the wire.
#[must_use]
pub fn statistics_json(statistics: &ArchiveStatistics) -> Value {
    json!({
        "bytesRaw": statistics.bytes_raw,
        "bytesStored": statistics.bytes_stored,
        "confirmedMove": statistics.confirmed,
        "documents": statistics.documents,
        "documentsWithoutDate": statistics.documents_without_date,
        "files": statistics.files,
        "maxDate": statistics.max_date.map(iso8601),
        "minDate": statistics.min_date.map(iso8601),
        "openMove": statistics.open_move,
        "partitions": statistics.partitions,
        "quarantinedFiles": statistics.quarantined_files,
        "tableVersion": statistics.version,
    })
}

/// A piece of work on an archive beside its runs.
#[derive(Debug, Clone)]
pub struct OperationView {
    /// Its id.
    pub id: String,
    /// What kind.
    pub kind: &'static str,
    /// How far it is.
    pub state: &'static str,
    /// What was asked for, as JSON text.
    pub request: String,
    /// How far it is and what it found, as JSON text.
    pub progress: String,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: EpochMs,
    /// When it was written last.
    pub updated_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
}

impl OperationView {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let object = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        json!({
            "_id": self.id,
            "createDate": iso8601(self.created_at),
            "endedAt": self.ended_at.map(iso8601),
            "error": self.error,
            "kind": self.kind,
            "progress": object(&self.progress),
            "request": object(&self.request),
            "state": self.state,
            "updatedAt": iso8601(self.updated_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: Value) -> Fields {
        Fields::parse(body.to_string().as_bytes()).expect("an object")
    }

    #[test]
    fn a_hold_needs_a_reason() {
        assert_eq!(parse_hold(fields(json!({ "reason": " case 7 " }))).unwrap(), "case 7");
        for bad in [json!({}), json!({ "reason": "  " }), json!({ "reason": "x".repeat(1001) })] {
            assert!(parse_hold(fields(bad)).is_err());
        }
        assert!(parse_hold(fields(json!({ "reason": "x", "until": 3 }))).is_err());
    }

    #[test]
    fn a_restore_knows_two_policies() {
        let draft = parse_restore(fields(json!({ "filter": "{}", "onConflict": "STOP" }))).unwrap();
        assert!(draft.stop_at_conflict && !draft.preview);
        assert!(draft.request().contains("STOP"));
        assert_eq!(parse_restore(fields(json!({}))).unwrap(), RestoreDraft::default());
        for bad in [json!({ "onConflict": "REPLACE" }), json!({ "filter": {} }), json!({ "x": 1 })]
        {
            assert!(parse_restore(fields(bad)).is_err());
        }
    }

    #[test]
    fn preview_days_are_those_that_a_rule_may_have() {
        assert_eq!(parse_preview_days(None), Ok(None));
        assert_eq!(parse_preview_days(Some("7")), Ok(Some(7)));
        for bad in ["6", "9216", "x", "", "-7", "7.0"] {
            assert!(parse_preview_days(Some(bad)).is_err(), "{bad}");
        }
    }
}
