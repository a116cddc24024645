//! From update documents to steps, replacements and pipelines.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bson::{
    DateTime, RawArray, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, Timestamp, rawdoc,
};

use super::arrays::{AddToSet, Order, Pop, Pull, Push};
use super::fields::{BitOperation, Bits, Bound, Calculate, Set, Unset};
use super::filters::ArrayFilters;
use super::paths::{Leaf, UpdatePath};
use super::steps::{Action, Step};
use crate::expr::Operation;
use crate::number::Number;
use crate::operators::{self, Kind};
use crate::{Context, Filter, MqlError, Pipeline, Result, Sort, code, types};

/// Whether an update document holds operators: its first name starts with a dollar sign.
pub(super) fn is_operators(doc: &RawDocument) -> Result<bool> {
    let first = doc.into_iter().next().transpose()?;
    Ok(first.is_some_and(|(name, _)| name.as_str().starts_with('$')))
}

/// A replacement: no top-level name may look like an operator.
pub(super) fn replacement(doc: &RawDocument) -> Result<RawDocumentBuf> {
    for element in doc {
        let name = element?.0.as_str();
        if name.starts_with('$') {
            let message = format!(
                "The dollar ($) prefixed field '{name}' in '{name}' is not allowed in the context \
                 of an update's replacement document. Consider using an aggregation pipeline with \
                 $replaceWith."
            );
            return Err(MqlError::new(code::DOLLAR_PREFIXED, message));
        }
    }
    Ok(doc.to_owned())
}

/// The stages that an update may hold.
pub(super) fn pipeline(stages: &RawArray, context: &Context) -> Result<Pipeline> {
    const ALLOWED: [&str; 6] =
        ["$set", "$addFields", "$unset", "$project", "$replaceRoot", "$replaceWith"];
    let mut out = Vec::new();
    for stage in stages {
        let RawBsonRef::Document(stage) = stage? else {
            let message = "Each element of the 'pipeline' array must be an object";
            return Err(MqlError::type_mismatch(message));
        };
        for element in stage {
            let name = element?.0.as_str();
            if !ALLOWED.contains(&name) {
                let message = format!("{name} is not allowed to be used within an update");
                return Err(MqlError::new(code::INVALID_OPTIONS, message));
            }
        }
        out.push(stage.to_owned());
    }
    Pipeline::parse(&out, context)
}

/// The steps in the order in which they are applied.
pub(super) fn steps(
    doc: &RawDocument,
    filters: &ArrayFilters,
    context: &Context,
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for element in doc {
        let (operator, value) = element?;
        let operator = operator.as_str();
        let RawBsonRef::Document(fields) = value else {
            let message = format!(
                "Modifiers operate on fields but we found type {} instead. For example: {{$mod: \
                 {{<field>: ...}}}} not {{{operator}: ...}}",
                types::name_of(value)
            );
            return Err(MqlError::failed_to_parse(message));
        };
        if fields.is_empty() {
            known(operator)?;
        }
        for field in fields {
            let (path, operand) = field?;
            steps.push(step(operator, path.as_str(), operand, filters, context)?);
        }
    }
    check_conflicts(&steps)?;
    check_filters_used(&steps, filters)?;
    steps.sort_by(|a, b| a.path.compare(&b.path));
    Ok(steps)
}

pub(crate) const OPERATORS: [&str; 15] = [
    "$set",
    "$unset",
    "$inc",
    "$mul",
    "$min",
    "$max",
    "$rename",
    "$setOnInsert",
    "$currentDate",
    "$push",
    "$addToSet",
    "$pull",
    "$pullAll",
    "$pop",
    "$bit",
];

fn known(operator: &str) -> Result<()> {
    if OPERATORS.contains(&operator) {
        return Ok(());
    }
    Err(operators::refuse(Kind::Update, operator, || {
        MqlError::failed_to_parse(format!(
            "Unknown modifier: {operator}. Expected a valid update modifier or pipeline-style \
             update specified as an array"
        ))
    }))
}

fn step(
    operator: &str,
    path: &str,
    operand: RawBsonRef<'_>,
    filters: &ArrayFilters,
    context: &Context,
) -> Result<Step> {
    known(operator)?;
    if operator == "$rename" {
        return rename(path, operand, filters);
    }
    let parsed = UpdatePath::parse(path, filters)?;
    let action = match operator {
        "$setOnInsert" => Action::OnInsert(Set(operand.into())),
        _ => Action::Change(leaf(operator, path, operand, context)?),
    };
    Ok(Step { path: parsed, action })
}

fn leaf(
    operator: &str,
    path: &str,
    operand: RawBsonRef<'_>,
    context: &Context,
) -> Result<Box<dyn Leaf>> {
    Ok(match operator {
        "$set" => Box::new(Set(operand.into())),
        "$unset" => Box::new(Unset),
        "$inc" => calculation("$inc", Operation::Add, path, operand)?,
        "$mul" => calculation("$mul", Operation::Multiply, path, operand)?,
        "$min" => Box::new(bound(Ordering::Less, operand, context)),
        "$max" => Box::new(bound(Ordering::Greater, operand, context)),
        "$currentDate" => Box::new(Set(current_date(path, operand, context)?)),
        "$push" => Box::new(push(operand, context)?),
        "$addToSet" => {
            let values = each_or_one("$addToSet", operand)?;
            Box::new(AddToSet(values, context.collation.clone()))
        }
        "$pull" => Box::new(pull(operand, context)?),
        "$pullAll" => match operand {
            RawBsonRef::Array(array) => {
                Box::new(Pull::Equal(values(array)?, context.collation.clone()))
            }
            _ => {
                let message = "$pullAll requires an array argument";
                return Err(MqlError::bad_value(message));
            }
        },
        "$pop" => match Number::of(operand).and_then(Number::as_integer) {
            Some(end @ (1 | -1)) => Box::new(Pop { first: end == -1 }),
            _ => return Err(MqlError::failed_to_parse("$pop expects 1 or -1")),
        },
        _ => Box::new(bits(path, operand)?),
    })
}

fn bound(wanted: Ordering, operand: RawBsonRef<'_>, context: &Context) -> Bound {
    Bound { wanted, operand: operand.into(), collation: context.collation.clone() }
}

fn values(array: &RawArray) -> Result<Vec<RawBson>> {
    array.into_iter().map(|element| Ok(RawBson::from(element?))).collect()
}

fn calculation(
    name: &'static str,
    operation: Operation,
    path: &str,
    operand: RawBsonRef<'_>,
) -> Result<Box<dyn Leaf>> {
    if Number::of(operand).is_none() {
        let verb = if name == "$inc" { "increment" } else { "multiply" };
        let message = format!("Cannot {verb} with non-numeric argument: {path}");
        return Err(MqlError::type_mismatch(message));
    }
    Ok(Box::new(Calculate { name, operation, operand: operand.into() }))
}

fn current_date(path: &str, operand: RawBsonRef<'_>, context: &Context) -> Result<RawBson> {
    let kind = match operand {
        RawBsonRef::Boolean(_) => Some("date"),
        RawBsonRef::Document(doc) if doc.iter_elements().count() == 1 => {
            doc.get("$type")?.and_then(RawBsonRef::as_str)
        }
        _ => None,
    };
    match kind {
        Some("date") => Ok(RawBson::DateTime(DateTime::from_millis(context.now_ms))),
        Some("timestamp") => {
            let time = u32::try_from(context.now_ms / 1_000).unwrap_or(0);
            Ok(RawBson::Timestamp(Timestamp { time, increment: 1 }))
        }
        _ => {
            let message = format!(
                "The argument of $currentDate for '{path}' must be a boolean or {{$type: 'date'}} \
                 or {{$type: 'timestamp'}}"
            );
            Err(MqlError::bad_value(message))
        }
    }
}

/// The values of `{$each: […]}`, or the one value.
fn each_or_one(operator: &str, operand: RawBsonRef<'_>) -> Result<Vec<RawBson>> {
    let RawBsonRef::Document(doc) = operand else { return Ok(vec![operand.into()]) };
    let Some(each) = doc.get("$each")? else { return Ok(vec![operand.into()]) };
    if operator == "$addToSet" && doc.iter_elements().count() > 1 {
        let message = "Found unexpected fields after $each in $addToSet";
        return Err(MqlError::bad_value(message));
    }
    match each {
        RawBsonRef::Array(array) => values(array),
        other => {
            let found = types::name_of(other);
            let message = format!(
                "The argument to $each in {operator} must be an array but it was of type {found}"
            );
            // MongoDB has a code of its own for the set.
            Err(MqlError::new(if operator == "$addToSet" { 14 } else { 2 }, message))
        }
    }
}

fn push(operand: RawBsonRef<'_>, context: &Context) -> Result<Push> {
    let values = each_or_one("$push", operand)?;
    let mut push = Push { values, position: None, order: None, slice: None };
    let RawBsonRef::Document(doc) = operand else { return Ok(push) };
    if doc.get("$each")?.is_none() {
        return Ok(push);
    }
    let integer = |name: &str, value: RawBsonRef<'_>| {
        Number::of(value).and_then(Number::as_integer).ok_or_else(|| {
            MqlError::bad_value(format!("The value for {name} must be an integer value"))
        })
    };
    for element in doc {
        let (name, value) = element?;
        match name.as_str() {
            "$each" => {}
            "$position" => push.position = Some(integer("$position", value)?),
            "$slice" => push.slice = Some(integer("$slice", value)?),
            "$sort" => push.order = Some(order(value, context)?),
            other => {
                return Err(operators::refuse(Kind::Modifier, other, || {
                    MqlError::bad_value(format!("Unrecognized clause in $push: {other}"))
                }));
            }
        }
    }
    Ok(push)
}

fn order(value: RawBsonRef<'_>, context: &Context) -> Result<Order> {
    let collation = context.collation.clone();
    match value {
        RawBsonRef::Document(spec) if !spec.is_empty() => {
            Ok(Order::Fields(Sort::parse(spec)?.collated(collation)))
        }
        other => match Number::of(other).and_then(Number::as_integer) {
            Some(direction @ (1 | -1)) => {
                Ok(Order::Values { ascending: direction == 1, collation })
            }
            _ => {
                let message = "The $sort element value must be either 1 or -1, or a document";
                Err(MqlError::bad_value(message))
            }
        },
    }
}

/// A document of names matches documents; operators and patterns test values; the rest is equality.
fn pull(operand: RawBsonRef<'_>, context: &Context) -> Result<Pull> {
    match operand {
        RawBsonRef::Document(doc) if !is_predicate(doc)? => {
            Ok(Pull::Documents(Filter::parse(doc, context)?))
        }
        RawBsonRef::Document(_) | RawBsonRef::RegularExpression(_) => {
            let filter = rawdoc! { "": RawBson::from(operand) };
            Ok(Pull::Values(Filter::parse(&filter, context)?))
        }
        other => Ok(Pull::Equal(vec![other.into()], context.collation.clone())),
    }
}

/// Whether a condition is of operators on a value, not of fields or of `$and`, `$or`, `$nor`.
fn is_predicate(doc: &RawDocument) -> Result<bool> {
    let first = doc.into_iter().next().transpose()?;
    Ok(first.is_some_and(|(name, _)| {
        let name = name.as_str();
        name.starts_with('$') && !matches!(name, "$and" | "$or" | "$nor" | "$ref" | "$id" | "$db")
    }))
}

fn bits(path: &str, operand: RawBsonRef<'_>) -> Result<Bits> {
    let malformed = || {
        MqlError::bad_value(format!(
            "The $bit modifier of '{path}' takes {{and|or|xor: <int or long>}}"
        ))
    };
    let RawBsonRef::Document(doc) = operand else { return Err(malformed()) };
    let mut operations = Vec::new();
    for element in doc {
        let (name, value) = element?;
        let operation = match name.as_str() {
            "and" => BitOperation::And,
            "or" => BitOperation::Or,
            "xor" => BitOperation::Xor,
            _ => return Err(malformed()),
        };
        if !matches!(value, RawBsonRef::Int32(_) | RawBsonRef::Int64(_)) {
            return Err(malformed());
        }
        operations.push((operation, value.into()));
    }
    if operations.is_empty() { Err(malformed()) } else { Ok(Bits(operations)) }
}

fn rename(source: &str, operand: RawBsonRef<'_>, filters: &ArrayFilters) -> Result<Step> {
    let Some(target) = operand.as_str() else {
        let message = format!("The 'to' field for $rename must be a string: {source}");
        return Err(MqlError::bad_value(message));
    };
    if source == target {
        let message =
            format!("The source and target field for $rename must differ: {source}: \"{target}\"");
        return Err(MqlError::bad_value(message));
    }
    let from = UpdatePath::parse(source, filters)?;
    let path = UpdatePath::parse(target, filters)?;
    if !from.is_plain() || !path.is_plain() {
        let message =
            format!("The source and target field for $rename may not be dynamic: {source}");
        return Err(MqlError::bad_value(message));
    }
    Ok(Step { path, action: Action::RenamedFrom(from) })
}

/// No path may be another or lead through it.
fn check_conflicts(steps: &[Step]) -> Result<()> {
    let mut paths = BTreeSet::new();
    let mut all = Vec::new();
    for step in steps {
        all.push(step.path.text.as_str());
        if let Action::RenamedFrom(source) = &step.action {
            all.push(&source.text);
        }
    }
    for path in &all {
        if !paths.insert(*path) {
            return Err(conflict(path, path));
        }
    }
    for path in &all {
        for (dot, _) in path.match_indices('.') {
            if paths.contains(&path[..dot]) {
                return Err(conflict(path, &path[..dot]));
            }
        }
    }
    Ok(())
}

fn conflict(path: &str, at: &str) -> MqlError {
    let message = format!("Updating the path '{path}' would create a conflict at '{at}'");
    MqlError::new(code::CONFLICTING_UPDATE, message)
}

fn check_filters_used(steps: &[Step], filters: &ArrayFilters) -> Result<()> {
    for (place, name) in filters.names().enumerate() {
        let used = steps.iter().any(|step| step.path.filters().any(|used| used == place));
        if !used {
            let message =
                format!("The array filter for identifier '{name}' was not used in the update");
            return Err(MqlError::failed_to_parse(message));
        }
    }
    Ok(())
}
