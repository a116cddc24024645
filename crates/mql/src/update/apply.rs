//! Following a path into a document and making one change there.

use bson::{RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::Change;
use super::arrays::single;
use super::operator::{Operator, Outcome};
use super::path::{ArrayFilters, Part};
use crate::{MqlError, Result, code, expr, mutate, path};

/// Elements that a path may add to an array by setting an index beyond its end.
const PADDING_MAX: usize = 1_500_000;

/// What is known of the document beside its bytes.
pub(super) struct Matched<'u> {
    /// Index of the array element that the filter matched.
    pub(super) position: Option<usize>,
    pub(super) filters: &'u ArrayFilters,
    pub(super) now_ms: i64,
    pub(super) upsert: bool,
}

/// Makes one change; `None`: nothing changed.
pub(super) fn change(
    doc: &RawDocument,
    change: &Change,
    matched: &Matched<'_>,
) -> Result<Option<RawDocumentBuf>> {
    if let Operator::Rename(target) = &change.operator {
        return rename(doc, &change.text, target);
    }
    let walk = Walk { change, matched };
    match walk.value(Some(RawBsonRef::Document(doc)), &change.path)? {
        Outcome::Value(RawBson::Document(new)) => Ok(Some(new)),
        _ => Ok(None),
    }
}

fn rename(doc: &RawDocument, source: &str, target: &str) -> Result<Option<RawDocumentBuf>> {
    for text in [source, target] {
        let parent = text.rsplit_once('.').map_or("", |(parent, _)| parent);
        if !parent.is_empty() && path::has_array_on_path(doc, parent) {
            let message = format!("The $rename path '{text}' runs through an array");
            return Err(MqlError::bad_value(message));
        }
    }
    let Some(value) = path::get(doc, source) else { return Ok(None) };
    let without = mutate::set(doc, &mutate::split(source), None)?;
    Ok(Some(mutate::set(&without, &mutate::split(target), Some(value))?))
}

struct Walk<'w> {
    change: &'w Change,
    matched: &'w Matched<'w>,
}

impl Walk<'_> {
    fn value(&self, old: Option<RawBsonRef<'_>>, parts: &[Part]) -> Result<Outcome> {
        let Some((part, rest)) = parts.split_first() else {
            return self.change.operator.apply(old, self.matched.now_ms, self.matched.upsert);
        };
        match (old, part) {
            (Some(RawBsonRef::Document(doc)), Part::Name(name)) => self.document(doc, name, rest),
            (Some(RawBsonRef::Array(array)), part) => self.array(array, part, rest),
            (None, Part::Name(name)) if self.change.operator.creates() => {
                match self.value(None, rest)? {
                    Outcome::Value(value) => {
                        Ok(Outcome::Value(RawBson::Document(single(name, &value)?)))
                    }
                    other => Ok(other),
                }
            }
            (None, Part::Name(_)) => Ok(Outcome::Same),
            (_, Part::Name(name)) if self.change.operator.creates() => {
                let message =
                    format!("Cannot create field '{name}' in the path '{}'", self.change.text);
                Err(MqlError::new(code::PATH_NOT_VIABLE, message))
            }
            (_, Part::Name(_)) => Ok(Outcome::Same),
            _ => {
                let message = format!(
                    "The path '{}' must exist in the document in order to apply array updates.",
                    self.change.text
                );
                Err(MqlError::bad_value(message))
            }
        }
    }

    fn document(&self, doc: &RawDocument, name: &str, rest: &[Part]) -> Result<Outcome> {
        let new = match self.value(doc.get(name)?, rest)? {
            Outcome::Same => return Ok(Outcome::Same),
            Outcome::Value(value) => Some(value),
            Outcome::Gone => None,
        };
        let mut out = RawDocumentBuf::new();
        let mut placed = false;
        for field in doc {
            let (field, old) = field?;
            if field.as_str() != name {
                expr::append(&mut out, field.as_str(), old)?;
                continue;
            }
            placed = true;
            if let Some(new) = &new {
                expr::append(&mut out, name, new)?;
            }
        }
        if let (false, Some(new)) = (placed, &new) {
            expr::append(&mut out, name, new)?;
        }
        Ok(Outcome::Value(RawBson::Document(out)))
    }

    fn array(&self, array: &RawArray, part: &Part, rest: &[Part]) -> Result<Outcome> {
        let mut elements = array
            .into_iter()
            .map(|element| Ok(RawBson::from(element?)))
            .collect::<Result<Vec<RawBson>>>()?;
        let Some(chosen) = self.chosen(&elements, part)? else { return Ok(Outcome::Same) };
        let mut changed = false;
        for index in chosen {
            let old = elements.get(index).map(RawBson::as_raw_bson_ref);
            let new = match self.value(old, rest)? {
                Outcome::Same => continue,
                Outcome::Value(value) => value,
                // Removing an element would move the others: it becomes null, as in MongoDB.
                Outcome::Gone => RawBson::Null,
            };
            changed = true;
            if index >= elements.len() {
                elements.resize(index + 1, RawBson::Null);
            }
            elements[index] = new;
        }
        if !changed {
            return Ok(Outcome::Same);
        }
        let mut out = RawArrayBuf::new();
        elements.into_iter().for_each(|element| out.push(element));
        Ok(Outcome::Value(RawBson::Array(out)))
    }

    /// Which elements a part means; `None`: the path ends here without effect.
    fn chosen(&self, elements: &[RawBson], part: &Part) -> Result<Option<Vec<usize>>> {
        match part {
            Part::All => Ok(Some((0..elements.len()).collect())),
            Part::Filtered(name) => {
                let mut chosen = Vec::new();
                for (index, element) in elements.iter().enumerate() {
                    if self.matched.filters.matches(name, element.as_raw_bson_ref())? {
                        chosen.push(index);
                    }
                }
                Ok(Some(chosen))
            }
            Part::Matched => match self.matched.position {
                Some(position) => Ok(Some(vec![position])),
                None => Err(MqlError::bad_value(
                    "The positional operator did not find the match needed from the query.",
                )),
            },
            Part::Name(name) => match part.index() {
                Some(index) if index < elements.len() => Ok(Some(vec![index])),
                _ if !self.change.operator.creates() => Ok(None),
                Some(index) if index - elements.len() <= PADDING_MAX => Ok(Some(vec![index])),
                Some(_) => {
                    let message = format!("can't backfill more than {PADDING_MAX} elements");
                    Err(MqlError::bad_value(message))
                }
                None => {
                    let message = format!(
                        "Cannot create field '{name}' in an array in the path '{}'",
                        self.change.text
                    );
                    Err(MqlError::new(code::PATH_NOT_VIABLE, message))
                }
            },
        }
    }
}
