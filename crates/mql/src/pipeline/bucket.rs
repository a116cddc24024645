//! `$bucket`, which is a `$group` by a `$switch`, and `$bucketAuto`, which cuts sorted documents
//! into parts of about the same size.

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::Stage;
use super::group::{self, Group, Groups};
use super::parse::too_much_memory;
use crate::compare::compare_in;
use crate::expr::{Expr, append};
use crate::number::Number;
use crate::types::bracket_of;
use crate::{Collation, Context, MqlError, Result, Sort, key};

/// `$bucket` as the stages that it stands for.
pub(super) fn bucket(spec: &RawDocument, context: &Context) -> Result<[Stage; 2]> {
    only(spec, &["groupBy", "boundaries", "default", "output"], 40197)?;
    let (Some(by), Some(boundaries)) = (spec.get("groupBy")?, spec.get("boundaries")?) else {
        let message = "$bucket requires 'groupBy' and 'boundaries' to be specified.";
        return Err(MqlError::new(40198, message));
    };
    check_by("$bucket", by)?;
    let boundaries = constants(boundaries, context)?;
    let default = spec.get("default")?.map(|value| constant(value, context)).transpose()?;
    check_boundaries(&boundaries, default.as_ref(), context.collation.as_ref())?;
    let mut branches = RawArrayBuf::new();
    for pair in boundaries.windows(2) {
        let (low, high) = (literal(&pair[0]), literal(&pair[1]));
        branches.push(rawdoc! {
            "case": { "$and": [
                { "$gte": [RawBson::from(by), low.clone()] },
                { "$lt": [RawBson::from(by), high] },
            ] },
            "then": low,
        });
    }
    let mut switch = rawdoc! { "branches": branches };
    if let Some(default) = &default {
        append(&mut switch, "default", literal(default))?;
    }
    let grouped = grouped(rawdoc! { "$switch": switch }.into(), spec.get("output")?)?;
    let group = group::parse(&grouped, context)?;
    let sort = Sort::parse(&rawdoc! { "_id": 1 })?.collated(context.collation.clone());
    Ok([Stage::Group(group), Stage::Sort(sort)])
}

fn literal(value: &RawBson) -> RawDocumentBuf {
    rawdoc! { "$literal": value.clone() }
}

/// The specification of a `$group`; a count when no output is asked for.
fn grouped(id: RawBson, output: Option<RawBsonRef<'_>>) -> Result<RawDocumentBuf> {
    let mut spec = RawDocumentBuf::new();
    append(&mut spec, "_id", &id)?;
    match output {
        None => append(&mut spec, "count", rawdoc! { "$sum": 1 })?,
        Some(RawBsonRef::Document(output)) => {
            for field in output {
                let (name, value) = field?;
                append(&mut spec, name.as_str(), value)?;
            }
        }
        Some(_) => {
            let message = "The 'output' field of a bucket stage must be an object";
            return Err(MqlError::new(40196, message));
        }
    }
    Ok(spec)
}

fn only(spec: &RawDocument, known: &[&str], number: i32) -> Result<()> {
    for field in spec {
        let (name, _) = field?;
        if !known.contains(&name.as_str()) {
            let message = format!("Unrecognized option to a bucket stage: {}.", name.as_str());
            return Err(MqlError::new(number, message));
        }
    }
    Ok(())
}

fn check_by(stage: &str, by: RawBsonRef<'_>) -> Result<()> {
    let path = by.as_str().is_some_and(|text| text.starts_with('$'));
    if path || by.as_document().is_some() {
        return Ok(());
    }
    let message = format!(
        "The {stage} 'groupBy' field must be defined as a $-prefixed path or an expression"
    );
    Err(MqlError::new(40202, message))
}

fn constants(value: RawBsonRef<'_>, context: &Context) -> Result<Vec<RawBson>> {
    let Some(array) = value.as_array() else {
        let message = "The $bucket 'boundaries' field must be an array of values";
        return Err(MqlError::new(40200, message));
    };
    array.into_iter().map(|element| constant(element?, context)).collect()
}

fn constant(value: RawBsonRef<'_>, context: &Context) -> Result<RawBson> {
    match Expr::parse(value, context)?.constant() {
        Some(value) => Ok(value.clone()),
        None => {
            let message = "the boundaries and the default of $bucket must be constant values";
            Err(MqlError::new(40191, message))
        }
    }
}

fn check_boundaries(
    boundaries: &[RawBson],
    default: Option<&RawBson>,
    collation: Option<&Collation>,
) -> Result<()> {
    if boundaries.len() < 2 {
        let message = "The $bucket 'boundaries' field must have at least 2 values";
        return Err(MqlError::new(40192, message));
    }
    let order =
        |a: &RawBson, b: &RawBson| compare_in(a.as_raw_bson_ref(), b.as_raw_bson_ref(), collation);
    for pair in boundaries.windows(2) {
        if bracket_of(pair[0].as_raw_bson_ref()) != bracket_of(pair[1].as_raw_bson_ref()) {
            let message =
                "All values in the 'boundaries' option to $bucket must have the same type";
            return Err(MqlError::new(40193, message));
        }
        if order(&pair[0], &pair[1]).is_ge() {
            let message = "The 'boundaries' option to $bucket must be sorted in ascending order";
            return Err(MqlError::new(40194, message));
        }
    }
    let last = &boundaries[boundaries.len() - 1];
    let inside =
        |value: &RawBson| order(value, &boundaries[0]).is_ge() && order(value, last).is_lt();
    if default.is_some_and(inside) {
        let message = "The $bucket 'default' field must be less than the lowest boundary or greater \
                       than or equal to the highest boundary.";
        return Err(MqlError::new(40199, message));
    }
    Ok(())
}

/// A parsed `$bucketAuto`.
#[derive(Debug)]
pub(super) struct BucketAuto {
    by: Expr,
    buckets: usize,
    group: Group,
    collation: Option<Collation>,
}

/// The documents of one execution.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Vec<(Vec<u8>, RawBson, RawDocumentBuf)>,
    bytes: usize,
}

impl BucketAuto {
    pub(super) fn parse(spec: &RawDocument, context: &Context) -> Result<Self> {
        only(spec, &["groupBy", "buckets", "output", "granularity"], 40245)?;
        if spec.get("granularity")?.is_some() {
            return Err(MqlError::not_implemented("the option 'granularity' of $bucketAuto"));
        }
        let (Some(by), Some(buckets)) = (spec.get("groupBy")?, spec.get("buckets")?) else {
            let message = "$bucketAuto requires 'groupBy' and 'buckets' to be specified";
            return Err(MqlError::new(40246, message));
        };
        check_by("$bucketAuto", by)?;
        let count = Number::of(buckets).and_then(Number::as_integer).filter(|count| *count > 0);
        let Some(count) = count else {
            let message = "The $bucketAuto 'buckets' field must be a positive 32-bit integer";
            return Err(MqlError::new(40243, message));
        };
        Ok(Self {
            by: Expr::parse(by, context)?,
            buckets: usize::try_from(count).unwrap_or(usize::MAX),
            group: group::parse(&grouped(RawBson::Null, spec.get("output")?)?, context)?,
            collation: context.collation.clone(),
        })
    }

    pub(super) fn add(
        &self,
        waiting: &mut Waiting,
        doc: RawDocumentBuf,
        memory_bytes: usize,
    ) -> Result<()> {
        let value = self.by.evaluate(&doc)?.into_raw().unwrap_or(RawBson::Null);
        let key = key::encode_in(value.as_raw_bson_ref(), self.collation.as_ref());
        waiting.bytes += key.len() + doc.as_bytes().len();
        waiting.held.push((key, value, doc));
        if waiting.bytes > memory_bytes {
            return Err(too_much_memory("$bucketAuto", memory_bytes));
        }
        Ok(())
    }

    /// Cuts what was held into buckets. Equal values stay together, and the last takes the rest.
    pub(super) fn finish(
        &self,
        waiting: &mut Waiting,
        memory_bytes: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        let mut held = std::mem::take(&mut waiting.held);
        held.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let size = ((held.len() as f64 / self.buckets as f64).round() as usize).max(1);
        let (mut out, mut start) = (Vec::new(), 0);
        while start < held.len() {
            let last = out.len() + 1 == self.buckets;
            let mut end = if last { held.len() } else { (start + size).min(held.len()) };
            while end < held.len() && held[end].0 == held[end - 1].0 {
                end += 1;
            }
            let max = held.get(end).unwrap_or(&held[end - 1]).1.clone();
            let id = rawdoc! { "min": held[start].1.clone(), "max": max };
            out.push(self.one(id, &held[start..end], memory_bytes)?);
            start = end;
        }
        Ok(out)
    }

    fn one(
        &self,
        id: RawDocumentBuf,
        held: &[(Vec<u8>, RawBson, RawDocumentBuf)],
        memory_bytes: usize,
    ) -> Result<RawDocumentBuf> {
        let mut groups = Groups::default();
        for (_, _, doc) in held {
            groups.add(&self.group, doc, memory_bytes)?;
        }
        let mut out = RawDocumentBuf::new();
        append(&mut out, "_id", id)?;
        for group in groups.finish(&self.group)? {
            for field in &group {
                let (name, value) = field?;
                if name.as_str() != "_id" {
                    append(&mut out, name.as_str(), value)?;
                }
            }
        }
        Ok(out)
    }
}
