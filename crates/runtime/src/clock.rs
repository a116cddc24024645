//! Clocks: the system's, and one that tests turn by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A source of time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
    /// Milliseconds on a clock that never jumps back and runs through suspension.
    fn boot_ms(&self) -> u64;
    /// Waits.
    fn sleep_ms(&self, ms: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The operating system's clocks.
#[derive(Debug, Default)]
pub struct SystemClock {}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now_ms(&self) -> i64 {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn boot_ms(&self) -> u64 {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1000
            + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
    fn sleep_ms(&self, ms: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(Duration::from_millis(ms)))
    }
}

/// Another clock, so many milliseconds later.
pub struct ShiftedClock {
    inner: Arc<dyn Clock>,
    ahead_ms: i64,
}

impl ShiftedClock {
    /// `inner`, `ahead_ms` later. Only the time since the epoch is shifted.
    #[must_use]
    pub fn new(inner: Arc<dyn Clock>, ahead_ms: i64) -> Self {
        Self { inner, ahead_ms }
    }
}

impl Clock for ShiftedClock {
    fn now_ms(&self) -> i64 {
        self.inner.now_ms().saturating_add(self.ahead_ms)
    }

    fn boot_ms(&self) -> u64 {
        self.inner.boot_ms()
    }

    fn sleep_ms(&self, ms: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.sleep_ms(ms)
    }
}

/// A clock that stands still until [`ManualClock::advance_ms`]; sleepers wake when it passes them.
#[derive(Debug)]
pub struct ManualClock {
    start_ms: i64,
    now_ms: Mutex<i64>,
    changed: tokio::sync::Notify,
}

impl ManualClock {
    /// A clock that shows `now_ms`.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self { start_ms: now_ms, now_ms: Mutex::new(now_ms), changed: tokio::sync::Notify::new() }
    }

    /// Moves the clock ahead and wakes who waited for less.
    pub fn advance_ms(&self, ms: u64) {
        let step = i64::try_from(ms).unwrap_or(i64::MAX);
        let mut now = self.lock();
        *now = now.saturating_add(step);
        drop(now);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, i64> {
        self.now_ms.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        *self.lock()
    }

    fn boot_ms(&self) -> u64 {
        u64::try_from(self.now_ms() - self.start_ms).unwrap_or(0)
    }

    fn sleep_ms(&self, ms: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until_ms = self.boot_ms().saturating_add(ms);
        Box::pin(async move {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.boot_ms() >= until_ms {
                    return;
                }
                changed.await;
            }
        })
    }
}
