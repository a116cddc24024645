//! The values at a dotted path, through arrays, as indexes and `distinct` see them.
//!
//! An array at the end of the path is expanded by one level. A numeric part names a position in an
//! array as well as a field of its elements.

use bson::{RawArray, RawBsonRef, RawDocument};

use crate::error::Failure;

/// What lies at the end of a path.
pub(crate) enum Found<'d> {
    /// Nothing.
    Missing,
    /// An array without elements.
    EmptyArray,
    /// A value, or one element of an array.
    Value(RawBsonRef<'d>),
}

/// Called with each thing that lies at the end of the path.
type Visit<'v, 'd> = &'v mut dyn FnMut(Found<'d>);

/// Visits what lies at the end of `path` in `document`; returns the part of the path at which an
/// array lay, if one did.
pub(crate) fn values_at<'d, 'p>(
    document: &'d RawDocument,
    path: &'p str,
    visit: Visit<'_, 'd>,
) -> Result<Option<&'p str>, Failure> {
    let mut walk = Walk { path, array_at: None };
    walk.document(document, 0, visit)?;
    Ok(walk.array_at)
}

struct Walk<'p> {
    path: &'p str,
    array_at: Option<&'p str>,
}

impl<'p> Walk<'p> {
    /// The part of the path that begins at `start`, and where the part after it begins.
    fn part(&self, start: usize) -> (&'p str, Option<usize>) {
        match self.path[start..].find('.') {
            Some(length) => (&self.path[start..start + length], Some(start + length + 1)),
            None => (&self.path[start..], None),
        }
    }

    fn document<'d>(
        &mut self,
        document: &'d RawDocument,
        start: usize,
        visit: Visit<'_, 'd>,
    ) -> Result<(), Failure> {
        let (part, next) = self.part(start);
        match document.get(part)? {
            None => visit(Found::Missing),
            Some(value) => self.value(value, next, visit)?,
        }
        Ok(())
    }

    fn value<'d>(
        &mut self,
        value: RawBsonRef<'d>,
        next: Option<usize>,
        visit: Visit<'_, 'd>,
    ) -> Result<(), Failure> {
        match (value, next) {
            (RawBsonRef::Array(array), None) => return self.leaf_array(array, visit),
            (RawBsonRef::Array(array), Some(start)) => return self.array(array, start, visit),
            (RawBsonRef::Document(inner), Some(start)) => {
                return self.document(inner, start, visit);
            }
            (value, None) => visit(Found::Value(value)),
            (_, Some(_)) => visit(Found::Missing),
        }
        Ok(())
    }

    fn leaf_array<'d>(&mut self, array: &'d RawArray, visit: Visit<'_, 'd>) -> Result<(), Failure> {
        self.array_at = Some(self.path);
        if array.is_empty() {
            visit(Found::EmptyArray);
        }
        for element in array {
            visit(Found::Value(element?));
        }
        Ok(())
    }

    fn array<'d>(
        &mut self,
        array: &'d RawArray,
        start: usize,
        visit: Visit<'_, 'd>,
    ) -> Result<(), Failure> {
        self.array_at.get_or_insert(&self.path[..start - 1]);
        let mut any = false;
        let (part, next) = self.part(start);
        if let Ok(position) = part.parse::<usize>()
            && let Some(element) = array.get(position)?
        {
            any = true;
            if next.is_none() {
                visit(Found::Value(element));
            } else {
                self.value(element, next, visit)?;
            }
        }
        for element in array {
            if let RawBsonRef::Document(inner) = element? {
                any = true;
                self.document(inner, start, visit)?;
            }
        }
        if !any {
            visit(Found::Missing);
        }
        Ok(())
    }
}
