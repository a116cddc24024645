//! Token buckets, bounded in number.

use std::collections::HashMap;

/// Buckets that are kept. When there are more, those that are full again are forgotten, then the half
/// that was used longest ago: they start full once more.
const BUCKETS_MAX: usize = 20_000;
const MINUTE_MS: u64 = 60_000;

/// How large a bucket is and how fast it fills.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) capacity: u64,
    pub(super) refill_per_minute: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: Level,
    /// In parts of a token, of which there are [`MINUTE_MS`], so that nothing is ever rounded away.
    parts: u64,
    filled_boot_ms: u64,
}

impl Bucket {
    fn full(level: Level, now_ms: u64) -> Self {
        let parts = level.capacity.saturating_mul(MINUTE_MS);
        Self { level, parts, filled_boot_ms: now_ms }
    }

    fn fill(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.filled_boot_ms);
        let gained = passed_ms.saturating_mul(self.level.refill_per_minute);
        let max = self.level.capacity.saturating_mul(MINUTE_MS);
        self.parts = self.parts.saturating_add(gained).min(max);
        self.filled_boot_ms = now_ms;
    }

    fn is_full_at(mut self, now_ms: u64) -> bool {
        self.fill(now_ms);
        self.parts == self.level.capacity.saturating_mul(MINUTE_MS)
    }

    /// Tokens that are left, and the seconds until there is one when there is none.
    fn take(&mut self) -> (u64, Option<u64>) {
        if let Some(left) = self.parts.checked_sub(MINUTE_MS) {
            self.parts = left;
            return (left / MINUTE_MS, None);
        }
        let missing = MINUTE_MS - self.parts;
        let wait_ms = missing.div_ceil(self.level.refill_per_minute.max(1));
        (0, Some(wait_ms.div_ceil(1_000).max(1)))
    }
}

/// The buckets, by set and by what they belong to.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    known: HashMap<(&'static str, String), Bucket>,
}

impl Buckets {
    /// Takes a token: how many are left, and the seconds to wait when there was none.
    pub(super) fn take(
        &mut self,
        (set, key): (&'static str, &str),
        level: Level,
        now_ms: u64,
    ) -> (u64, Option<u64>) {
        let key = (set, key.to_owned());
        if self.known.len() >= BUCKETS_MAX && !self.known.contains_key(&key) {
            self.forget(now_ms);
        }
        let bucket = self.known.entry(key).or_insert_with(|| Bucket::full(level, now_ms));
        bucket.fill(now_ms);
        bucket.take()
    }

    fn forget(&mut self, now_ms: u64) {
        self.known.retain(|_, bucket| !bucket.is_full_at(now_ms));
        if self.known.len() < BUCKETS_MAX {
            return;
        }
        let mut used: Vec<u64> = self.known.values().map(|bucket| bucket.filled_boot_ms).collect();
        let middle = used.len() / 2;
        let (_, median, _) = used.select_nth_unstable(middle);
        let median = *median;
        self.known.retain(|_, bucket| bucket.filled_boot_ms > median);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests;
