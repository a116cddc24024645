//! Dated media types: `application/vnd.atlas.2024-08-05+json`.
//!
//! A request names a date, the answer names the newest version of the resource that is not later
//! (<https://www.mongodb.com/docs/atlas/api/versioned-api-overview/>). Any well-formed date resolves;
//! a date before the first version, no date at all, or another format than the operation has, is
//! `INVALID_VERSION_DATE`, which the service answers with 406.

use std::fmt;
use std::str::FromStr;

use crate::error::{ErrorCode, Problem};

/// What names a version: a calendar day, or that it is a preview, which no day reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionDate(Name);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Day(jiff::civil::Date),
    Preview,
}

impl VersionDate {
    /// A version known at compile time.
    #[must_use]
    pub const fn constant(year: i16, month: i8, day: i8) -> Self {
        Self(Name::Day(jiff::civil::date(year, month, day)))
    }
}

/// 2023-01-01, the first.
pub const V2023_01_01: VersionDate = VersionDate::constant(2023, 1, 1);
/// 2023-02-01.
pub const V2023_02_01: VersionDate = VersionDate::constant(2023, 2, 1);
/// 2023-11-15.
pub const V2023_11_15: VersionDate = VersionDate::constant(2023, 11, 15);
/// 2024-05-30.
pub const V2024_05_30: VersionDate = VersionDate::constant(2024, 5, 30);
/// 2024-08-05.
pub const V2024_08_05: VersionDate = VersionDate::constant(2024, 8, 5);
/// 2024-10-23.
pub const V2024_10_23: VersionDate = VersionDate::constant(2024, 10, 23);
/// 2024-11-13.
pub const V2024_11_13: VersionDate = VersionDate::constant(2024, 11, 13);
/// 2025-02-19.
pub const V2025_02_19: VersionDate = VersionDate::constant(2025, 2, 19);
/// 2025-03-12.
pub const V2025_03_12: VersionDate = VersionDate::constant(2025, 3, 12);
/// `application/vnd.atlas.preview+json`.
pub const PREVIEW: VersionDate = VersionDate(Name::Preview);

impl FromStr for VersionDate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "preview" {
            return Ok(PREVIEW);
        }
        let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date = shaped.then(|| text.parse().ok()).flatten();
        date.map(|day| Self(Name::Day(day))).ok_or(())
    }
}

impl fmt::Display for VersionDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Name::Day(day) => fmt::Display::fmt(&day, f),
            Name::Preview => f.write_str("preview"),
        }
    }
}

/// What follows the `+` of a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON.
    Json,
    /// Gzip.
    Gzip,
    /// Comma-separated values.
    Csv,
}

impl Format {
    /// The suffix.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Gzip => "gzip",
            Self::Csv => "csv",
        }
    }
}

/// A dated media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaType {
    /// Its date.
    pub date: VersionDate,
    /// Its format.
    pub format: Format,
}

impl MediaType {
    /// Reads one media type, parameters such as `;charset=utf-8` left out of account. `None` for
    /// others, upcoming ones included: Portolan has none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or(text).trim();
        let rest = essence.strip_prefix("application/vnd.atlas.")?;
        let (date, format) = rest.split_once('+')?;
        let format = match format {
            "json" => Format::Json,
            "gzip" => Format::Gzip,
            "csv" => Format::Csv,
            _ => return None,
        };
        Some(Self { date: date.parse().ok()?, format })
    }

    /// Chooses the version of an operation for an `Accept` header.
    ///
    /// # Errors
    /// `INVALID_VERSION_DATE` when no part of the header resolves.
    pub fn resolve(
        accept: &str,
        versions: &[VersionDate],
        format: Format,
    ) -> Result<Self, Problem> {
        accept
            .split(',')
            .filter_map(Self::parse)
            .filter(|asked| asked.format == format)
            .find_map(|asked| newest_not_after(asked.date, versions))
            .map(|date| Self { date, format })
            .ok_or_else(invalid_version)
    }
}

/// The newest of `versions` that is not later than `date`. A preview has to be asked for by its name,
/// and whoever does wants nothing else.
#[must_use]
pub fn newest_not_after(date: VersionDate, versions: &[VersionDate]) -> Option<VersionDate> {
    if date == PREVIEW {
        return versions.contains(&PREVIEW).then_some(PREVIEW);
    }
    versions.iter().copied().filter(|version| *version <= date).max()
}

fn invalid_version() -> Problem {
    Problem::new(ErrorCode::InvalidVersionDate, "Invalid accept header or version date.")
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "application/vnd.atlas.{}+{}", self.date, self.format.as_str())
    }
}
