//! Time, randomness, ids, spawning and effect points, in one handle.
//!
//! This is the only crate that reads a clock or asks the operating system for randomness, so that
//! tests and the simulation can drive everything else. What is not here: scheduling policy,
//! retries, leases. They live where their rules live and take their time from [`Runtime`].

mod blocking;
mod clock;
mod effects;
mod entropy;

pub use blocking::Blocking;
pub use clock::{Clock, ManualClock, ShiftedClock, SystemClock};
pub use effects::{Fate, FaultPlan, InjectedFault, PlanError, Watcher};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A handle to time, randomness, ids, tasks and effect points. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    faults: FaultPlan,
    id_process: [u8; 5],
    id_counter: AtomicU32,
    /// Blocking work gets no thread of its own.
    in_place: bool,
}

/// A deadline passed before the future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timed out after {after_ms} ms")]
pub struct TimedOut {
    /// The time allowed, in milliseconds.
    pub after_ms: u64,
}

impl Runtime {
    /// The real thing: system clock, operating system randomness, no faults.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock::default()), Arc::new(SystemEntropy), FaultPlan::none())
    }

    /// Assembles a runtime from its parts.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, faults: FaultPlan) -> Self {
        let mut id_process = [0; 5];
        entropy.fill(&mut id_process);
        let mut counter = [0; 4];
        entropy.fill(&mut counter);
        let id_counter = AtomicU32::new(u32::from_be_bytes(counter));
        let in_place = false;
        Self { inner: Arc::new(Inner { clock, entropy, faults, id_process, id_counter, in_place }) }
    }

    /// Of a runtime that nobody shares yet: blocking work is done by whoever asks for it, before anything
    /// else goes on. What needs no other thread can be played again.
    ///
    /// # Panics
    /// When it is shared already.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        Arc::get_mut(&mut self.inner).expect("a new runtime has one owner").in_place = true;
        self
    }

    /// A runtime whose clock stands at `now_ms` until it is advanced, with randomness from `seed`.
    #[must_use]
    pub fn manual(now_ms: i64, seed: u64) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(now_ms));
        let entropy = Arc::new(SeededEntropy::new(seed));
        (Self::new(clock.clone(), entropy, FaultPlan::none()), clock)
    }

    /// The same clock and randomness, with faults at effect points.
    #[must_use]
    pub fn with_faults(&self, faults: FaultPlan) -> Self {
        self.with(self.inner.clock.clone(), faults)
    }

    /// The same, but so many milliseconds later.
    #[must_use]
    pub fn ahead(&self, ms: i64) -> Self {
        let clock = Arc::new(ShiftedClock::new(self.inner.clock.clone(), ms));
        self.with(clock, self.inner.faults.clone())
    }

    fn with(&self, clock: Arc<dyn Clock>, faults: FaultPlan) -> Self {
        let other = Self::new(clock, self.inner.entropy.clone(), faults);
        if self.inner.in_place { other.in_place() } else { other }
    }

    /// Wall-clock time in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// Milliseconds since boot on a clock that never jumps and runs through suspension.
    /// Leases are counted on it.
    #[must_use]
    pub fn boot_ms(&self) -> u64 {
        self.inner.clock.boot_ms()
    }

    /// Waits for `ms` milliseconds of this runtime's clock.
    pub async fn sleep_ms(&self, ms: u64) {
        self.inner.clock.sleep_ms(ms).await;
    }

    /// Waits for `future`, at most `ms` milliseconds.
    ///
    /// # Errors
    /// [`TimedOut`] when the time is up first; the future is dropped then.
    pub async fn timeout_ms<F: Future>(&self, ms: u64, future: F) -> Result<F::Output, TimedOut> {
        tokio::select! {
            // Equal cases end equally: what is ready in time is not late.
            biased;
            output = future => Ok(output),
            () = self.sleep_ms(ms) => Err(TimedOut { after_ms: ms }),
        }
    }

    /// Fills `bytes` with randomness fit for keys.
    pub fn fill_random(&self, bytes: &mut [u8]) {
        self.inner.entropy.fill(bytes);
    }

    /// `N` random bytes.
    #[must_use]
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_random(&mut bytes);
        bytes
    }

    /// A random version 4 UUID.
    #[must_use]
    pub fn uuid_v4(&self) -> [u8; 16] {
        let mut bytes = self.random_bytes::<16>();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        bytes
    }

    /// A new 12-byte ObjectId: seconds, five bytes of this process, a counter
    /// (the layout of the BSON specification's ObjectId).
    #[must_use]
    pub fn object_id(&self) -> [u8; 12] {
        let seconds = u32::try_from(self.now_ms().max(0) / 1000).unwrap_or(u32::MAX);
        let count = self.inner.id_counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut id = [0; 12];
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        id[4..9].copy_from_slice(&self.inner.id_process);
        id[9..].copy_from_slice(&count[1..]);
        id
    }

    /// Runs `future` as a task of its own. The name shows in traces.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tracing::trace!(task = name, "spawned");
        tokio::spawn(future)
    }

    /// Runs blocking work on a thread of its own, unless this runtime does all in its place.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    pub fn spawn_blocking<F, T>(&self, work: F) -> Blocking<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.inner.in_place {
            true => Blocking::done(work()),
            false => Blocking::on_thread(tokio::task::spawn_blocking(work)),
        }
    }

    /// Runs one effect on the outside world through the named effect point, where a fault plan
    /// may let it fail before, lose its reply, end the process, or delay it.
    ///
    /// # Errors
    /// Those of `effect`, and an injected fault where the plan says so.
    pub async fn effect<T, E, F>(&self, point: &'static str, effect: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<InjectedFault>,
    {
        let faults = &self.inner.faults;
        if faults.is_empty() {
            return effect.await;
        }
        if faults.is_dead() {
            return std::future::pending().await;
        }
        let fate = faults.fate_of(point);
        faults.see(point, false).await;
        match fate {
            None => {
                let outcome = effect.await;
                faults.see(point, true).await;
                outcome
            }
            Some(fate) => self.meet_fate(point, fate, effect).await,
        }
    }

    async fn meet_fate<T, E, F>(&self, point: &'static str, fate: Fate, effect: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<InjectedFault>,
    {
        let faults = &self.inner.faults;
        match fate {
            Fate::FailsBefore => Err(InjectedFault::new(point).into()),
            Fate::ReplyLost => {
                let outcome = effect.await;
                faults.see(point, true).await;
                outcome?;
                Err(InjectedFault::new(point).into())
            }
            Fate::DiesBefore => match faults.die(point).await {},
            Fate::DiesAfter => {
                let _outcome = effect.await;
                faults.see(point, true).await;
                match faults.die(point).await {}
            }
            Fate::Delayed { ms } => {
                faults.note_delay();
                self.sleep_ms(ms).await;
                let outcome = effect.await;
                faults.see(point, true).await;
                outcome
            }
        }
    }
}

#[cfg(test)]
mod tests;
