//! Labels of projects and clusters.

use portolan_model::Tag;
use serde_json::{Value, json};

use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;

const TAG_CHARS_MAX: usize = 255;
const TAGS_MAX: usize = 50;

/// Takes `tags`; `None` when absent. Keys are unique.
///
/// # Errors
/// `VALIDATION_ERROR` with the words that clients look for: `contains invalid characters`, or
/// `exceeded the maximum allowed length`.
pub fn take(fields: &mut Fields, name: &str) -> Result<Option<Vec<Tag>>, Problem> {
    let Some(items) = fields.objects(name)? else { return Ok(None) };
    if items.len() > TAGS_MAX {
        return Err(Problem::validation(name, format!("holds at most {TAGS_MAX} tags")));
    }
    let tags = items.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for (at, tag) in tags.iter().enumerate() {
        if tags[..at].iter().any(|other| other.key == tag.key) {
            return Err(Problem::validation(name, format!("holds the key {} twice", tag.key)));
        }
    }
    Ok(Some(tags))
}

fn read(mut fields: Fields) -> Result<Tag, Problem> {
    let (key_path, value_path) = (fields.path_of("key"), fields.path_of("value"));
    let tag = Tag { key: fields.required_string("key")?, value: fields.required_string("value")? };
    check("key", &key_path, &tag.key)?;
    check("value", &value_path, &tag.value)?;
    fields.finish()?;
    Ok(tag)
}

fn check(part: &str, path: &str, text: &str) -> Result<(), Problem> {
    let refuse = |detail: String, rule: String| {
        Err(Problem::new(ErrorCode::ValidationError, detail).with(text).at(path, rule))
    };
    if text.is_empty() {
        return refuse(format!("The tag {part} must not be empty."), "must not be empty".into());
    }
    if text.chars().count() > TAG_CHARS_MAX {
        let rule = format!("exceeded the maximum allowed length of {TAG_CHARS_MAX} characters");
        return refuse(format!("The tag {part} {rule}."), rule);
    }
    let allowed = |c: char| c.is_alphanumeric() || " ;@_-.+:/=".contains(c);
    if text.chars().all(allowed) {
        return Ok(());
    }
    let rule = "contains invalid characters. Allowable characters include letters, numbers, spaces, \
                and ; @ _ - . + : / =";
    refuse(format!("The tag {part} {text} {rule}"), rule.to_owned())
}

/// Tags on the wire.
#[must_use]
pub fn json(tags: &[Tag]) -> Value {
    tags.iter().map(|tag| json!({ "key": tag.key, "value": tag.value })).collect()
}
