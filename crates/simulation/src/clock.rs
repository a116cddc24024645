//! The clock of one simulated process. It needs no real time: short waits end at once and move the
//! world's clock on, long ones wait until somebody moves it.
//!
//! Whoever time wakes does its work before the one who waited goes on, so that two tasks of a process never
//! run side by side and equal cases play equally. A process has one task beside its main one, which renews
//! the lease.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portolan_runtime::{Clock, ManualClock};
use tokio::sync::watch;

/// Waits up to this long are pauses of the one who works; longer ones are those of alarms.
const SHORT_MS: u64 = 60_000;
/// Turns after which every task that can run has run.
const TURNS_OF_ALL: usize = 4;

pub(crate) struct ProcessClock {
    world: Arc<ManualClock>,
    /// Whether the task beside the main one is awake.
    renewing: AtomicBool,
    suspended: watch::Sender<bool>,
}

impl ProcessClock {
    pub(crate) fn new(world: Arc<ManualClock>) -> Self {
        Self { world, renewing: AtomicBool::new(false), suspended: watch::Sender::new(false) }
    }

    /// Stops or goes on with what the process does beside its delayed effect.
    pub(crate) fn suspend(&self, suspended: bool) {
        self.suspended.send_replace(suspended);
    }

    /// The lease was renewed, or it was found that it cannot be.
    pub(crate) fn renewed(&self) {
        self.renewing.store(false, Ordering::Release);
    }

    async fn sleep_beside(&self, ms: u64) {
        self.renewed();
        self.world.sleep_ms(ms).await;
        // The sender lives as long as this clock.
        self.suspended.subscribe().wait_for(|suspended| !suspended).await.ok();
        self.renewing.store(true, Ordering::Release);
    }

    async fn sleep(&self, ms: u64) {
        match ms > SHORT_MS {
            true => self.world.sleep_ms(ms).await,
            false => self.world.advance_ms(ms),
        }
        let_others_run().await;
        while self.renewing.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn let_others_run() {
    for _ in 0..TURNS_OF_ALL {
        tokio::task::yield_now().await;
    }
}

impl Clock for ProcessClock {
    fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }

    fn boot_ms(&self) -> u64 {
        self.world.boot_ms()
    }

    fn sleep_ms(&self, ms: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // The main one is no task: the runtime blocks on it.
        match tokio::task::try_id() {
            Some(_) => Box::pin(self.sleep_beside(ms)),
            None => Box::pin(self.sleep(ms)),
        }
    }
}
