//! Collations: how strings compare in a locale, by the Unicode collation algorithm of ICU4X.
//!
//! The options are those of the MongoDB manual's page "Collation". A collation gives strings sort
//! keys, so that comparing, grouping and indexing work on bytes as they do without one. Options
//! that the library does not have are refused by name. What is not here: which operators obey a
//! collation (filters, sorts, groups and comparisons do).

use std::fmt;
use std::sync::Arc;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, MaxVariable, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_locale_core::Locale;

use crate::number::Number;
use crate::{MqlError, Result, code, types};

/// Languages that MongoDB documents a collation for ("Collation Locales and Default Parameters").
const LANGUAGES: &[&str] = &[
    "af", "am", "ar", "as", "az", "be", "bg", "bn", "bo", "bs", "ca", "chr", "cs", "cy", "da",
    "de", "dsb", "dz", "ee", "el", "en", "eo", "es", "et", "fa", "fi", "fil", "fo", "fr", "ga",
    "gl", "gu", "ha", "haw", "he", "hi", "hr", "hsb", "hu", "hy", "id", "ig", "is", "it", "ja",
    "ka", "kk", "kl", "km", "kn", "ko", "kok", "ky", "lb", "lkt", "ln", "lo", "lt", "lv", "mk",
    "ml", "mn", "mr", "ms", "mt", "my", "nb", "ne", "nl", "nn", "om", "or", "pa", "pl", "ps", "pt",
    "ro", "ru", "se", "si", "sk", "sl", "smn", "sq", "sr", "sv", "sw", "ta", "te", "th", "to",
    "tr", "ug", "uk", "ur", "vi", "wae", "wo", "xh", "yi", "yo", "zh", "zu",
];

/// The order of strings in a locale. Cheap to clone.
#[derive(Clone)]
pub struct Collation(Arc<Inner>);

struct Inner {
    collator: CollatorBorrowed<'static>,
    spec: RawDocumentBuf,
}

/// The options of a collation, with the defaults of MongoDB's manual.
struct Options<'s> {
    locale: &'s str,
    strength: i64,
    case_level: bool,
    case_first: &'s str,
    numeric: bool,
    alternate: &'s str,
    max_variable: &'s str,
    normalization: bool,
}

impl Collation {
    /// Reads a `collation`; `None` for the simple one.
    ///
    /// # Errors
    /// Unknown options and locales; code 238 for what is not implemented.
    pub fn parse(spec: &RawDocument) -> Result<Option<Self>> {
        let options = Options::read(spec)?;
        if options.locale == "simple" {
            return Ok(None);
        }
        let mut preferences = CollatorPreferences::from(&locale(options.locale)?);
        if options.numeric {
            preferences.numeric_ordering = Some(CollationNumericOrdering::True);
        }
        preferences.case_first = match options.case_first {
            "upper" => Some(CollationCaseFirst::Upper),
            "lower" => Some(CollationCaseFirst::Lower),
            _ => None,
        };
        let collator = CollatorBorrowed::try_new(preferences, options.for_library())
            .map_err(|error| MqlError::bad_value(format!("collation: {error}")))?;
        Ok(Some(Self(Arc::new(Inner { collator, spec: options.document() }))))
    }

    /// Bytes that sort as the strings do, and are equal when the strings count as equal.
    pub(crate) fn key(&self, text: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(2 * text.len());
        let Ok(()) = self.0.collator.write_sort_key_to(text, &mut key);
        key
    }

    /// The collation with all of its options, as `listIndexes` and `listCollections` show it.
    #[must_use]
    pub fn spec(&self) -> &RawDocument {
        &self.0.spec
    }
}

impl<'s> Options<'s> {
    fn read(spec: &'s RawDocument) -> Result<Self> {
        let mut options = Self {
            locale: "",
            strength: 3,
            case_level: false,
            case_first: "off",
            numeric: false,
            alternate: "non-ignorable",
            max_variable: "punct",
            normalization: false,
        };
        for option in spec {
            let (name, value) = option?;
            let name = name.as_str();
            match name {
                "locale" => options.locale = text(name, value)?,
                "strength" => options.strength = strength(value)?,
                "caseLevel" => options.case_level = flag(name, value)?,
                "caseFirst" => {
                    options.case_first = one_of(name, value, &["off", "upper", "lower"])?
                }
                "numericOrdering" => options.numeric = flag(name, value)?,
                "alternate" => {
                    options.alternate = one_of(name, value, &["non-ignorable", "shifted"])?;
                }
                "maxVariable" => options.max_variable = one_of(name, value, &["punct", "space"])?,
                "normalization" => options.normalization = flag(name, value)?,
                "backwards" if !flag(name, value)? => {}
                "backwards" => return Err(MqlError::not_implemented("collation.backwards")),
                "version" => {}
                _ => {
                    let message = format!("BSON field 'collation.{name}' is an unknown field.");
                    return Err(MqlError::new(40415, message));
                }
            }
        }
        if options.locale.is_empty() {
            let message = "BSON field 'collation.locale' is missing but a required field";
            return Err(MqlError::new(40414, message));
        }
        Ok(options)
    }

    fn for_library(&self) -> CollatorOptions {
        let mut options = CollatorOptions::default();
        options.strength = Some(match self.strength {
            1 => Strength::Primary,
            2 => Strength::Secondary,
            3 => Strength::Tertiary,
            4 => Strength::Quaternary,
            _ => Strength::Identical,
        });
        options.case_level = Some(if self.case_level { CaseLevel::On } else { CaseLevel::Off });
        options.alternate_handling = Some(match self.alternate {
            "shifted" => AlternateHandling::Shifted,
            _ => AlternateHandling::NonIgnorable,
        });
        options.max_variable = Some(match self.max_variable {
            "space" => MaxVariable::Space,
            _ => MaxVariable::Punctuation,
        });
        options
    }

    fn document(&self) -> RawDocumentBuf {
        rawdoc! {
            "locale": self.locale,
            "caseLevel": self.case_level,
            "caseFirst": self.case_first,
            "strength": i32::try_from(self.strength).unwrap_or(3),
            "numericOrdering": self.numeric,
            "alternate": self.alternate,
            "maxVariable": self.max_variable,
            "normalization": self.normalization,
            "backwards": false,
            "version": "57.1",
        }
    }
}

fn locale(name: &str) -> Result<Locale> {
    let unknown = || {
        let message = format!("Field 'locale' is invalid in: {{ locale: \"{name}\" }}");
        MqlError::bad_value(message)
    };
    if name.contains('@') {
        return Err(MqlError::not_implemented(format!("the collation locale '{name}'")));
    }
    let language = name.split(['_', '-']).next().unwrap_or(name);
    if !LANGUAGES.contains(&language) {
        return Err(unknown());
    }
    name.replace('_', "-").parse().map_err(|_| unknown())
}

fn text<'s>(name: &str, value: RawBsonRef<'s>) -> Result<&'s str> {
    value.as_str().ok_or_else(|| wrong_type(name, value, "string"))
}

fn flag(name: &str, value: RawBsonRef<'_>) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong_type(name, value, "bool"))
}

fn one_of<'s>(name: &str, value: RawBsonRef<'s>, known: &[&str]) -> Result<&'s str> {
    let given = text(name, value)?;
    if known.contains(&given) {
        return Ok(given);
    }
    let message =
        format!("Enumeration value '{given}' for field 'collation.{name}' is not a valid value.");
    Err(MqlError::new(code::BAD_VALUE, message))
}

fn strength(value: RawBsonRef<'_>) -> Result<i64> {
    match Number::of(value).and_then(Number::as_integer) {
        Some(strength @ 1..=5) => Ok(strength),
        Some(other) => {
            let message = format!(
                "Enumeration value '{other}' for field 'collation.strength' is not a valid value."
            );
            Err(MqlError::bad_value(message))
        }
        None => Err(wrong_type("strength", value, "int")),
    }
}

fn wrong_type(name: &str, value: RawBsonRef<'_>, expected: &str) -> MqlError {
    let message = format!(
        "BSON field 'collation.{name}' is the wrong type '{}', expected type '{expected}'",
        types::name_of(value)
    );
    MqlError::type_mismatch(message)
}

impl fmt::Debug for Collation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Collation").field(&self.0.spec).finish()
    }
}

/// Collations are the same when all of their options are.
impl PartialEq for Collation {
    fn eq(&self, other: &Self) -> bool {
        self.0.spec.as_bytes() == other.0.spec.as_bytes()
    }
}

#[cfg(test)]
mod tests;
