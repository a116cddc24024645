//! What an update changed: the difference of two documents, in the terms of `updateDescription`.
//!
//! Fields are compared one by one; a document or an array inside is described by its changed parts
//! where that is shorter than its new value, as the manual's page on update events shows
//! (<https://www.mongodb.com/docs/manual/reference/change-events/update/>). What is not here: events.

use std::collections::{HashMap, HashSet};

use bson::raw::{BindRawBsonRef, CStr, CString};
use bson::{RawArray, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use crate::error::Failure;

/// What the description of a part costs beside its name and its value.
const PART_BYTES: usize = 2;

/// A part of a path.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Field(&'a str),
    Index(usize),
}

type Path<'a> = Vec<Part<'a>>;

/// The difference of two documents.
#[derive(Debug, Default)]
pub(crate) struct Diff {
    updated: RawDocumentBuf,
    removed: RawArrayBuf,
    truncated: RawArrayBuf,
    /// Paths that could be read in two ways, by their parts.
    ambiguous: RawDocumentBuf,
    /// Setting and removing what is listed does not give the new document byte by byte, because
    /// fields moved.
    pub(crate) moved: bool,
    cost_bytes: usize,
}

impl Diff {
    /// What makes `new` of `old`.
    pub(crate) fn of(old: &RawDocument, new: &RawDocument) -> Result<Self, Failure> {
        let mut diff = Self::default();
        diff.documents(old, new, &mut Vec::new())?;
        Ok(diff)
    }

    /// `updateDescription`, with `disambiguatedPaths`.
    pub(crate) fn into_document(self) -> RawDocumentBuf {
        rawdoc! {
            "updatedFields": self.updated,
            "removedFields": self.removed,
            "truncatedArrays": self.truncated,
            "disambiguatedPaths": self.ambiguous,
        }
    }

    fn documents<'a>(
        &mut self,
        old: &'a RawDocument,
        new: &'a RawDocument,
        path: &mut Path<'a>,
    ) -> Result<(), Failure> {
        let before = fields(old)?;
        let after = fields(new)?;
        let known: HashMap<&str, RawBsonRef<'a>> = before.iter().copied().collect();
        let kept: HashSet<&str> = after.iter().map(|(name, _)| *name).collect();
        for (name, _) in before.iter().filter(|(name, _)| !kept.contains(name)) {
            path.push(Part::Field(name));
            self.remove(path);
            path.pop();
        }
        self.moved |= in_other_order(&before, &after, &known, &kept);
        for (name, value) in after {
            path.push(Part::Field(name));
            match known.get(name) {
                Some(old) if same(*old, value) => {}
                Some(old) => self.values(*old, value, path)?,
                None => self.update(path, value)?,
            }
            path.pop();
        }
        Ok(())
    }

    fn values<'a>(
        &mut self,
        old: RawBsonRef<'a>,
        new: RawBsonRef<'a>,
        path: &mut Path<'a>,
    ) -> Result<(), Failure> {
        let mut inside = Self::default();
        let whole_bytes = match (old, new) {
            (RawBsonRef::Document(old), RawBsonRef::Document(new)) => {
                inside.documents(old, new, path)?;
                new.as_bytes().len()
            }
            (RawBsonRef::Array(old), RawBsonRef::Array(new)) => {
                inside.arrays(old, new, path)?;
                new.as_bytes().len()
            }
            _ => return self.update(path, new),
        };
        if inside.cost_bytes < whole_bytes { self.take(inside) } else { self.update(path, new) }
    }

    fn arrays<'a>(
        &mut self,
        old: &'a RawArray,
        new: &'a RawArray,
        path: &mut Path<'a>,
    ) -> Result<(), Failure> {
        let old: Vec<_> = old.into_iter().collect::<Result<_, _>>()?;
        let new: Vec<_> = new.into_iter().collect::<Result<_, _>>()?;
        for (index, value) in new.iter().enumerate() {
            path.push(Part::Index(index));
            match old.get(index) {
                Some(old) if same(*old, *value) => {}
                Some(old) => self.values(*old, *value, path)?,
                None => self.update(path, *value)?,
            }
            path.pop();
        }
        if new.len() < old.len() {
            self.note_ambiguous(path)?;
            let size = i32::try_from(new.len()).unwrap_or(i32::MAX);
            self.truncated.push(rawdoc! { "field": dotted(path), "newSize": size });
            self.cost_bytes += PART_BYTES;
        }
        Ok(())
    }

    fn update(&mut self, path: &Path<'_>, value: RawBsonRef<'_>) -> Result<(), Failure> {
        self.note_ambiguous(path)?;
        append(&mut self.updated, &dotted(path), value)?;
        self.cost_bytes += last_bytes(path) + value_bytes(&value) + PART_BYTES;
        Ok(())
    }

    fn remove(&mut self, path: &Path<'_>) {
        // A name with a NUL cannot be stored, so this cannot fail for a path that is.
        let _unnamed = self.note_ambiguous(path);
        self.removed.push(dotted(path));
        self.cost_bytes += last_bytes(path) + PART_BYTES;
    }

    fn note_ambiguous(&mut self, path: &Path<'_>) -> Result<(), Failure> {
        let unclear = |part: &Part<'_>| match part {
            Part::Index(_) => false,
            Part::Field(name) => {
                name.contains('.')
                    || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
            }
        };
        if !path.iter().any(unclear) {
            return Ok(());
        }
        let mut parts = RawArrayBuf::new();
        for part in path {
            match part {
                Part::Field(name) => parts.push(*name),
                Part::Index(index) => parts.push(i32::try_from(*index).unwrap_or(i32::MAX)),
            }
        }
        append(&mut self.ambiguous, &dotted(path), parts)
    }

    fn take(&mut self, inside: Self) -> Result<(), Failure> {
        for field in &inside.updated {
            let (name, value) = field?;
            self.updated.append(name, value);
        }
        for field in &inside.ambiguous {
            let (name, value) = field?;
            self.ambiguous.append(name, value);
        }
        for name in &inside.removed {
            self.removed.push(name?);
        }
        for array in &inside.truncated {
            self.truncated.push(array?);
        }
        self.moved |= inside.moved;
        self.cost_bytes += inside.cost_bytes;
        Ok(())
    }
}

type Field<'a> = (&'a str, RawBsonRef<'a>);

fn fields(document: &RawDocument) -> Result<Vec<Field<'_>>, Failure> {
    document.iter().map(|field| Ok(field.map(|(name, value)| (name.as_str(), value))?)).collect()
}

/// Whether fields that stay changed places, or new ones are not at the end.
fn in_other_order(
    before: &[Field<'_>],
    after: &[Field<'_>],
    known: &HashMap<&str, RawBsonRef<'_>>,
    kept: &HashSet<&str>,
) -> bool {
    let doubled = known.len() != before.len() || kept.len() != after.len();
    let mut stay = before.iter().map(|(name, _)| *name).filter(|name| kept.contains(name));
    let mut names = after.iter().map(|(name, _)| *name);
    let mut old_ones = names.by_ref().take_while(|name| known.contains_key(name));
    let in_order = stay.by_ref().zip(old_ones.by_ref()).all(|(stay, name)| stay == name);
    doubled || !in_order || stay.next().is_some() || names.any(|name| known.contains_key(name))
}

/// Whether two values are the same bytes.
fn same(old: RawBsonRef<'_>, new: RawBsonRef<'_>) -> bool {
    match (old, new) {
        (RawBsonRef::Double(old), RawBsonRef::Double(new)) => old.to_bits() == new.to_bits(),
        _ => old == new,
    }
}

fn dotted(path: &Path<'_>) -> String {
    let parts = path.iter().map(|part| match part {
        Part::Field(name) => (*name).to_owned(),
        Part::Index(index) => index.to_string(),
    });
    parts.collect::<Vec<_>>().join(".")
}

fn last_bytes(path: &Path<'_>) -> usize {
    match path.last() {
        Some(Part::Field(name)) => name.len(),
        _ => 1,
    }
}

fn value_bytes(value: &RawBsonRef<'_>) -> usize {
    match value {
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Array(array) => array.as_bytes().len(),
        RawBsonRef::String(text) => text.len() + 5,
        RawBsonRef::Binary(binary) => binary.bytes.len() + 5,
        RawBsonRef::Int32(_) => 4,
        RawBsonRef::Boolean(_) | RawBsonRef::Null => 1,
        RawBsonRef::ObjectId(_) => 12,
        RawBsonRef::Decimal128(_) => 16,
        _ => 8,
    }
}

fn append(
    document: &mut RawDocumentBuf,
    name: &str,
    value: impl BindRawBsonRef,
) -> Result<(), Failure> {
    let name = CString::try_from(name.to_owned())?;
    let name: &CStr = &name;
    document.append(name, value);
    Ok(())
}

#[cfg(test)]
mod tests;
