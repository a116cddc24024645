//! The federated database instances that a cluster's archives bring along: one that shows the archives
//! alone, one that shows cluster and archives as one. Atlas makes the same two
//! (<https://www.mongodb.com/docs/atlas/online-archive/manage-online-archive/>); their names here follow
//! the host names that it gives them.

use std::str::FromStr;

const BOTH: &str = "atlas-online-archive-";
const ARCHIVE_ONLY: &str = "archived-atlas-online-archive-";

/// Such an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveTenant {
    /// The cluster, by its name in the project.
    pub cluster_name: String,
    /// Whether it shows the archives alone.
    pub archive_only: bool,
}

impl ArchiveTenant {
    /// Its name, `tenantName` on the wire.
    #[must_use]
    pub fn name(&self) -> String {
        let prefix = if self.archive_only { ARCHIVE_ONLY } else { BOTH };
        format!("{prefix}{}", self.cluster_name)
    }

    /// Reads a name; `None` when no cluster's instance can be called so.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (archive_only, cluster_name) = match name.strip_prefix(ARCHIVE_ONLY) {
            Some(rest) => (true, rest),
            None => (false, name.strip_prefix(BOTH)?),
        };
        let cluster_name = cluster_name.to_owned();
        (!cluster_name.is_empty()).then_some(Self { cluster_name, archive_only })
    }
}

/// Limits of what queries read (Admin API, `limitName` of a federated database instance).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueryLimitName {
    /// Of one query.
    Query,
    /// Of one day, UTC.
    Daily,
    /// Of one week, which begins on Monday.
    Weekly,
    /// Of one month.
    Monthly,
}

impl QueryLimitName {
    /// Every name.
    pub const ALL: [Self; 4] = [Self::Query, Self::Daily, Self::Weekly, Self::Monthly];

    /// On the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "bytesProcessed.query",
            Self::Daily => "bytesProcessed.daily",
            Self::Weekly => "bytesProcessed.weekly",
            Self::Monthly => "bytesProcessed.monthly",
        }
    }

    /// The first day of the period that holds `day`, both in days since the epoch; `None` for the
    /// limit of one query.
    #[must_use]
    pub fn first_day(self, day: i64) -> Option<i64> {
        match self {
            Self::Query => None,
            Self::Daily => Some(day),
            // Day 0 of the epoch was a Thursday.
            Self::Weekly => Some(day - (day + 3).rem_euclid(7)),
            Self::Monthly => Some(day - day_of_month(day) + 1),
        }
    }
}

impl FromStr for QueryLimitName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or("no limit of that name")
    }
}

/// 1 to 31, by the civil calendar (the algorithm of <https://howardhinnant.github.io/date_algorithms.html>,
/// `civil_from_days`).
fn day_of_month(day: i64) -> i64 {
    let shifted = day + 719_468;
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
}

/// What happens when a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverrunPolicy {
    /// New queries are refused, running ones go on.
    #[default]
    Block,
    /// New queries are refused, running ones end with an error.
    BlockAndKill,
}

impl OverrunPolicy {
    /// On the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "BLOCK",
            Self::BlockAndKill => "BLOCK_AND_KILL",
        }
    }
}

impl FromStr for OverrunPolicy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Block, Self::BlockAndKill]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or("no policy of that name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (archive_only, name) in
            [(true, "archived-atlas-online-archive-C0"), (false, "atlas-online-archive-C0")]
        {
            let tenant = ArchiveTenant { cluster_name: "C0".into(), archive_only };
            assert_eq!(tenant.name(), name);
            assert_eq!(ArchiveTenant::parse(name), Some(tenant));
        }
        for name in ["", "C0", "atlas-online-archive-", "archived-atlas-online-archive-"] {
            assert_eq!(ArchiveTenant::parse(name), None, "{name}");
        }
    }

    #[test]
    fn periods_begin_on_their_first_day() {
        // 2024-02-29 was a Thursday, 19,782 days after the epoch.
        let day = 19_782;
        assert_eq!(QueryLimitName::Query.first_day(day), None);
        assert_eq!(QueryLimitName::Daily.first_day(day), Some(day));
        assert_eq!(QueryLimitName::Weekly.first_day(day), Some(day - 3));
        assert_eq!(QueryLimitName::Monthly.first_day(day), Some(day - 28));
        assert_eq!(QueryLimitName::Monthly.first_day(day + 1), Some(day + 1), "2024-03-01");
        assert_eq!(QueryLimitName::Weekly.first_day(day - 3), Some(day - 3), "a Monday");
        assert_eq!(QueryLimitName::Weekly.first_day(day - 4), Some(day - 10), "a Sunday");
        assert_eq!(QueryLimitName::Monthly.first_day(0), Some(0), "1970-01-01");
    }
}
