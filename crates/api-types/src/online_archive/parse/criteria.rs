//! `CriteriaView`, tagged by `type`. The Atlas CLI leaves the tag out and means DATE.

use portolan_model::{Criteria, DateFormat};
use serde_json::Value;

use super::super::CriteriaPatch;
use super::partitions::check_path;
use crate::{Fields, Problem};

pub(super) fn create(fields: &mut Fields) -> Result<Criteria, Problem> {
    let mut object = fields.object("criteria")?.ok_or_else(|| fields.missing("criteria"))?;
    let is_custom = kind(&mut object)?.is_some_and(|kind| kind == "CUSTOM");
    let criteria = if is_custom { custom(&mut object)? } else { date(&mut object)? };
    object.finish()?;
    Ok(criteria)
}

pub(super) fn update(fields: &mut Fields) -> Result<Option<CriteriaPatch>, Problem> {
    let Some(mut object) = fields.object("criteria")? else { return Ok(None) };
    let patch = CriteriaPatch {
        kind: kind(&mut object)?,
        date_field: object.string("dateField")?,
        date_format: date_format(&mut object)?,
        expire_after_days: object.int32("expireAfterDays", 0, i32::MAX)?,
        query: query(&mut object)?,
    };
    object.finish()?;
    Ok(Some(patch))
}

fn kind(object: &mut Fields) -> Result<Option<String>, Problem> {
    object.one_of("type", |text| ["DATE", "CUSTOM"].contains(&text).then(|| text.to_owned()))
}

fn date(object: &mut Fields) -> Result<Criteria, Problem> {
    let field = object.required_string("dateField")?;
    check_path(&object.path_of("dateField"), &field)?;
    let format = date_format(object)?.unwrap_or_default();
    // No default: an age left out by mistake must not archive the whole collection.
    let expire_after_days = object
        .int32("expireAfterDays", 0, i32::MAX)?
        .ok_or_else(|| object.missing("expireAfterDays"))?;
    Ok(Criteria::Date { field, format, expire_after_days })
}

fn custom(object: &mut Fields) -> Result<Criteria, Problem> {
    let query = query(object)?.ok_or_else(|| object.missing("query"))?;
    // The Go SDK's constructor fills in this default of the DATE rule.
    if date_format(object)?.is_some_and(|format| format != DateFormat::default()) {
        let path = object.path_of("dateFormat");
        return Err(Problem::invalid_attribute(&path, "belongs to DATE criteria"));
    }
    Ok(Criteria::Custom { query })
}

fn date_format(object: &mut Fields) -> Result<Option<DateFormat>, Problem> {
    object.one_of("dateFormat", |text| text.parse().ok())
}

/// A JSON object that restricts something. Whether it is a filter that can be evaluated is checked
/// where the query language is known.
fn query(object: &mut Fields) -> Result<Option<String>, Problem> {
    let Some(text) = object.string("query")? else { return Ok(None) };
    let path = object.path_of("query");
    let refuse = |rule: String| Err(Problem::validation(&path, rule));
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(filter)) if filter.is_empty() => {
            refuse("the filter must not be the empty document".to_owned())
        }
        Ok(Value::Object(_)) => Ok(Some(text)),
        Ok(_) => refuse("must be a JSON object".to_owned()),
        Err(error) => refuse(format!("must be a JSON object, but is no JSON: {error}")),
    }
}
