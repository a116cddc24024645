//! From stage documents to stages.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::bucket::{self, BucketAuto};
use super::facet::Facet;
use super::fill;
use super::graph::GraphLookup;
use super::group::{self, Group};
use super::join::Lookup;
use super::redact::Redact;
use super::union::Union;
use super::unwind::Unwind;
use super::window::WindowFields;
use super::{Projection, Sort, Stage, sub};
use crate::expr::{Expr, FieldPath};
use crate::mutate::split;
use crate::number::Number;
use crate::operators::{self, Kind};
use crate::{Context, Filter, MqlError, Result, code};

/// Parses one stage; `$sortByCount`, `$bucket` and `$fill` may become two.
pub(super) fn stage(stage: &RawDocumentBuf, context: &Context, out: &mut Vec<Stage>) -> Result<()> {
    let mut fields = stage.iter();
    let (Some(first), None) = (fields.next(), fields.next()) else {
        let message = "A pipeline stage specification object must contain exactly one field.";
        return Err(MqlError::new(40323, message));
    };
    let (name, value) = first?;
    let name = name.as_str();
    let parsed = match name {
        "$match" => Stage::Match(Filter::parse(document(name, 15959, value)?, context)?),
        "$project" => {
            Stage::Project(Projection::parse_stage(document(name, 15969, value)?, context)?)
        }
        "$addFields" | "$set" => Stage::AddFields(computed(name, value, context)?),
        "$unset" => Stage::Project(Projection::without(&unset(value)?, context)?),
        "$replaceRoot" => Stage::ReplaceRoot(new_root(document(name, 40229, value)?, context)?),
        "$replaceWith" => Stage::ReplaceRoot(Expr::parse(value, context)?),
        "$unwind" => Stage::Unwind(Unwind::parse(value)?),
        "$skip" => Stage::Skip(count_of(name, value, 0)?),
        "$limit" => Stage::Limit(count_of(name, value, 1)?),
        "$count" => Stage::Count(count_name(value)?),
        "$group" => Stage::Group(group::parse(document(name, 15947, value)?, context)?),
        "$sort" => Stage::Sort(sort(document(name, 15973, value)?, context)?),
        "$lookup" => {
            Stage::Lookup(Box::new(Lookup::parse(document(name, 40319, value)?, context)?))
        }
        "$graphLookup" => {
            let spec = document(name, 40327, value)?;
            Stage::GraphLookup(Box::new(GraphLookup::parse(spec, context)?))
        }
        "$unionWith" => Stage::Union(Union::parse(value, context)?),
        "$facet" => Stage::Facet(Facet::parse(document(name, 40169, value)?, context)?),
        "$bucket" => {
            let [group, sort] = bucket::bucket(document(name, 40201, value)?, context)?;
            out.push(group);
            sort
        }
        "$bucketAuto" => {
            let spec = document(name, 40240, value)?;
            Stage::BucketAuto(Box::new(BucketAuto::parse(spec, context)?))
        }
        "$setWindowFields" => {
            let spec = document(name, 5_397_900, value)?;
            Stage::WindowFields(Box::new(WindowFields::parse(spec, context)?))
        }
        "$fill" => {
            let filled = fill::stages(document(name, 6_050_200, value)?, context)?;
            out.extend(filled);
            return Ok(());
        }
        "$redact" => Stage::Redact(Redact::parse(value, context)?),
        // Who can read other collections knows that this one reads none.
        "$documents" if context.others.is_some() => {
            Stage::Documents(sub::documents(value, context)?)
        }
        "$sample" => Stage::Sample(sample(document(name, 28745, value)?)?),
        "$sortByCount" => {
            out.push(Stage::Group(Group::counting(Expr::parse(value, context)?, context)));
            Stage::Sort(Sort::parse(&rawdoc! { "count": -1 })?)
        }
        _ => {
            return Err(operators::refuse(Kind::Stage, name, || {
                MqlError::new(40324, format!("Unrecognized pipeline stage name: '{name}'"))
            }));
        }
    };
    out.push(parsed);
    Ok(())
}

fn document<'a>(name: &str, number: i32, value: RawBsonRef<'a>) -> Result<&'a RawDocument> {
    value
        .as_document()
        .ok_or_else(|| MqlError::new(number, format!("the {name} specification must be an object")))
}

pub(super) fn computed(
    name: &str,
    value: RawBsonRef<'_>,
    context: &Context,
) -> Result<Vec<(Vec<String>, Expr)>> {
    let spec = document(name, 40272, value)?;
    let mut fields = Vec::new();
    collect(spec, &[], context, &mut fields)?;
    if fields.is_empty() {
        let message = format!("{name} specification stage must have at least one field");
        return Err(MqlError::new(40177, message));
    }
    for (at, (path, _)) in fields.iter().enumerate() {
        if fields[..at].iter().any(|(other, _)| path.starts_with(other) || other.starts_with(path))
        {
            let message = format!(
                "Invalid {name} :: caused by :: specification contains two conflicting paths at '{}'",
                path.join(".")
            );
            return Err(MqlError::new(40176, message));
        }
    }
    Ok(fields)
}

/// Nested documents name deeper fields, unless they are operators.
fn collect(
    spec: &RawDocument,
    prefix: &[String],
    context: &Context,
    out: &mut Vec<(Vec<String>, Expr)>,
) -> Result<()> {
    for field in spec {
        let (name, value) = field?;
        FieldPath::parse(name.as_str())?;
        let mut path = prefix.to_vec();
        path.extend(split(name.as_str()));
        match value {
            RawBsonRef::Document(inner) if !is_operator(inner)? => {
                collect(inner, &path, context, out)?;
            }
            value => out.push((path, Expr::parse(value, context)?)),
        }
    }
    Ok(())
}

fn is_operator(doc: &RawDocument) -> Result<bool> {
    let first = doc.into_iter().next().transpose()?;
    Ok(first.is_none_or(|(name, _)| name.as_str().starts_with('$')))
}

fn unset(value: RawBsonRef<'_>) -> Result<Vec<String>> {
    let wrong =
        || MqlError::new(31002, "$unset specification must be a string or an array of strings");
    match value {
        RawBsonRef::String(name) => Ok(vec![name.to_owned()]),
        RawBsonRef::Array(array) => {
            let mut names = Vec::new();
            for name in array {
                names.push(name?.as_str().ok_or_else(wrong)?.to_owned());
            }
            if names.is_empty() { Err(wrong()) } else { Ok(names) }
        }
        _ => Err(wrong()),
    }
}

fn new_root(spec: &RawDocument, context: &Context) -> Result<Expr> {
    let root = spec.get("newRoot")?;
    root.map(|root| Expr::parse(root, context)).unwrap_or_else(|| {
        Err(MqlError::new(40231, "no newRoot specified for the $replaceRoot stage"))
    })
}

fn count_of(name: &str, value: RawBsonRef<'_>, least: u64) -> Result<u64> {
    let number = Number::of(value).and_then(Number::as_integer);
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(number) if number >= least => Ok(number),
        Some(_) if name == "$limit" => Err(MqlError::new(15958, "the limit must be positive")),
        Some(_) => Err(MqlError::new(5_107_200, "invalid argument to $skip stage: it is negative")),
        None => {
            let number = if name == "$limit" { 5_107_201 } else { 5_107_200 };
            let message = format!("invalid argument to {name} stage: expected a whole number");
            Err(MqlError::new(number, message))
        }
    }
}

fn count_name(value: RawBsonRef<'_>) -> Result<String> {
    match value.as_str() {
        Some(name) if !name.is_empty() && !name.starts_with('$') && !name.contains('.') => {
            Ok(name.to_owned())
        }
        _ => {
            let message = "the count field must be a non-empty string without '$' and '.'";
            Err(MqlError::new(40156, message))
        }
    }
}

fn sort(spec: &RawDocument, context: &Context) -> Result<Sort> {
    if spec.is_empty() {
        return Err(MqlError::new(15976, "$sort stage must have at least one sort key"));
    }
    Ok(Sort::parse(spec)?.collated(context.collation.clone()))
}

fn sample(spec: &RawDocument) -> Result<u64> {
    let size = spec.get("size")?.and_then(Number::of).and_then(Number::as_integer);
    let size = size.and_then(|size| u64::try_from(size).ok()).filter(|size| *size > 0);
    size.ok_or_else(|| MqlError::new(28747, "size argument to $sample must be a positive number"))
}

/// The number that stands for "too much memory", with what to do about it.
pub(super) fn too_much_memory(stage: &str, bytes: usize) -> MqlError {
    let message = format!(
        "{stage} needs more than {} MB of memory; narrow it with a $match or a $limit before it",
        bytes / 1024 / 1024
    );
    MqlError::new(code::MEMORY_LIMIT, message)
}
