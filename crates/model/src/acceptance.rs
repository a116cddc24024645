//! What the operator of a suspended archive accepts.

use crate::{GuardLevel, SuspendReason};

/// The reasons that an operator accepts by name, and the level that he is content with. What is found
/// beside them keeps the archive suspended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acceptance {
    /// Reasons that need not go away.
    pub reasons: Vec<SuspendReason>,
    /// The lowest level that will do; needed for [`SuspendReason::LevelFell`] alone.
    pub level: Option<GuardLevel>,
}

impl Acceptance {
    /// Whether a reason is accepted, in a cluster of that level.
    #[must_use]
    pub fn covers(&self, reason: SuspendReason, level: GuardLevel) -> bool {
        let enough = match reason {
            SuspendReason::LevelFell => self.level.is_some_and(|lowest| lowest <= level),
            _ => true,
        };
        enough && self.reasons.contains(&reason)
    }
}
