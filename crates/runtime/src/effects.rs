//! Effect points: the one mechanism by which faults reach the product.
//!
//! Each write to a system outside the process (table log, cluster, control database, object store)
//! runs through [`crate::Runtime::effect`] under a name such as `archiver.commit`. A [`FaultPlan`]
//! gives the n-th passage through a point one of five fates. Without a plan a passage costs one
//! branch. A plan comes from a test, or from the environment variable `PORTOLAN_FAULTS`
//! (`point=fate@n`, separated by commas; fates: `fails_before`, `reply_lost`, `dies_before`,
//! `dies_after`, `delayed:MS`), which is how the process-kill test stops a real process between any
//! two steps. A simulation plays processes inside its own: a plan made with
//! [`FaultPlan::in_process`] lets a death stop the player alone, and a [`Watcher`] sees every passage.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Exit code of a process that a fault plan ended.
pub(crate) const EXIT_KILLED: i32 = 137;

/// What happens to one passage through an effect point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The effect does not happen; the caller sees an error.
    FailsBefore,
    /// The effect happens; the caller sees an error all the same.
    ReplyLost,
    /// The process ends before the effect.
    DiesBefore,
    /// The process ends after the effect.
    DiesAfter,
    /// The effect happens late.
    Delayed {
        /// By how many milliseconds.
        ms: u64,
    },
}

/// The error that a caller sees when a fault was injected. Its outcome is unknown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("injected fault at {point}")]
pub struct InjectedFault {
    point: &'static str,
}

impl InjectedFault {
    pub(crate) fn new(point: &'static str) -> Self {
        Self { point }
    }

    /// The effect point.
    #[must_use]
    pub fn point(&self) -> &'static str {
        self.point
    }
}

/// Why a textual plan was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault plan entry {entry:?}: {reason}")]
pub struct PlanError {
    entry: String,
    reason: &'static str,
}

/// Sees every passage through an effect point, before and after the effect.
pub trait Watcher: Send + Sync {
    /// `after`: the effect was carried out, whatever it answered.
    fn see(
        &self,
        point: &'static str,
        after: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Which passages meet which fate.
#[derive(Clone, Default)]
pub struct FaultPlan {
    points: Option<Arc<Mutex<HashMap<String, Point>>>>,
    life: Option<Arc<Life>>,
    watcher: Option<Arc<dyn Watcher>>,
}

/// The life of a process that is played inside another one.
#[derive(Debug, Default)]
struct Life {
    dead: AtomicBool,
    delayed: AtomicBool,
    changed: tokio::sync::Notify,
}

impl Life {
    fn set(&self, flag: &AtomicBool) {
        flag.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    async fn wait_for(&self, flag: &AtomicBool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if flag.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }
}

#[derive(Debug, Default)]
struct Point {
    passages: u64,
    fates: HashMap<u64, Fate>,
}

impl std::fmt::Debug for FaultPlan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let points = self.points.as_ref().map(|points| lock(points));
        formatter.debug_struct("FaultPlan").field("points", &points).finish_non_exhaustive()
    }
}

impl FaultPlan {
    /// No faults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Lets the `passage`-th passage (from 1) through `point` meet `fate`.
    #[must_use]
    pub fn with(self, point: &str, passage: u64, fate: Fate) -> Self {
        let points = self.points.clone().unwrap_or_default();
        lock(&points).entry(point.to_owned()).or_default().fates.insert(passage, fate);
        Self { points: Some(points), ..self }
    }

    /// A death under this plan ends no process: the effect, and all later ones of the same plan, never
    /// answer.
    #[must_use]
    pub fn in_process(self) -> Self {
        Self { life: Some(Arc::default()), ..self }
    }

    /// The same under the eyes of a watcher.
    #[must_use]
    pub fn watched(self, watcher: Arc<dyn Watcher>) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    /// Waits for the death of a process that is played in this one; for ever without
    /// [`FaultPlan::in_process`].
    pub async fn died(&self) {
        match &self.life {
            Some(life) => life.wait_for(&life.dead).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until an effect of it is delayed, likewise; each one is told once.
    pub async fn was_delayed(&self) {
        match &self.life {
            Some(life) => {
                life.wait_for(&life.delayed).await;
                life.delayed.store(false, Ordering::Release);
            }
            None => std::future::pending().await,
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.dead.load(Ordering::Acquire))
    }

    /// Ends the process the way a kill does, or what is played of one.
    pub(crate) async fn die(&self, point: &'static str) -> std::convert::Infallible {
        let Some(life) = &self.life else { die(point) };
        life.set(&life.dead);
        std::future::pending().await
    }

    pub(crate) fn note_delay(&self) {
        if let Some(life) = &self.life {
            life.set(&life.delayed);
        }
    }

    pub(crate) async fn see(&self, point: &'static str, after: bool) {
        if let Some(watcher) = &self.watcher {
            watcher.see(point, after).await;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_none() && self.watcher.is_none() && self.life.is_none()
    }

    /// Reads `point=fate@n,…`; `@n` may be left out and means the first passage.
    ///
    /// # Errors
    /// [`PlanError`] naming the entry that could not be read.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).try_fold(
            Self::none(),
            |plan, entry| {
                let (point, passage, fate) = parse_entry(entry)
                    .map_err(|reason| PlanError { entry: entry.to_owned(), reason })?;
                Ok(plan.with(point, passage, fate))
            },
        )
    }

    /// How many of its fates nobody has met.
    #[must_use]
    pub fn unmet(&self) -> usize {
        let Some(points) = &self.points else { return 0 };
        let points = lock(points);
        let ahead = |point: &Point| point.fates.keys().filter(|n| **n > point.passages).count();
        points.values().map(ahead).sum()
    }

    pub(crate) fn fate_of(&self, point: &'static str) -> Option<Fate> {
        let points = self.points.as_ref()?;
        let mut points = lock(points);
        let entry = points.entry(point.to_owned()).or_default();
        entry.passages += 1;
        entry.fates.get(&entry.passages).copied()
    }
}

fn parse_entry(entry: &str) -> Result<(&str, u64, Fate), &'static str> {
    let (point, rest) = entry.split_once('=').ok_or("expected point=fate")?;
    let (fate, passage) = rest.split_once('@').unwrap_or((rest, "1"));
    let passage = passage.parse().map_err(|_| "the passage after @ must be a number")?;
    let fate = match fate.split_once(':') {
        Some(("delayed", ms)) => {
            Fate::Delayed { ms: ms.parse().map_err(|_| "the delay must be milliseconds")? }
        }
        None if fate == "fails_before" => Fate::FailsBefore,
        None if fate == "reply_lost" => Fate::ReplyLost,
        None if fate == "dies_before" => Fate::DiesBefore,
        None if fate == "dies_after" => Fate::DiesAfter,
        _ => return Err("unknown fate"),
    };
    Ok((point, passage, fate))
}

fn lock(
    points: &Mutex<HashMap<String, Point>>,
) -> std::sync::MutexGuard<'_, HashMap<String, Point>> {
    points.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// No destructor runs, nothing is flushed.
fn die(point: &'static str) -> ! {
    tracing::error!(effect_point = point, "the fault plan ends this process here");
    std::process::exit(EXIT_KILLED)
}
