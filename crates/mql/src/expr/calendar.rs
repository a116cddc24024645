//! The proleptic Gregorian calendar over epoch milliseconds, for every date BSON can hold.
//!
//! Days are converted by era arithmetic (400 years have 146,097 days). Time zones are UTC and fixed
//! offsets; named zones would need the Olson database, which this crate does not carry.

use crate::{MqlError, Result};

pub(crate) const DAY_MS: i64 = 86_400_000;
const DAYS_OF_ERA: i64 = 146_097;

/// A date and time of day in some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    /// Milliseconds since midnight.
    pub(crate) time_ms: i64,
}

impl Civil {
    /// The date of a local time, given as milliseconds since the local epoch.
    pub(crate) fn of(ms: i64) -> Self {
        let (year, month, day) = date_of_day(ms.div_euclid(DAY_MS));
        Self { year, month, day, time_ms: ms.rem_euclid(DAY_MS) }
    }

    /// Milliseconds since the local epoch; fields out of range carry over.
    pub(crate) fn to_ms(self) -> Option<i64> {
        let months = self.year.checked_mul(12)?.checked_add(self.month - 1)?;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        if year.abs() > 300_000_000 {
            return None;
        }
        let days = day_of_date(year, month, 1).checked_add(self.day - 1)?;
        days.checked_mul(DAY_MS)?.checked_add(self.time_ms)
    }

    pub(crate) fn hour(self) -> i64 {
        self.time_ms / 3_600_000
    }

    pub(crate) fn minute(self) -> i64 {
        self.time_ms / 60_000 % 60
    }

    pub(crate) fn second(self) -> i64 {
        self.time_ms / 1_000 % 60
    }

    pub(crate) fn millisecond(self) -> i64 {
        self.time_ms % 1_000
    }

    fn epoch_day(self) -> i64 {
        day_of_date(self.year, self.month, self.day)
    }

    /// 0 is Sunday.
    pub(crate) fn weekday(self) -> i64 {
        (self.epoch_day() + 4).rem_euclid(7)
    }

    /// 1 to 366.
    pub(crate) fn day_of_year(self) -> i64 {
        self.epoch_day() - day_of_date(self.year, 1, 1) + 1
    }

    /// The week of the year that starts on Sunday, 0 before the first Sunday.
    pub(crate) fn week(self) -> i64 {
        (self.day_of_year() - 1 + 7 - self.weekday()) / 7
    }

    /// The ISO week and the year it belongs to.
    pub(crate) fn iso_week(self) -> (i64, i64) {
        let monday_based = (self.weekday() + 6) % 7;
        let thursday = self.epoch_day() - monday_based + 3;
        let (year, ..) = date_of_day(thursday);
        ((thursday - day_of_date(year, 1, 1)) / 7 + 1, year)
    }
}

/// The number of days of a month.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    day_of_date(next.0, next.1, 1) - day_of_date(year, month, 1)
}

/// Days since 1970-01-01 of a date.
pub(crate) fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    // The year starts in March, so that the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_OF_ERA + day_of_era - 719_468
}

fn date_of_day(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(DAYS_OF_ERA);
    let doe = day.rem_euclid(DAYS_OF_ERA);
    let year_of_era = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let day_of_year = doe - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A fixed offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) offset_minutes: i64,
}

impl Zone {
    pub(crate) const UTC: Self = Self { offset_minutes: 0 };

    /// `UTC`, `GMT`, `Z`, `+02:00`, `+0200`, `+02`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if matches!(text, "UTC" | "GMT" | "Z" | "Etc/UTC" | "Etc/GMT" | "Zulu") {
            return Ok(Self::UTC);
        }
        if text.is_empty() {
            return Err(MqlError::new(40485, "unrecognized time zone identifier: \"\""));
        }
        match offset(text) {
            Some(offset_minutes) => Ok(Self { offset_minutes }),
            None => Err(MqlError::not_implemented(format!("the named time zone \"{text}\""))),
        }
    }

    pub(crate) fn to_local(self, ms: i64) -> i64 {
        ms.saturating_add(self.offset_minutes * 60_000)
    }

    pub(crate) fn to_utc(self, local_ms: i64) -> Option<i64> {
        local_ms.checked_sub(self.offset_minutes * 60_000)
    }
}

fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits = digits.replacen(':', "", 1);
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = match digits.len() {
        _ if !all_digits => return None,
        2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?))
}
