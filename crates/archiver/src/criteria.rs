//! Which documents are cold: from an archive's criteria to a find filter, and the test that each
//! document read must pass again here.
//!
//! The filter is for the server, which may be lenient: `$lt` looks into arrays, and a path may run
//! through one. A document whose date is missing, an array, or of another type than the format says
//! is never a candidate, so DATE criteria are decided once more on the document itself.

use bson::raw::CString;
use bson::{Bson, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use portolan_cluster::guard;
use portolan_model::{Criteria, DateFormat, GuardLevel};
use portolan_mql::path;

use crate::ArchiverError;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Clocks that differ by more than this are not trusted with a cut-off.
pub(crate) const CLOCK_SPREAD_MAX_MS: i64 = 5 * 60 * 1000;

/// Criteria with everything that a run freezes.
#[derive(Debug, Clone)]
pub struct Frozen {
    filter: RawDocumentBuf,
    date: Option<DateTest>,
    /// The cut-off, for DATE criteria.
    pub cutoff_ms: Option<i64>,
}

#[derive(Debug, Clone)]
struct DateTest {
    field: String,
    bound: Bound,
}

/// What a document that the server found is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Not cold.
    Warm,
    /// To be archived.
    Cold,
    /// It cannot be archived, and why: it is counted, listed, and left where it is.
    Unfit(String),
}

/// A date is cold below this value, in the unit of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Date(i64),
    Long(i64),
    ObjectId([u8; 12]),
}

/// The least of our clock and the cluster's, when they agree.
///
/// # Errors
/// [`ArchiverError::ClocksDisagree`] when they are more than five minutes apart: a cut-off from a
/// wrong clock would archive what is not cold.
pub fn safe_now_ms(own_ms: i64, cluster_ms: i64) -> Result<i64, ArchiverError> {
    if own_ms.abs_diff(cluster_ms) > CLOCK_SPREAD_MAX_MS.unsigned_abs() {
        return Err(ArchiverError::ClocksDisagree { own_ms, cluster_ms });
    }
    Ok(own_ms.min(cluster_ms))
}

impl Frozen {
    /// Freezes criteria at a moment.
    ///
    /// # Errors
    /// [`ArchiverError::Invalid`] when a custom filter is no JSON object or is empty.
    pub fn new(criteria: &Criteria, now_ms: i64) -> Result<Self, ArchiverError> {
        match criteria {
            Criteria::Date { field, format, expire_after_days } => {
                let age_ms = i64::from(*expire_after_days).saturating_mul(DAY_MS);
                Self::date(field, *format, now_ms.saturating_sub(age_ms))
            }
            Criteria::Custom { query } => {
                Ok(Self { filter: parse_query(query)?, date: None, cutoff_ms: None })
            }
        }
    }

    fn date(field: &str, format: DateFormat, cutoff_ms: i64) -> Result<Self, ArchiverError> {
        let bound = Bound::new(format, cutoff_ms);
        let condition = rawdoc! {
            "$lt": bound.value(),
            "$type": bound.type_name(),
            "$not": { "$type": "array" },
        };
        let name = CString::try_from(field.to_owned())
            .map_err(|_| ArchiverError::Invalid("the date field holds a NUL".into()))?;
        let mut filter = RawDocumentBuf::new();
        filter.append(name, condition);
        let date = Some(DateTest { field: field.to_owned(), bound });
        Ok(Self { filter, date, cutoff_ms: Some(cutoff_ms) })
    }

    /// The filter for the server.
    #[must_use]
    pub fn filter(&self) -> &RawDocument {
        &self.filter
    }

    /// What is to be done with a document that the server found. One that cannot be read is told, too:
    /// whether it is cold is for the server alone to say.
    pub(crate) fn judge(&self, document: &RawDocument, level: GuardLevel) -> Judged {
        if self.is_candidate(document) {
            return guard::unguardable(document, level).map_or(Judged::Cold, Judged::Unfit);
        }
        guard::unreadable(document).map_or(Judged::Warm, Judged::Unfit)
    }

    /// Whether a document that the server found is a candidate.
    #[must_use]
    pub fn is_candidate(&self, document: &RawDocument) -> bool {
        self.date.as_ref().is_none_or(|date| date.is_cold(document))
    }
}

impl DateTest {
    fn is_cold(&self, document: &RawDocument) -> bool {
        if path::has_array_on_path(document, &self.field) {
            return false;
        }
        path::get(document, &self.field).is_some_and(|value| self.bound.is_above(value))
    }
}

impl Bound {
    fn new(format: DateFormat, cutoff_ms: i64) -> Self {
        match format {
            DateFormat::IsoDate => Self::Date(cutoff_ms),
            DateFormat::EpochMillis => Self::Long(cutoff_ms),
            DateFormat::EpochSeconds => Self::Long(ceil_seconds(cutoff_ms)),
            DateFormat::EpochNanos => Self::Long(cutoff_ms.saturating_mul(1_000_000)),
            DateFormat::ObjectId => {
                let seconds = ceil_seconds(cutoff_ms).clamp(0, i64::from(u32::MAX));
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                let mut id = [0; 12];
                id[..4].copy_from_slice(&seconds.to_be_bytes());
                Self::ObjectId(id)
            }
        }
    }

    fn value(self) -> RawBson {
        match self {
            Self::Date(ms) => RawBson::DateTime(bson::DateTime::from_millis(ms)),
            Self::Long(value) => RawBson::Int64(value),
            Self::ObjectId(id) => RawBson::ObjectId(id.into()),
        }
    }

    const fn type_name(self) -> &'static str {
        match self {
            Self::Date(_) => "date",
            Self::Long(_) => "long",
            Self::ObjectId(_) => "objectId",
        }
    }

    fn is_above(self, value: RawBsonRef<'_>) -> bool {
        match (self, value) {
            (Self::Date(bound), RawBsonRef::DateTime(date)) => date.timestamp_millis() < bound,
            (Self::Long(bound), RawBsonRef::Int64(value)) => value < bound,
            (Self::ObjectId(bound), RawBsonRef::ObjectId(id)) => id.bytes() < bound,
            _ => false,
        }
    }
}

/// Whole seconds are below the cut-off exactly when they are below its ceiling.
fn ceil_seconds(ms: i64) -> i64 {
    ms.div_euclid(1000) + i64::from(ms.rem_euclid(1000) > 0)
}

/// Reads a custom filter: JSON, plain or extended.
fn parse_query(query: &str) -> Result<RawDocumentBuf, ArchiverError> {
    let filter = parse_filter(query)?;
    if filter.is_empty() {
        let why = "the criteria query is empty and would archive everything";
        return Err(ArchiverError::Invalid(why.into()));
    }
    Ok(filter)
}

/// Reads any filter, the empty one included.
pub(crate) fn parse_filter(query: &str) -> Result<RawDocumentBuf, ArchiverError> {
    let invalid = |why: String| ArchiverError::Invalid(format!("the criteria query {why}"));
    let value: Bson =
        serde_json::from_str(query).map_err(|error| invalid(format!("is no JSON: {error}")))?;
    let Bson::Document(document) = value else {
        return Err(invalid("is no JSON object".into()));
    };
    RawDocumentBuf::try_from(&document).map_err(|error| invalid(format!("is no BSON: {error}")))
}

#[cfg(test)]
mod tests;
