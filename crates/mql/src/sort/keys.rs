//! The sort key of a document with arrays: one key per combination of elements, the smallest wins.
//!
//! As index keys are made: an array on the way is entered one level deep, all fields that lead
//! through it take their values from the same element, and two arrays in one order are refused.

use bson::{RawArray, RawBsonRef, RawDocument};

use crate::path::{Part, Path};
use crate::types::bracket;
use crate::{Collation, MqlError, Result, key};

/// How far one field's path has been followed.
#[derive(Clone)]
enum Cursor<'d, 'p> {
    /// Its key is known.
    Done(Vec<u8>),
    /// A value, and the rest of the path inside it.
    At(RawBsonRef<'d>, &'p [Part]),
}

/// The smallest key, in the directions of the fields.
pub(super) fn smallest(
    doc: &RawDocument,
    paths: &[Path],
    fields: &[(String, bool)],
    collation: Option<&Collation>,
) -> Result<Vec<u8>> {
    let root = RawBsonRef::Document(doc);
    let cursors = paths.iter().map(|path| Cursor::At(root, &path.parts)).collect();
    let mut best = None;
    explore(cursors, fields, collation, &mut best)?;
    Ok(best.unwrap_or_default())
}

fn explore(
    cursors: Vec<Cursor<'_, '_>>,
    fields: &[(String, bool)],
    collation: Option<&Collation>,
    best: &mut Option<Vec<u8>>,
) -> Result<()> {
    let mut advanced = Vec::with_capacity(cursors.len());
    let mut array: Option<&RawArray> = None;
    for cursor in cursors {
        let cursor = advance(cursor, collation)?;
        if let Cursor::At(RawBsonRef::Array(found), _) = cursor {
            let same = |known: &RawArray| std::ptr::eq(known.as_bytes(), found.as_bytes());
            if array.is_some_and(|known| !same(known)) {
                return Err(MqlError::bad_value("cannot sort with keys that are parallel arrays"));
            }
            array = Some(found);
        }
        advanced.push(cursor);
    }
    let Some(array) = array else {
        offer(advanced, fields, best);
        return Ok(());
    };
    let elements = array.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    if elements.is_empty() {
        let empty = advanced.into_iter().map(in_empty).collect();
        return explore(empty, fields, collation, best);
    }
    for element in &elements {
        let inside = |cursor| in_element(cursor, *element, &elements, collation);
        explore(advanced.iter().map(inside).collect(), fields, collation, best)?;
    }
    Ok(())
}

/// Follows a path through embedded documents, to its end or to an array.
fn advance<'d, 'p>(
    mut cursor: Cursor<'d, 'p>,
    collation: Option<&Collation>,
) -> Result<Cursor<'d, 'p>> {
    while let Cursor::At(value, parts) = cursor {
        cursor = match (value, parts) {
            (RawBsonRef::Array(_), _) => return Ok(cursor),
            (RawBsonRef::Document(doc), [first, rest @ ..]) => match doc.get(&first.name)? {
                Some(inner) => Cursor::At(inner, rest),
                None => Cursor::Done(key::missing()),
            },
            (value, []) => Cursor::Done(key::encode_in(value, collation)),
            _ => Cursor::Done(key::missing()),
        };
    }
    Ok(cursor)
}

/// An empty array at the end of a path sorts before null; inside of one nothing is found.
fn in_empty<'d, 'p>(cursor: Cursor<'d, 'p>) -> Cursor<'d, 'p> {
    match cursor {
        Cursor::At(_, []) => Cursor::Done(vec![bracket::UNDEFINED]),
        Cursor::At(..) => Cursor::Done(key::missing()),
        done => done,
    }
}

/// Where a field stands for one element of the array that it leads through.
fn in_element<'d, 'p>(
    cursor: &Cursor<'d, 'p>,
    element: RawBsonRef<'d>,
    elements: &[RawBsonRef<'d>],
    collation: Option<&Collation>,
) -> Cursor<'d, 'p> {
    let Cursor::At(_, parts) = cursor else { return cursor.clone() };
    let Some((first, rest)) = parts.split_first() else {
        // Elements that are arrays are values here: one level is entered, no more.
        return Cursor::Done(key::encode_in(element, collation));
    };
    if let Some(selected) = first.index.and_then(|index| elements.get(index)) {
        return match rest {
            [] => Cursor::Done(key::encode_in(*selected, collation)),
            _ => Cursor::At(*selected, rest),
        };
    }
    match element {
        RawBsonRef::Document(_) => Cursor::At(element, parts),
        _ => Cursor::Done(key::missing()),
    }
}

fn offer(cursors: Vec<Cursor<'_, '_>>, fields: &[(String, bool)], best: &mut Option<Vec<u8>>) {
    let mut candidate = Vec::with_capacity(16 * cursors.len());
    for (cursor, (_, ascending)) in cursors.into_iter().zip(fields) {
        if let Cursor::Done(part) = cursor {
            super::push(&mut candidate, part, *ascending);
        }
    }
    if best.as_ref().is_none_or(|best| candidate < *best) {
        *best = Some(candidate);
    }
}
