//! One case: what happens in a world, and what came of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use portolan_model::GuardLevel;
use portolan_runtime::{Fate, FaultPlan, Watcher};
use tokio_util::sync::CancellationToken;

use crate::oracle::Oracle;
use crate::world::{LEASE_TTL_MS, World, namespace};
use crate::writer::Writer;
use crate::{Bug, WriterKind};

/// Looks without faults after which a world must be at rest.
const LOOKS_TO_REST: usize = 4;
/// Writes of a client in one case.
const WRITES: u32 = 6;

/// Effects after which a reader could see something new.
const TELLING: [&str; 9] = [
    "archiver.source_fence",
    "archiver.fence",
    "archiver.reconcile",
    "archiver.commit",
    "archiver.delete",
    "archiver.source_close",
    "archiver.confirm",
    "archiver.confirmed",
    "archiver.source_clear",
];

/// A passage of a life through an effect point that meets a fate.
pub type Fault = (&'static str, u64, Fate);

/// The faults of one life of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    /// What fails.
    pub faults: Vec<Fault>,
}

/// A case. Equal cases play equally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The cluster's level.
    pub level: GuardLevel,
    /// Who writes beside the workers.
    pub writer: WriterKind,
    /// Of randomness: ids, tokens, and when the client writes.
    pub seed: u64,
    /// The lives before those without faults.
    pub lives: Vec<Life>,
    /// A planted bug.
    pub bug: Option<Bug>,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?} seed {}", self.level, self.writer, self.seed)?;
        for life in &self.lives {
            formatter.write_str(" |")?;
            for (point, passage, fate) in &life.faults {
                write!(formatter, " {point}@{passage}={fate:?}")?;
            }
        }
        match self.bug {
            Some(bug) => write!(formatter, " with {bug:?}"),
            None => Ok(()),
        }
    }
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Every effect and every write of a client, in order.
    pub trace: Vec<String>,
    /// The first rule that was broken.
    pub violation: Option<String>,
}

/// Watches a life: lets the client write, asks the oracle, writes the trace.
struct Play {
    world: Arc<World>,
    oracle: Oracle,
    writer: Mutex<Writer>,
    outcome: Mutex<Outcome>,
    /// One passage at a time, also of two workers.
    turn: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Play {
    fn note(&self, line: String) {
        lock(&self.outcome).trace.push(line);
    }

    fn blame(&self, line: String) {
        let mut outcome = lock(&self.outcome);
        outcome.trace.push(format!("VIOLATION {line}"));
        outcome.violation.get_or_insert(line);
    }

    async fn pass(&self, point: &'static str, after: bool) {
        let _turn = self.turn.lock().await;
        self.note(format!("{point} {}", if after { "done" } else { "begins" }));
        let live = self.world.cluster.documents(&namespace());
        self.world.model().look(&live);
        if after && TELLING.contains(&point) {
            self.ask(point).await;
        }
        let mut model = self.world.model();
        let did = lock(&self.writer).act(&self.world.cluster, &mut model);
        drop(model);
        if let Some(did) = did {
            self.note(format!("a client {did}"));
        }
    }

    async fn ask(&self, when: &str) {
        if let Err(error) = self.oracle.check().await {
            self.blame(format!("after {when}: {error}"));
        }
    }
}

struct Eyes(Arc<Play>);

impl Watcher for Eyes {
    fn see(
        &self,
        point: &'static str,
        after: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.pass(point, after))
    }
}

/// Plays a case.
///
/// # Errors
/// What keeps the simulation itself from working, such as a full disk.
pub async fn play(case: &Case) -> Result<Outcome> {
    let world = Arc::new(World::new(case.level, case.seed, case.bug).await?);
    let oracle = Oracle::new(&world).await?;
    let writer = Mutex::new(Writer::new(case.writer, case.seed ^ 0x5eed, WRITES));
    let outcome = Mutex::new(Outcome { trace: Vec::new(), violation: None });
    let turn = tokio::sync::Mutex::default();
    let play = Arc::new(Play { world: world.clone(), oracle, writer, outcome, turn });
    for life in &case.lives {
        play.note("a life begins".to_owned());
        Box::pin(live(&play, life)).await?;
        world.wait();
    }
    for _ in 0..LOOKS_TO_REST {
        play.note("a look without faults".to_owned());
        Box::pin(world.quiet_look()).await?;
        world.wait();
    }
    if let Err(error) = play.oracle.check_rest().await {
        play.blame(format!("at rest: {error}"));
    }
    play.oracle.close().await;
    Ok(lock(&play.outcome).clone())
}

/// A worker looks once, until it is done or dies. One whose effect is delayed past its lease goes on
/// after its successor has looked.
async fn live(play: &Arc<Play>, life: &Life) -> Result<()> {
    let plan = life
        .faults
        .iter()
        .fold(FaultPlan::none(), |plan, (point, passage, fate)| plan.with(point, *passage, *fate));
    let plan = plan.in_process().watched(Arc::new(Eyes(play.clone())));
    let (worker, store) = play.world.worker(plan.clone()).await?;
    let shutdown = CancellationToken::new();
    let mut look = Box::pin(worker.pass(&shutdown));
    tokio::select! {
        _ended = &mut look => {}
        () = plan.died() => play.note("the worker dies".to_owned()),
        () = plan.was_delayed() => {
            play.note("the worker is suspended; another one takes over".to_owned());
            play.world.clock.advance_ms(LEASE_TTL_MS * 2);
            Box::pin(play.world.quiet_look()).await?;
            play.note("the worker wakes".to_owned());
            play.world.clock.advance_ms(LEASE_TTL_MS * 100);
            tokio::select! {
                _ended = &mut look => {}
                () = plan.died() => {}
            }
        }
    }
    // What a dead worker left open ends with it.
    drop(look);
    store.close().await;
    Ok(())
}
