//! `$unwind`: one document per element of an array.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::mutate::{set, split};
use crate::{MqlError, Result, path};

/// A parsed `$unwind`.
#[derive(Debug)]
pub(super) struct Unwind {
    text: String,
    path: Vec<String>,
    index: Option<Vec<String>>,
    preserve: bool,
}

impl Unwind {
    pub(super) fn parse(value: RawBsonRef<'_>) -> Result<Self> {
        let (field, index, preserve) = match value {
            RawBsonRef::String(field) => (field, None, false),
            RawBsonRef::Document(spec) => options(spec)?,
            _ => {
                let message = "expected either a string or an object as specification for $unwind";
                return Err(MqlError::new(15981, message));
            }
        };
        let Some(text) = field.strip_prefix('$').filter(|text| !text.is_empty()) else {
            let message =
                format!("path option to $unwind stage should be prefixed with a '$': {field}");
            return Err(MqlError::new(28818, message));
        };
        Ok(Self { text: text.to_owned(), path: split(text), index: index.map(split), preserve })
    }

    pub(super) fn apply(&self, doc: RawDocumentBuf) -> Result<Vec<RawDocumentBuf>> {
        match path::get(&doc, &self.text) {
            Some(RawBsonRef::Array(array)) => {
                let elements = array.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
                if elements.is_empty() && self.preserve {
                    return Ok(vec![self.numbered(set(&doc, &self.path, None)?, None)?]);
                }
                let numbered = elements.into_iter().zip(0_i64..);
                numbered
                    .map(|(element, index)| {
                        self.numbered(set(&doc, &self.path, Some(element))?, Some(index))
                    })
                    .collect()
            }
            None | Some(RawBsonRef::Null | RawBsonRef::Undefined) if !self.preserve => Ok(vec![]),
            _ => Ok(vec![self.numbered(doc, None)?]),
        }
    }

    fn numbered(&self, doc: RawDocumentBuf, index: Option<i64>) -> Result<RawDocumentBuf> {
        let Some(path) = &self.index else { return Ok(doc) };
        set(&doc, path, Some(index.map_or(RawBsonRef::Null, RawBsonRef::Int64)))
    }
}

fn options(spec: &RawDocument) -> Result<(&str, Option<&str>, bool)> {
    let (mut field, mut index, mut preserve) = (None, None, false);
    for option in spec {
        let (name, value) = option?;
        match (name.as_str(), value) {
            ("path", RawBsonRef::String(text)) => field = Some(text),
            ("includeArrayIndex", RawBsonRef::String(text))
                if !text.is_empty() && !text.starts_with('$') =>
            {
                index = Some(text);
            }
            ("preserveNullAndEmptyArrays", RawBsonRef::Boolean(keep)) => preserve = keep,
            (name, _) => {
                let message = format!("unrecognized or wrong option to $unwind stage: {name}");
                return Err(MqlError::new(28811, message));
            }
        }
    }
    let field = field.ok_or_else(|| MqlError::new(28812, "no path specified to $unwind stage"))?;
    Ok((field, index, preserve))
}
