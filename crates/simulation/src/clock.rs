//! A clock that needs no real time: short waits end at once and move it on, long ones wait until
//! somebody moves it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use portolan_runtime::{Clock, ManualClock};

/// Waits up to this long are pauses of the one who works; longer ones are those of alarms.
const SHORT_MS: u64 = 60_000;

pub(crate) struct SimulatedClock {
    inner: Arc<ManualClock>,
}

impl SimulatedClock {
    pub(crate) fn new(inner: Arc<ManualClock>) -> Self {
        Self { inner }
    }
}

impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }

    fn boot_ms(&self) -> u64 {
        self.inner.boot_ms()
    }

    fn sleep_ms(&self, ms: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        if ms > SHORT_MS {
            return self.inner.sleep_ms(ms);
        }
        Box::pin(async move {
            self.inner.advance_ms(ms);
            tokio::task::yield_now().await;
        })
    }
}
