//! Paths of updates: field names, array indexes, `$`, `$[]` and `$[name]`.

use std::collections::BTreeMap;

use bson::{RawBson, RawBsonRef, RawDocumentBuf};

use crate::{Context, Filter, MqlError, Result, code};

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A field name, or an index where an array stands.
    Name(String),
    /// `$`: the element that the filter matched.
    Matched,
    /// `$[]`: every element.
    All,
    /// `$[name]`: the elements that the array filter of that name matches.
    Filtered(String),
}

impl Part {
    /// The array index that a name can also mean.
    pub(super) fn index(&self) -> Option<usize> {
        match self {
            Self::Name(name) => crate::path::Part::new(name).index,
            _ => None,
        }
    }
}

/// Splits a path.
pub(super) fn parse(text: &str) -> Result<Vec<Part>> {
    let parts: Vec<Part> = text.split('.').map(part).collect::<Result<_>>().map_err(|error| {
        let message = format!("The update path '{text}' {}", error.message);
        MqlError::new(error.code, message)
    })?;
    if matches!(parts.first(), Some(Part::Name(_))) {
        return Ok(parts);
    }
    let message = format!("Cannot have array filter or positional operator first in path '{text}'");
    Err(MqlError::bad_value(message))
}

fn part(text: &str) -> Result<Part> {
    match text {
        "" => Err(MqlError::new(code::EMPTY_FIELD_NAME, "contains an empty field name")),
        "$" => Ok(Part::Matched),
        "$[]" => Ok(Part::All),
        _ => match text.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => Ok(Part::Filtered(name.to_owned())),
            None if text.starts_with('$') => Err(MqlError::new(
                code::DOLLAR_PREFIXED,
                format!("contains the dollar prefixed field '{text}', which is not allowed"),
            )),
            None => Ok(Part::Name(text.to_owned())),
        },
    }
}

/// Array filters by name.
#[derive(Debug, Clone, Default)]
pub(super) struct ArrayFilters {
    by_name: BTreeMap<String, Filter>,
}

impl ArrayFilters {
    pub(super) fn parse(filters: &[RawDocumentBuf], context: &Context) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        for raw in filters {
            let name = name_of(raw)?;
            let filter = Filter::parse(raw, context)?;
            if by_name.insert(name.clone(), filter).is_some() {
                let message = format!(
                    "Found multiple array filters with the same top-level field name {name}"
                );
                return Err(MqlError::failed_to_parse(message));
            }
        }
        Ok(Self { by_name })
    }

    /// Every name in a path has its filter, and every filter is used.
    pub(super) fn check<'p>(&self, parts: impl Iterator<Item = &'p Part>) -> Result<()> {
        let mut used = std::collections::BTreeSet::new();
        for part in parts {
            if let Part::Filtered(name) = part {
                if !self.by_name.contains_key(name) {
                    let message = format!("No array filter found for identifier '{name}' in path");
                    return Err(MqlError::bad_value(message));
                }
                used.insert(name);
            }
        }
        match self.by_name.keys().find(|name| !used.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let message = format!("The array filter for identifier '{name}' was not used");
                Err(MqlError::failed_to_parse(message))
            }
        }
    }

    pub(super) fn matches(&self, name: &str, element: RawBsonRef<'_>) -> Result<bool> {
        let Some(filter) = self.by_name.get(name) else { return Ok(false) };
        let mut doc = RawDocumentBuf::new();
        crate::expr::append(&mut doc, name, &RawBson::from(element))?;
        filter.matches(&doc)
    }
}

fn name_of(filter: &RawDocumentBuf) -> Result<String> {
    let first = filter.iter().next().transpose()?;
    let name = first.map(|(name, _)| name.as_str().split('.').next().unwrap_or("").to_owned());
    match name {
        Some(name) if name.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(name),
        _ => {
            let message = "an array filter must name one field that begins with a lowercase letter";
            Err(MqlError::bad_value(message))
        }
    }
}
