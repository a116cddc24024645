//! Which request counters of which nonces were used: a Digest answer is good once.
//!
//! Clients that keep a nonce (curl, Python) count up in `nc` and may send out of order, so the guard
//! keeps the highest counter and a window of 64 below it. Its memory is bounded: when it is full the
//! oldest nonces become stale and their owners are asked again. It guards one process; a replica has
//! its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use crate::digest::NONCE_MEMORY_MS;

const NONCES_MAX: usize = 16_384;

#[derive(Default)]
pub(crate) struct ReplayGuard {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    counters: HashMap<String, Counters>,
    by_time: BTreeMap<(i64, String), ()>,
    /// Nonces made before this were forgotten, so they count as used.
    floor_ms: i64,
}

#[derive(Default)]
struct Counters {
    highest: u32,
    /// Bit n: `highest - n` was used.
    window: u64,
}

impl Counters {
    fn first_use(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            self.window = if step < 64 { self.window << step | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        if back >= 64 || self.window & (1 << back) != 0 {
            return false;
        }
        self.window |= 1 << back;
        true
    }
}

impl ReplayGuard {
    /// Notes a use; false when it was used before, or cannot be told any more.
    pub(crate) fn first_use(&self, nonce: &str, made_at: i64, count: u32, now_ms: i64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if count == 0 || made_at < seen.floor_ms {
            return false;
        }
        seen.forget(now_ms);
        if !seen.counters.contains_key(nonce) {
            seen.by_time.insert((made_at, nonce.to_owned()), ());
        }
        seen.counters.entry(nonce.to_owned()).or_default().first_use(count)
    }
}

impl Seen {
    fn forget(&mut self, now_ms: i64) {
        while let Some(entry) = self.by_time.first_entry() {
            let made_at = entry.key().0;
            let expired = made_at < now_ms - NONCE_MEMORY_MS;
            if !expired && self.counters.len() < NONCES_MAX {
                return;
            }
            let ((made_at, nonce), ()) = entry.remove_entry();
            self.counters.remove(&nonce);
            self.floor_ms = self.floor_ms.max(made_at + 1);
        }
    }
}
