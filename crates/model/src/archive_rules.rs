//! What an operator set for an archive's data: when it expires, and whether it is held. These rules
//! stand in the control database and in the archive's table; where the two differ, the stricter one
//! counts, so that a control database that was restored to an older state destroys nothing.

use crate::EpochMs;

/// The rules of one archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveRules {
    /// Rises with each change, so that the older of two copies is known.
    pub version: i64,
    /// When archived documents expire; `None`: never.
    pub expiry: Option<ExpiryRule>,
    /// A hold: nothing is removed while it stands.
    pub hold: Option<Hold>,
}

/// Archived documents expire after so many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryRule {
    /// Age in days (Admin API, `dataExpirationRule.expireAfterDays`).
    pub expire_after_days: i32,
    /// When the rule was set. It takes effect a day later (Atlas documentation, "Configure Online
    /// Archive", data expiration).
    pub set_at: EpochMs,
}

/// A hold on everything that an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Why, in the operator's words.
    pub reason: String,
    /// Who placed it.
    pub placed_by: String,
    /// When.
    pub placed_at: EpochMs,
}

impl ArchiveRules {
    /// The stricter of two copies: what only one of them allows to expire stays, and a hold in
    /// either counts.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        let expiry = self.expiry.zip(other.expiry).map(|(a, b)| ExpiryRule {
            expire_after_days: a.expire_after_days.max(b.expire_after_days),
            set_at: a.set_at.max(b.set_at),
        });
        Self {
            version: self.version.max(other.version),
            expiry,
            hold: self.hold.clone().or_else(|| other.hold.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(expire_after_days: i32, set_at: EpochMs) -> ArchiveRules {
        let expiry = Some(ExpiryRule { expire_after_days, set_at });
        ArchiveRules { version: 1, expiry, hold: None }
    }

    #[test]
    fn what_one_copy_keeps_is_kept() {
        let none = ArchiveRules::default();
        assert_eq!(expiry(7, 1).stricter(&none).expiry, None);
        assert_eq!(none.stricter(&expiry(7, 1)).expiry, None);
        let both = expiry(7, 5).stricter(&expiry(30, 1));
        assert_eq!(both.expiry, Some(ExpiryRule { expire_after_days: 30, set_at: 5 }));
    }

    #[test]
    fn a_hold_in_either_copy_counts() {
        let hold = Hold { reason: "case 7".into(), placed_by: "an owner".into(), placed_at: 3 };
        let held = ArchiveRules { hold: Some(hold), ..ArchiveRules::default() };
        assert!(held.stricter(&expiry(7, 1)).hold.is_some());
        assert!(expiry(7, 1).stricter(&held).hold.is_some());
        assert!(expiry(7, 1).stricter(&expiry(7, 1)).hold.is_none());
    }
}
