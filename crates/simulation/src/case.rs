//! One case: what happens in a world, and what came of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use portolan_archiver::effects;
use portolan_model::GuardLevel;
use portolan_runtime::{Fate, FaultPlan, Runtime, Watcher};
use tokio_util::sync::CancellationToken;

use crate::clock::{self, ProcessClock};
use crate::oracle::Oracle;
use crate::world::{LEASE_TTL_MS, World, namespace};
use crate::writer::Writer;
use crate::{Bug, WriterKind};

/// Looks without faults after which a world must be at rest.
const LOOKS_TO_REST: usize = 4;
/// A case whose seed is a multiple of this goes on until what nobody needs is removed.
const CLEAN_EVERY: u64 = 4;
/// Looks, a day apart: in the last of them everything is older than two days, and unneeded for one.
const LOOKS_TO_CLEAN: usize = 3;
const DAY_MS: u64 = 86_400_000;
/// Real time after which a world, which needs a few milliseconds, is given up.
const STUCK_MS: u64 = 60_000;
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

/// What divides the lives in a trace.
const LIFE: &str = "a life begins";
const SUSPENDED: &str = "the worker is suspended; another one takes over";
const LOOK: &str = "a look without faults";
const WAKES: &str = "the worker wakes";

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
    /// What holds the archive and the journal.
    pub tables: Tables,
    /// How the cold documents are divided.
    pub moves: Moves,
    /// The data file, counted from 1 as they are written, that the storage alters on its way.
    pub spoiled: Option<u64>,
    /// A planted bug.
    pub bug: Option<Bug>,
}

/// What holds the archive and the journal of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Tables in formats of their own, which cost little, and a journal in memory.
    Simulated,
    /// Delta tables in a folder, the syncs of which are counted, and a journal in a file. Where a file is to be
    /// spoiled, the tables are in memory.
    Delta,
}

/// How the cold documents of a world are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// One move of three batches.
    One,
    /// A move of two batches and one of a single batch.
    Two,
}

impl Case {
    /// A case without faults or a bug, with simulated tables and two moves: one life, then rest.
    #[must_use]
    pub fn quiet(level: GuardLevel, writer: WriterKind, seed: u64) -> Self {
        let lives = vec![Life::default()];
        let (tables, moves) = (Tables::Simulated, Moves::Two);
        Self { level, writer, seed, lives, tables, moves, spoiled: None, bug: None }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?} seed {}", self.level, self.writer, self.seed)?;
        if self.tables == Tables::Delta {
            formatter.write_str(" on Delta tables")?;
        }
        if self.moves == Moves::One {
            formatter.write_str(" in one move")?;
        }
        if let Some(nth) = self.spoiled {
            write!(formatter, ", file {nth} spoiled")?;
        }
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
    /// Faults that were planned and not met: the worker did not come so far.
    pub unmet: usize,
    /// Files and folders that were synced, where that is counted.
    pub syncs: u64,
}

impl Outcome {
    /// The effects that each life of the case passed, in order, without those of other workers.
    #[must_use]
    pub fn passages(&self) -> Vec<Vec<&str>> {
        let (mut lives, mut others) = (Vec::new(), false);
        for line in &self.trace {
            match line.as_str() {
                LIFE => lives.push(Vec::new()),
                LOOK => break,
                SUSPENDED => others = true,
                WAKES => others = false,
                _ => {
                    let point = line.strip_suffix(" begins").filter(|_| !others);
                    if let (Some(point), Some(life)) = (point, lives.last_mut()) {
                        life.push(point);
                    }
                }
            }
        }
        lives
    }
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

    fn note_passage(&self, point: &'static str, after: bool) {
        self.note(format!("{point} {}", if after { "done" } else { "begins" }));
    }

    fn blame(&self, line: String) {
        let mut outcome = lock(&self.outcome);
        outcome.trace.push(format!("VIOLATION {line}"));
        outcome.violation.get_or_insert(line);
    }

    async fn pass(&self, point: &'static str, after: bool) {
        self.note_passage(point, after);
        // Who is about to commit has the journal, for which whoever has the turn may wait.
        let _turn = match after {
            true => self.turn.lock().await,
            false => match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return,
            },
        };
        let live = self.world.cluster.documents(&namespace());
        self.world.model().look(&live);
        if after && TELLING.contains(&point) {
            self.ask(point).await;
        } else if point == effects::DELETE
            && let Err(error) = self.oracle.check_durable().await
        {
            self.blame(format!("before {point}: {error}"));
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

/// Sees what one process does.
struct Eyes {
    play: Arc<Play>,
    clock: Arc<ProcessClock>,
    /// Whether clients write and the oracle is asked meanwhile.
    beside: bool,
}

impl Watcher for Eyes {
    fn see(
        &self,
        point: &'static str,
        after: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            match self.beside {
                true => self.play.pass(point, after).await,
                false => self.play.note_passage(point, after),
            }
            if after && point == effects::LEASE_RENEW {
                self.clock.renewed();
            }
        })
    }
}

/// Plays a case.
///
/// # Errors
/// What keeps the simulation itself from working, such as a full disk.
pub async fn play(case: &Case) -> Result<Outcome> {
    let world = Arc::new(World::new(case).await?);
    let oracle = Oracle::new(&world);
    let writer = Mutex::new(Writer::new(case.writer, case.seed ^ 0x5eed, WRITES));
    let outcome = Mutex::new(Outcome { trace: Vec::new(), violation: None, unmet: 0, syncs: 0 });
    let turn = tokio::sync::Mutex::default();
    let play = Arc::new(Play { world: world.clone(), oracle, writer, outcome, turn });
    match Runtime::system().timeout_ms(STUCK_MS, Box::pin(lives(&play, case))).await {
        Ok(lived) => lived?,
        Err(_) => play.blame("it stands still: somebody waits for ever".to_owned()),
    }
    world.close().await;
    lock(&play.outcome).syncs = world.location.syncs();
    Ok(lock(&play.outcome).clone())
}

async fn lives(play: &Arc<Play>, case: &Case) -> Result<()> {
    for life in &case.lives {
        play.note(LIFE.to_owned());
        Box::pin(live(play, life)).await?;
        play.world.wait();
    }
    if let Err(error) = rest(play).await? {
        play.blame(format!("at rest: {error}"));
    }
    if case.seed.is_multiple_of(CLEAN_EVERY) {
        clean(play).await?;
    }
    Ok(())
}

/// Looks after everything that nobody needs has had its time, and what is left then.
async fn clean(play: &Arc<Play>) -> Result<()> {
    for _ in 0..LOOKS_TO_CLEAN {
        play.world.clock.advance_ms(DAY_MS);
        Box::pin(quiet_look(play)).await?;
    }
    if let Err(error) = play.oracle.check_objects().await {
        play.blame(format!("cleaned: {error}"));
    }
    Ok(())
}

/// Looks without faults until the world is at rest, and once more: what rests stays at rest.
async fn rest(play: &Arc<Play>) -> Result<Result<()>> {
    let (mut looks, mut rested) = (0, false);
    loop {
        play.note(LOOK.to_owned());
        Box::pin(quiet_look(play)).await?;
        play.world.wait();
        looks += 1;
        let outcome = play.oracle.check_rest().await;
        if rested || looks >= LOOKS_TO_REST {
            return Ok(outcome);
        }
        rested = outcome.is_ok();
    }
}

/// One look at everything by a worker that meets no faults.
async fn quiet_look(play: &Arc<Play>) -> Result<()> {
    let clock = Arc::new(ProcessClock::new(play.world.clock.clone()));
    let eyes = Eyes { play: play.clone(), clock: clock.clone(), beside: false };
    let worker = play.world.worker(clock, FaultPlan::none().watched(Arc::new(eyes)));
    worker.pass(&CancellationToken::new()).await.context("a look without faults")?;
    Ok(())
}

/// Another worker looks, while the one whose effect is delayed past its lease is suspended.
async fn take_over(play: &Arc<Play>, clock: &ProcessClock) -> Result<()> {
    play.note(SUSPENDED.to_owned());
    clock.suspend(true);
    play.world.clock.advance_ms(LEASE_TTL_MS * 2);
    Box::pin(quiet_look(play)).await?;
    play.note(WAKES.to_owned());
    clock.suspend(false);
    play.world.clock.advance_ms(LEASE_TTL_MS * 100);
    Ok(())
}

/// A worker looks once, until it is done or dies. One whose effect is delayed past its lease goes on
/// after its successor has looked.
async fn live(play: &Arc<Play>, life: &Life) -> Result<()> {
    let plan = life
        .faults
        .iter()
        .fold(FaultPlan::none(), |plan, (point, passage, fate)| plan.with(point, *passage, *fate));
    let clock = Arc::new(ProcessClock::new(play.world.clock.clone()));
    let eyes = Eyes { play: play.clone(), clock: clock.clone(), beside: true };
    let plan = plan.in_process().watched(Arc::new(eyes));
    let worker = play.world.worker(clock.clone(), plan.clone());
    let shutdown = CancellationToken::new();
    let mut look = Box::pin(worker.pass(&shutdown));
    loop {
        tokio::select! {
            biased;
            _ended = &mut look => break,
            () = plan.died() => {
                play.note("the worker dies".to_owned());
                break;
            }
            () = plan.was_delayed() => take_over(play, &clock).await?,
        }
    }
    drop(look);
    lock(&play.outcome).unmet += plan.unmet();
    // What it had spawned ends at its next turn; before that it may hold the journal.
    clock::let_others_run().await;
    Ok(())
}
