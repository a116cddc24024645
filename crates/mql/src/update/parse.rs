//! From an update document to changes in the order in which they are made.

use std::cmp::Ordering;

use bson::{RawBsonRef, RawDocument};

use super::operator::Operator;
use super::path::{self, Part};
use super::{Change, Kind};
use crate::operators::is_refused;
use crate::{Context, MqlError, Result, code, operators};

pub(super) fn update(update: RawBsonRef<'_>, context: &Context) -> Result<Kind> {
    match update {
        RawBsonRef::Document(doc) => document(doc, context),
        RawBsonRef::Array(_) => Err(MqlError::not_implemented("an update given as a pipeline")),
        _ => Err(MqlError::failed_to_parse("Update argument must be either an object or an array")),
    }
}

fn document(doc: &RawDocument, context: &Context) -> Result<Kind> {
    let first = doc.into_iter().next().transpose()?;
    if first.is_some_and(|(name, _)| name.as_str().starts_with('$')) {
        return operators(doc, context).map(Kind::Operators);
    }
    for field in doc {
        let (name, _) = field?;
        if name.as_str().starts_with('$') {
            let message = format!(
                "The dollar ($) prefixed field '{}' is not allowed in the context of a replacement",
                name.as_str()
            );
            return Err(MqlError::new(code::DOLLAR_PREFIXED, message));
        }
    }
    Ok(Kind::Replacement(doc.to_owned()))
}

fn operators(doc: &RawDocument, context: &Context) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for modifier in doc {
        let (name, value) = modifier?;
        let name = name.as_str();
        if is_refused(operators::Kind::Update, name) {
            return Err(MqlError::not_implemented(name));
        }
        if !Operator::NAMES.contains(&name) {
            return Err(MqlError::failed_to_parse(format!(
                "Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update \
                 specified as an array"
            )));
        }
        let Some(fields) = value.as_document() else {
            let message = format!(
                "Modifiers operate on fields but we found type {} instead. For example: \
                 {{$mod: {{<field>: ...}}}} not {{{name}: ...}}",
                crate::types::name_of(value)
            );
            return Err(MqlError::failed_to_parse(message));
        };
        for field in fields {
            let (text, operand) = field?;
            changes.push(change(name, text.as_str(), operand, context)?);
        }
    }
    changes.sort_by(|a, b| order(&a.path, &b.path));
    check_conflicts(&changes)?;
    Ok(changes)
}

fn change(name: &str, text: &str, operand: RawBsonRef<'_>, context: &Context) -> Result<Change> {
    let path = path::parse(text)?;
    let operator = Operator::parse(name, operand, context)?;
    if let Operator::Rename(_) = operator
        && path.iter().any(|part| !matches!(part, Part::Name(_)))
    {
        let message = format!("The source field for $rename may not be dynamic: {text}");
        return Err(MqlError::bad_value(message));
    }
    Ok(Change { text: text.to_owned(), path, operator })
}

/// Lexicographic by part, numbers by value.
fn order(a: &[Part], b: &[Part]) -> Ordering {
    let key = |part: &Part| match part {
        Part::Name(name) => (part.index(), name.clone()),
        Part::Matched => (None, "$".to_owned()),
        Part::All => (None, "$[]".to_owned()),
        Part::Filtered(name) => (None, format!("$[{name}]")),
    };
    for (a, b) in a.iter().zip(b) {
        let ((a_index, a_name), (b_index, b_name)) = (key(a), key(b));
        let order = match (a_index, b_index) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a_name.cmp(&b_name),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// No path may be the beginning of another: which of the two counts would depend on order.
fn check_conflicts(changes: &[Change]) -> Result<()> {
    let mut paths: Vec<(&[Part], &str)> = Vec::new();
    let mut targets = Vec::new();
    for change in changes {
        if let Operator::Rename(target) = &change.operator {
            targets.push((path::parse(target)?, target.as_str()));
        }
        paths.push((&change.path, &change.text));
    }
    paths.extend(targets.iter().map(|(path, text)| (path.as_slice(), *text)));
    for (at, (path, text)) in paths.iter().enumerate() {
        for (other, other_text) in &paths[at + 1..] {
            if path.starts_with(other) || other.starts_with(path) {
                let message =
                    format!("Updating the path '{other_text}' would create a conflict at '{text}'");
                return Err(MqlError::new(code::CONFLICTING_UPDATE, message));
            }
        }
    }
    Ok(())
}
