//! Expiry: which files and rows are past their time, and what remains of files that are so in part.
//!
//! A whole file leaves the table where its month and its statistics prove that every row in it is
//! past; a file in which only some rows are is written again without them. A document without a
//! usable date never expires by date. Nothing is committed here.

use crate::layout::{ARCHIVED_AT, Kind, SUPERSEDED_BY};
use crate::read::StoredRow;
use crate::{DataFile, LakeError, Staged, Table, Version, month};

/// What has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryCut {
    /// Documents whose date is at or before this time have expired; in archives whose criteria know
    /// no date, documents archived at or before it.
    pub expired_until_ms: i64,
    /// Of those, only documents archived before this time.
    pub archived_before_ms: i64,
}

/// What would leave a table.
#[derive(Debug, Clone, Default)]
pub struct ExpiryPlan {
    /// Files in which everything has expired.
    pub whole: Vec<DataFile>,
    /// Files in which some of it may have.
    pub mixed: Vec<DataFile>,
}

impl ExpiryPlan {
    /// Whether no file can hold anything that has expired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.mixed.is_empty()
    }
}

/// What remains once the expired rows are left out.
#[derive(Debug, Clone, Default)]
pub struct Unexpired {
    /// Files to leave the table.
    pub removes: Vec<DataFile>,
    /// Uploaded files that hold what remains of them; to be verified before they are committed.
    pub staged: Staged,
    /// Expired rows.
    pub documents: u64,
}

enum Verdict {
    Keeps,
    Whole,
    Mixed,
}

impl Table {
    /// Looks at the files of a version by month and statistics alone. Rows above the last confirmed
    /// move are never part of it.
    #[must_use]
    pub fn expiry_plan(&self, version: &Version, cut: &ExpiryCut) -> ExpiryPlan {
        let mut plan = ExpiryPlan::default();
        for file in &version.files {
            match self.judge(version, file, cut) {
                Verdict::Keeps => {}
                Verdict::Whole => plan.whole.push(file.clone()),
                Verdict::Mixed => plan.mixed.push(file.clone()),
            }
        }
        plan
    }

    /// Bounds of the dates in a file, rounded outward to what its month and statistics tell; `None`:
    /// its documents have no usable date, or the archive knows none.
    #[must_use]
    pub fn dates(&self, file: &DataFile) -> Option<(i64, i64)> {
        self.spec().month.as_ref()?;
        self.dates_of(file, (0, 0))
    }

    fn judge(&self, version: &Version, file: &DataFile, cut: &ExpiryCut) -> Verdict {
        if file.seq_max > version.confirmed {
            return Verdict::Keeps;
        }
        let Some(archived) = file.stats.times_ms(ARCHIVED_AT) else { return Verdict::Mixed };
        if archived.0 >= cut.archived_before_ms {
            return Verdict::Keeps;
        }
        let dates = self.dates_of(file, archived);
        let past = dates.is_some_and(|(_, last)| last <= cut.expired_until_ms);
        if past && archived.1 < cut.archived_before_ms {
            return Verdict::Whole;
        }
        let none_past = dates.is_none_or(|(first, _)| first > cut.expired_until_ms);
        let flagged = file.stats.may_be_set(SUPERSEDED_BY);
        if none_past && !flagged { Verdict::Keeps } else { Verdict::Mixed }
    }

    /// Bounds of what counts as the date of every row in a file, rounded outward; `None`: none of
    /// its rows has a date.
    fn dates_of(&self, file: &DataFile, archived: (i64, i64)) -> Option<(i64, i64)> {
        let Some(spec) = &self.spec().month else { return Some(archived) };
        let month = month::bounds_ms(file.month.as_deref()?)?;
        // Every row is of the month; where the date is a column of times, its bounds may be closer.
        let typed = self.date_column(&spec.path).and_then(|name| {
            let complete = !file.stats.may_be_null(name);
            complete.then(|| file.stats.times_ms(name)).flatten()
        });
        Some(typed.map_or(month, |(min, max)| (min.max(month.0), max.min(month.1))))
    }

    /// The readable column of the date, where it holds times.
    fn date_column(&self, path: &str) -> Option<&str> {
        let place = self.spec().partition_paths.iter().position(|known| known == path)?;
        let keys = 2 + self.spec().partition_paths.len();
        let column = self.layout().derived().get(keys + place)?;
        (column.kind == Kind::Timestamp).then_some(column.name.as_str())
    }

    /// Reads the mixed files of a plan and writes what remains of them.
    ///
    /// # Errors
    /// Storage errors; [`LakeError::InputGone`] when a file is not in `version`.
    pub async fn leave_out_expired(
        &self,
        version: &Version,
        plan: &ExpiryPlan,
        cut: &ExpiryCut,
    ) -> Result<Unexpired, LakeError> {
        let documents = plan.whole.iter().map(|file| file.rows).sum();
        let mut left = Unexpired { removes: plan.whole.clone(), documents, ..Unexpired::default() };
        for file in &plan.mixed {
            let mut rows = self.all_rows(file).await?;
            rows.retain(|row| !self.has_expired(version, row, cut));
            let expired = file.rows - rows.len() as u64;
            if expired > 0 {
                left.documents += expired;
                left.removes.push(file.clone());
                self.write_rows(version, rows, &mut left.staged).await?;
            }
        }
        Ok(left)
    }

    /// How many rows of the mixed files have expired.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn count_expired(
        &self,
        version: &Version,
        plan: &ExpiryPlan,
        cut: &ExpiryCut,
    ) -> Result<u64, LakeError> {
        let mut count = plan.whole.iter().map(|file| file.rows).sum();
        for file in &plan.mixed {
            let rows = self.all_rows(file).await?;
            count += rows.iter().filter(|row| self.has_expired(version, row, cut)).count() as u64;
        }
        Ok(count)
    }

    /// A row that a hold kept although a newer one took its place goes without regard to its age.
    fn has_expired(&self, version: &Version, row: &StoredRow, cut: &ExpiryCut) -> bool {
        let place = row.place;
        let archived_before_us = cut.archived_before_ms.saturating_mul(1_000);
        if place.seq > version.confirmed || place.archived_at_us >= archived_before_us {
            return false;
        }
        let date_ms = match &self.spec().month {
            Some(spec) => month::date_ms(&row.doc, spec),
            None => Some(place.archived_at_us.div_euclid(1_000)),
        };
        place.superseded_by.is_some() || date_ms.is_some_and(|ms| ms <= cut.expired_until_ms)
    }
}
