//! Dotted paths. (Skeleton.)
use bson::{RawBsonRef, RawDocument};

/// The value at a dotted path, through embedded documents only.
pub fn get<'a>(doc: &'a RawDocument, path: &str) -> Option<RawBsonRef<'a>> {
    match path.split_once('.') {
        None => doc.get(path).ok().flatten(),
        Some((first, rest)) => match doc.get(first) {
            Ok(Some(RawBsonRef::Document(inner))) => get(inner, rest),
            _ => None,
        },
    }
}

/// Whether the path runs into an array, at its end included.
pub fn has_array_on_path(doc: &RawDocument, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    match (doc.get(first), rest) {
        (Ok(Some(RawBsonRef::Array(_))), _) => true,
        (Ok(Some(RawBsonRef::Document(inner))), Some(rest)) => has_array_on_path(inner, rest),
        _ => false,
    }
}
