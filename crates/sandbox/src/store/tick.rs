//! The cluster's time: a counter that rises with every commit and follows the clock.
//!
//! A tick is a BSON timestamp: seconds since the epoch in the high half and a counter in the low
//! half. It is stored with the commit that it numbers, so it never falls back, not even when the
//! machine's clock does.

use bson::Timestamp;

/// The tick after `newest` at `now_ms`.
pub(crate) fn next(newest: u64, now_ms: i64) -> u64 {
    let seconds = u64::try_from(now_ms.max(0) / 1000).unwrap_or(0);
    (seconds << 32 | 1).max(newest.saturating_add(1))
}

/// A tick as BSON.
pub(crate) fn timestamp(tick: u64) -> Timestamp {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    Timestamp { time: half(tick >> 32), increment: half(tick) }
}
