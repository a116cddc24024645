//! The hours in which archiving may burden a cluster: days of the week and a span of the day. Times are UTC,
//! as those of schedules are, and a span over midnight belongs to the day on which it began.

const DAY_MINUTES: u16 = 24 * 60;
const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// When moves may begin; by default always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadHours {
    days: [bool; 7],
    /// Minutes from midnight to the beginning.
    start: u16,
    /// From there to the end, 1 to 1440.
    length: u16,
}

impl Default for LoadHours {
    fn default() -> Self {
        Self::ALWAYS
    }
}

impl LoadHours {
    /// No limit.
    pub(crate) const ALWAYS: Self = Self { days: [true; 7], start: 0, length: DAY_MINUTES };

    /// From names of days (`MON` to `SUN`; none: every day) and times such as `01:30`. An end at or before
    /// the start means the next day, so equal ones mean 24 hours.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn new(days: &[String], start: &str, end: &str) -> Result<Self, String> {
        let mut open = [days.is_empty(); 7];
        for day in days {
            let known = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day));
            open[known.ok_or_else(|| format!("{day} is no day: MON to SUN"))?] = true;
        }
        let (start, end) = (minutes(start)?, minutes(end)?);
        let length = if end > start { end - start } else { end + DAY_MINUTES - start };
        Ok(Self { days: open, start, length })
    }

    /// Whether a move may begin at a time.
    #[must_use]
    pub fn allows(&self, now_ms: i64) -> bool {
        let day_minutes = i64::from(DAY_MINUTES);
        let minute = now_ms.div_euclid(60_000);
        let since = (minute - i64::from(self.start)).rem_euclid(day_minutes);
        if since >= i64::from(self.length) {
            return false;
        }
        // 1970-01-01 was a Thursday.
        let day = ((minute - since).div_euclid(day_minutes) + 3).rem_euclid(7);
        usize::try_from(day).is_ok_and(|day| self.days[day])
    }
}

/// Minutes from midnight to `HH:MM`.
fn minutes(text: &str) -> Result<u16, String> {
    let no_time = || format!("{text} is no time: HH:MM, 00:00 to 23:59");
    let (hour, minute) = text.split_once(':').ok_or_else(no_time)?;
    let number = |digits: &str, max: u16| {
        let number = digits.parse::<u16>().ok().filter(|number| *number <= max);
        number.filter(|_| digits.len() == 2).ok_or_else(no_time)
    };
    Ok(number(hour, 23)? * 60 + number(minute, 59)?)
}

impl std::fmt::Display for LoadHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = DAYS.iter().zip(self.days).filter_map(|(name, open)| open.then_some(*name));
        let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
        let (start, end) = (time(self.start), time(self.start + self.length));
        write!(f, "{} {start} to {end} UTC", days.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    /// Thursday.
    const THURSDAY_MS: i64 = 0;

    fn hours(days: &[&str], start: &str, end: &str) -> LoadHours {
        let days: Vec<String> = days.iter().map(|day| (*day).to_owned()).collect();
        LoadHours::new(&days, start, end).expect("hours")
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_on_which_it_began() {
        let hours = hours(&["THU", "sat"], "22:00", "02:30");
        let open: Vec<i64> =
            (0..96).filter(|hour| hours.allows(THURSDAY_MS + hour * HOUR_MS)).collect();
        assert_eq!(open, [22, 23, 24, 25, 26, 70, 71, 72, 73, 74]);
        assert_eq!(hours.to_string(), "THU, SAT 22:00 to 02:30 UTC");
    }

    #[test]
    fn nothing_said_is_always() {
        let always = hours(&[], "00:00", "00:00");
        assert_eq!(always, LoadHours::default());
        assert!((0..200).all(|hour| always.allows(hour * HOUR_MS)));
        let weekend = hours(&["SAT", "SUN"], "00:00", "00:00");
        let open = (0..7 * 24).filter(|hour| weekend.allows(THURSDAY_MS + hour * HOUR_MS)).count();
        assert_eq!(open, 48);
        assert!(!weekend.allows(-1), "a Wednesday before 1970");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (day, start) in [("SATURDAY", "01:00"), ("SAT", "24:00"), ("SAT", "1:00"), ("SAT", "x")]
        {
            assert!(LoadHours::new(&[day.to_owned()], start, "05:00").is_err(), "{day} {start}");
        }
    }
}
