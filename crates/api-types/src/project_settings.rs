//! Settings of a project: twelve switches. A change names some of them, an answer shows all.

use portolan_model::ProjectSwitch;
use serde_json::{Map, Value};

use crate::error::Problem;
use crate::fields::Fields;

/// Reads a change: the switches that it names.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read(mut fields: Fields) -> Result<Vec<(ProjectSwitch, bool)>, Problem> {
    let mut named = Vec::new();
    for switch in ProjectSwitch::SETTINGS {
        if let Some(enabled) = fields.bool(switch.as_str())? {
            named.push((switch, enabled));
        }
    }
    fields.finish()?;
    Ok(named)
}

/// The settings as their answer shows them; `values` in the order of [`ProjectSwitch::SETTINGS`].
#[must_use]
pub fn json(values: &[bool]) -> Value {
    let named = ProjectSwitch::SETTINGS.iter().zip(values);
    let named = named.map(|(switch, value)| (switch.as_str().to_owned(), Value::from(*value)));
    Value::Object(named.collect::<Map<_, _>>())
}
