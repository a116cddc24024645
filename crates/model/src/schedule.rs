//! When an archive may run. Times are UTC and carry no zone, as in the Admin API.

/// Hour and minute, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl TimeOfDay {
    const fn minutes(self) -> u16 {
        self.hour as u16 * 60 + self.minute as u16
    }
}

/// A daily span; an end at or before the start means the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First minute in which a run may start.
    pub start: TimeOfDay,
    /// First minute in which none may start.
    pub end: TimeOfDay,
}

/// Why a schedule was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// Shorter than two hours.
    #[error("the window from start to end must last at least two hours")]
    WindowTooShort,
    /// An hour or minute out of range.
    #[error("hours go from 0 to 23 and minutes from 0 to 59")]
    TimeOutOfRange,
    /// `dayOfWeek` out of range.
    #[error("dayOfWeek goes from 1 (Monday) to 7 (Sunday)")]
    DayOfWeek,
    /// `dayOfMonth` out of range.
    #[error("dayOfMonth goes from 1 to 31")]
    DayOfMonth,
}

const DAY_MINUTES: u16 = 24 * 60;
const WINDOW_MINUTES_MIN: u16 = 120;

impl Window {
    /// Checks the ranges and the minimum of two hours (Admin API, schema `OnlineArchiveSchedule`).
    ///
    /// # Errors
    /// [`InvalidSchedule`] naming the rule.
    pub fn new(start: TimeOfDay, end: TimeOfDay) -> Result<Self, InvalidSchedule> {
        if [start, end].iter().any(|time| time.hour > 23 || time.minute > 59) {
            return Err(InvalidSchedule::TimeOutOfRange);
        }
        let window = Self { start, end };
        if window.length_minutes() < WINDOW_MINUTES_MIN {
            return Err(InvalidSchedule::WindowTooShort);
        }
        Ok(window)
    }

    /// Its length: 24 hours when start and end are the same.
    #[must_use]
    pub const fn length_minutes(self) -> u16 {
        let (start, end) = (self.start.minutes(), self.end.minutes());
        if end > start { end - start } else { end + DAY_MINUTES - start }
    }

    /// Minutes from `minute_of_day` back to the last start, when that is inside the window.
    const fn minutes_inside(self, minute_of_day: u16) -> Option<u16> {
        let start = self.start.minutes();
        let since = if minute_of_day >= start {
            minute_of_day - start
        } else {
            minute_of_day + DAY_MINUTES - start
        };
        if since < self.length_minutes() { Some(since) } else { None }
    }
}

/// When runs of an archive may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// At any time, at the default cadence.
    #[default]
    Default,
    /// Every day, inside the window.
    Daily(Window),
    /// On one day of the week (1 Monday to 7 Sunday), inside the window.
    Weekly(Window, u8),
    /// On one day of the month (1 to 31; shorter months are skipped), inside the window.
    Monthly(Window, u8),
}

impl Schedule {
    /// A weekly schedule.
    ///
    /// # Errors
    /// [`InvalidSchedule::DayOfWeek`] outside 1 to 7.
    pub fn weekly(window: Window, day_of_week: u8) -> Result<Self, InvalidSchedule> {
        if !(1..=7).contains(&day_of_week) {
            return Err(InvalidSchedule::DayOfWeek);
        }
        Ok(Self::Weekly(window, day_of_week))
    }

    /// A monthly schedule.
    ///
    /// # Errors
    /// [`InvalidSchedule::DayOfMonth`] outside 1 to 31.
    pub fn monthly(window: Window, day_of_month: u8) -> Result<Self, InvalidSchedule> {
        if !(1..=31).contains(&day_of_month) {
            return Err(InvalidSchedule::DayOfMonth);
        }
        Ok(Self::Monthly(window, day_of_month))
    }

    /// Whether a run may start at `now_ms`. The day is that on which the window began, so a window
    /// over midnight belongs to the day before.
    #[must_use]
    pub fn allows(&self, now_ms: i64) -> bool {
        let (window, day) = match *self {
            Self::Default => return true,
            Self::Daily(window) => (window, Day::Any),
            Self::Weekly(window, day) => (window, Day::OfWeek(day)),
            Self::Monthly(window, day) => (window, Day::OfMonth(day)),
        };
        let minute = now_ms.div_euclid(60_000);
        let minute_of_day = u16::try_from(minute.rem_euclid(i64::from(DAY_MINUTES))).unwrap_or(0);
        let Some(since) = window.minutes_inside(minute_of_day) else { return false };
        let started_day = (minute - i64::from(since)).div_euclid(i64::from(DAY_MINUTES));
        day.is(started_day)
    }
}

enum Day {
    Any,
    OfWeek(u8),
    OfMonth(u8),
}

impl Day {
    fn is(&self, epoch_day: i64) -> bool {
        match *self {
            Self::Any => true,
            // 1970-01-01 was a Thursday, day 4.
            Self::OfWeek(day) => (epoch_day + 3).rem_euclid(7) + 1 == i64::from(day),
            Self::OfMonth(day) => day_of_month(epoch_day) == i64::from(day),
        }
    }
}

/// Day of the month of a day counted from 1970-01-01 (proleptic Gregorian calendar).
fn day_of_month(epoch_day: i64) -> i64 {
    let z = epoch_day + 719_468;
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
}
