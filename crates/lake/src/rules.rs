//! An archive's rules as one table property: they last as long as the data, whatever becomes of the
//! control database.

use portolan_model::{ArchiveRules, ExpiryRule, Hold};
use serde::{Deserialize, Serialize};

use crate::LakeError;

/// The property's name.
pub(crate) const PROPERTY: &str = "portolan.rules";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: i64,
    expire_after_days: Option<i32>,
    expiry_set_at_ms: Option<i64>,
    hold: Option<StoredHold>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredHold {
    reason: String,
    placed_by: String,
    placed_at_ms: i64,
}

/// The property's value.
pub(crate) fn to_property(rules: &ArchiveRules) -> String {
    let hold = rules.hold.as_ref().map(|hold| StoredHold {
        reason: hold.reason.clone(),
        placed_by: hold.placed_by.clone(),
        placed_at_ms: hold.placed_at,
    });
    let stored = Stored {
        version: rules.version,
        expire_after_days: rules.expiry.map(|rule| rule.expire_after_days),
        expiry_set_at_ms: rules.expiry.map(|rule| rule.set_at),
        hold,
    };
    serde_json::to_string(&stored).expect("numbers and texts always serialize")
}

/// Reads the property; a table from before there were rules has none.
pub(crate) fn of_property(text: Option<&str>) -> Result<ArchiveRules, LakeError> {
    let Some(text) = text else { return Ok(ArchiveRules::default()) };
    let stored: Stored = serde_json::from_str(text)
        .map_err(|error| LakeError::Unsupported(format!("property {PROPERTY}: {error}")))?;
    let expiry = stored.expire_after_days.zip(stored.expiry_set_at_ms);
    Ok(ArchiveRules {
        version: stored.version,
        expiry: expiry.map(|(expire_after_days, set_at)| ExpiryRule { expire_after_days, set_at }),
        hold: stored.hold.map(|hold| Hold {
            reason: hold.reason,
            placed_by: hold.placed_by,
            placed_at: hold.placed_at_ms,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back_and_broken_ones_are_refused() {
        let hold = Hold { reason: "case \"7\"".into(), placed_by: "x".into(), placed_at: 9 };
        let expiry = Some(ExpiryRule { expire_after_days: 7, set_at: 5 });
        for rules in [
            ArchiveRules::default(),
            ArchiveRules { version: 3, expiry, hold: None },
            ArchiveRules { version: 4, expiry: None, hold: Some(hold) },
        ] {
            assert_eq!(of_property(Some(&to_property(&rules))).unwrap(), rules);
        }
        assert_eq!(of_property(None).unwrap(), ArchiveRules::default());
        assert!(matches!(of_property(Some("7 days")), Err(LakeError::Unsupported(_))));
    }
}
