//! Regular expressions, by PCRE2 as MongoDB has them: `$` also matches before a final newline.

use bson::RawBsonRef;
use pcre2::bytes::{Regex, RegexBuilder};

use crate::{MqlError, Result};

/// A compiled pattern with its source, which a stored regular expression can equal.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    source: String,
    options: String,
}

impl Pattern {
    /// Compiles a pattern; options are any of `imsxu`.
    pub(crate) fn new(source: &str, options: &str) -> Result<Self> {
        if let Some(bad) = options.chars().find(|c| !"imsxu".contains(*c)) {
            let message = format!("invalid flag in regex options: {bad}");
            return Err(MqlError::new(51108, message));
        }
        let mut builder = RegexBuilder::new();
        builder.utf(true).jit_if_available(true);
        builder.caseless(options.contains('i')).multi_line(options.contains('m'));
        builder.dotall(options.contains('s')).extended(options.contains('x'));
        let regex = builder.build(source).map_err(|error| {
            MqlError::new(51091, format!("Regular expression is invalid: {error}"))
        })?;
        Ok(Self { regex, source: source.to_owned(), options: options.to_owned() })
    }

    /// Whether a string or symbol contains a match, or a stored pattern is this one.
    pub(crate) fn matches(&self, value: RawBsonRef<'_>) -> Result<bool> {
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => self.is_match(text),
            RawBsonRef::RegularExpression(other) => {
                Ok(other.pattern.as_str() == self.source && other.options.as_str() == self.options)
            }
            _ => Ok(false),
        }
    }

    pub(crate) fn is_match(&self, text: &str) -> Result<bool> {
        self.regex.is_match(text.as_bytes()).map_err(failed)
    }

    /// The compiled expression, for operators that need captures.
    pub(crate) fn regex(&self) -> &Regex {
        &self.regex
    }
}

/// A match that ran into PCRE2's limits has no answer.
pub(crate) fn failed(error: pcre2::Error) -> MqlError {
    MqlError::new(51156, format!("Error occurred while executing the regular expression: {error}"))
}
