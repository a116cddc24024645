//! Limits of a project.

use portolan_model::{LimitBounds, ProjectLimit};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;

/// Reads the body of a change: `value`, which is required. What only the server writes may come back.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read(mut fields: Fields) -> Result<i64, Problem> {
    fields.ignore(&["name", "currentUsage", "defaultLimit", "maximumLimit"]);
    let value = fields.int("value", i64::MIN, i64::MAX)?;
    let value = value.ok_or_else(|| fields.missing("value"))?;
    fields.finish()?;
    Ok(value)
}

/// A limit as its answer shows it.
#[must_use]
pub fn json(limit: ProjectLimit, value: i64, bounds: LimitBounds, usage: i64) -> Value {
    json!({
        "currentUsage": usage,
        "defaultLimit": bounds.default,
        "maximumLimit": bounds.max,
        "name": limit.as_str(),
        "value": value,
    })
}
