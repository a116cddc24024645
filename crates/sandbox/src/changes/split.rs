//! `$changeStreamSplitLargeEvent`: an event that is larger than a document may be, in fragments
//! (<https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStreamSplitLargeEvent/>).

use bson::raw::{CStr, cstr};
use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::token::{Given, Place};
use crate::error::Failure;

/// Bytes that a fragment's own fields take at most.
const HEAD_BYTES: usize = 256;

/// The fragments of an event, each with a token of its own: together they have every field of it.
pub(super) fn fragments(
    event: &RawDocument,
    place: Place,
    bytes_max: usize,
) -> Result<Vec<(Place, RawDocumentBuf)>, Failure> {
    let mut parts = vec![RawDocumentBuf::new()];
    for field in event {
        let (name, value) = field?;
        if name.as_str() == "_id" {
            continue;
        }
        let size_bytes = size_of(name, value);
        let full = parts.last().is_some_and(|part| {
            !part.is_empty() && part.as_bytes().len() + size_bytes + HEAD_BYTES > bytes_max
        });
        if full {
            parts.push(RawDocumentBuf::new());
        }
        if let Some(part) = parts.last_mut() {
            part.append(name, value);
        }
    }
    let count = i32::try_from(parts.len()).unwrap_or(i32::MAX);
    let numbered = (1_u16..).zip(parts);
    numbered.map(|(number, part)| fragment(place, number, count, &part)).collect()
}

fn fragment(
    place: Place,
    number: u16,
    count: i32,
    part: &RawDocument,
) -> Result<(Place, RawDocumentBuf), Failure> {
    let last = i32::from(number) == count;
    let given = if last { Given::All } else { Given::Fragments(number) };
    let place = Place { given, ..place };
    let mut fragment = RawDocumentBuf::new();
    fragment.append(cstr!("_id"), place.token());
    let split = rawdoc! { "fragment": i32::from(number), "of": count };
    fragment.append(cstr!("splitEvent"), split);
    for field in part {
        let (name, value) = field?;
        fragment.append(name, value);
    }
    Ok((place, fragment))
}

fn size_of(name: &CStr, value: RawBsonRef<'_>) -> usize {
    let mut alone = RawDocumentBuf::new();
    alone.append(name, value);
    alone.as_bytes().len()
}
