//! Plays many cases and says what was broken; `cargo xtask sim` runs it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use portolan_model::GuardLevel;
use portolan_runtime::{Entropy, Runtime, SeededEntropy};
use portolan_simulation::{
    Case, Moves, Outcome, Tables, aim, pairs_after, play, random_case, singles, trace,
};

/// A world is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plays worlds in which things fail.
#[derive(Parser)]
struct Options {
    /// Random cases after every single fault was played.
    #[arg(long, default_value_t = 100)]
    worlds: u64,
    /// The first random case; a failing one is played again by its seed and `--worlds 1 --no-singles`.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leaves the single faults out.
    #[arg(long)]
    no_singles: bool,
    /// Every second fault after so many first ones, which are taken by the dice.
    #[arg(long, default_value_t = 0)]
    pairs: usize,
    /// Every second fault after every first one.
    #[arg(long)]
    all_pairs: bool,
    /// So many of the random cases are played once more on Delta tables, with the journal in a file.
    #[arg(long, default_value_t = 0)]
    delta: usize,
    /// Stops at the first violation.
    #[arg(long)]
    until_first: bool,
    /// Cases played side by side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// A case whose seed is a multiple of this is played twice.
const TWICE_EVERY: u64 = 100;
/// Between two lines that tell how far it is.
const REPORT_EVERY_MS: u64 = 60_000;

/// What a thread takes.
enum Work {
    /// One case.
    One(Case),
    /// A case of one fault, which is to be met.
    Single(Case),
    /// Every case of two faults that begins as this one, which has one.
    PairsAfter(Case),
}

#[derive(Default)]
struct Tally {
    queue: Mutex<VecDeque<Work>>,
    worlds: AtomicUsize,
    /// Those of them whose single fault was met.
    met: AtomicUsize,
    /// Those of them with two faults, both of which were met.
    pairs: AtomicUsize,
    failed: AtomicUsize,
    /// Files and folders that were synced in all of them.
    syncs: AtomicU64,
    told_at_ms: AtomicU64,
    until_first: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let clock = Runtime::system();
    let started_ms = clock.boot_ms();
    let (queue, until_first) = (Mutex::new(work(&options)?), options.until_first);
    let tally = Tally { queue, until_first, ..Tally::default() };
    tally.told_at_ms.store(started_ms, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..options.threads.max(1)).map(|_| scope.spawn(|| take_all(&tally, &clock))).collect();
        let panicked = |_| Err(anyhow!("a thread that plays worlds panicked"));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(panicked))
    })?;
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (worlds, failed) = (count(&tally.worlds), count(&tally.failed));
    println!(
        "{} single faults and {} pairs of faults were met",
        count(&tally.met),
        count(&tally.pairs)
    );
    println!("{} syncs were counted", tally.syncs.load(Ordering::Relaxed));
    let seconds = (clock.boot_ms() - started_ms) / 1_000;
    println!("{worlds} worlds in {seconds} s, {failed} with a violation");
    ensure!(failed == 0, "{failed} of {worlds} worlds broke a rule");
    Ok(())
}

/// Takes work until none is left.
fn take_all(tally: &Tally, clock: &Runtime) -> Result<()> {
    loop {
        let next = tally.queue.lock().map(|mut queue| queue.pop_front()).unwrap_or_default();
        match next {
            None => return Ok(()),
            Some(Work::One(case)) => {
                play_once(tally, &case)?;
            }
            Some(Work::Single(case)) => {
                let (case, outcome) = runtime()?.block_on(aim(&case))?;
                judge(tally, &case, &outcome)?;
                match outcome.unmet {
                    0 => _ = tally.met.fetch_add(1, Ordering::Relaxed),
                    _ => println!("its client lets no worker come so far: {case}"),
                }
            }
            Some(Work::PairsAfter(single)) => {
                for case in runtime()?.block_on(pairs_after(&single))? {
                    let outcome = play_once(tally, &case)?;
                    tally.pairs.fetch_add(1, Ordering::Relaxed);
                    // A world goes the same way until its second fault, so that it must come to it.
                    ensure!(outcome.unmet == 0, "a fault was not met: {case}");
                }
            }
        }
        tell(tally, clock);
    }
}

fn tell(tally: &Tally, clock: &Runtime) {
    let (now_ms, told_at_ms) = (clock.boot_ms(), tally.told_at_ms.load(Ordering::Relaxed));
    let due = now_ms.saturating_sub(told_at_ms) >= REPORT_EVERY_MS;
    let order = Ordering::Relaxed;
    if due && tally.told_at_ms.compare_exchange(told_at_ms, now_ms, order, order).is_ok() {
        let left = tally.queue.lock().map_or(0, |queue| queue.len());
        let worlds = tally.worlds.load(order);
        println!("{worlds} worlds played, {left} pieces of work left");
    }
}

/// Plays a case, some of them twice; tells a violation.
fn play_once(tally: &Tally, case: &Case) -> Result<Outcome> {
    let outcome = runtime()?.block_on(play(case))?;
    judge(tally, case, &outcome)?;
    Ok(outcome)
}

/// Counts a world, and tells a violation of it.
fn judge(tally: &Tally, case: &Case, outcome: &Outcome) -> Result<()> {
    tally.worlds.fetch_add(1, Ordering::Relaxed);
    tally.syncs.fetch_add(outcome.syncs, Ordering::Relaxed);
    let violation = match &outcome.violation {
        None if case.seed.is_multiple_of(TWICE_EVERY) => play_again(case, outcome)?,
        found => found.clone(),
    };
    if let Some(violation) = violation {
        tally.failed.fetch_add(1, Ordering::Relaxed);
        if let (true, Ok(mut queue)) = (tally.until_first, tally.queue.lock()) {
            queue.clear();
        }
        println!("{case}\n  {violation}\n  {}", outcome.trace.join("\n  "));
    }
    Ok(())
}

/// Equal cases play equally; what is different, if anything is.
fn play_again(case: &Case, first: &Outcome) -> Result<Option<String>> {
    let second = runtime()?.block_on(play(case))?;
    let differs = first.trace.iter().zip(&second.trace).position(|(one, other)| one != other);
    Ok((*first != second).then(|| {
        let line = differs.unwrap_or_else(|| first.trace.len().min(second.trace.len()));
        format!("played again it differs at line {line}: {:?}", second.trace.get(line))
    }))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn work(options: &Options) -> Result<VecDeque<Work>> {
    let mut work = VecDeque::new();
    if !options.no_singles {
        for (level, moves) in [
            (GuardLevel::L3, Moves::One),
            (GuardLevel::L3, Moves::Two),
            (GuardLevel::L1, Moves::Two),
        ] {
            work.extend(all_singles(level, moves)?.into_iter().map(Work::Single));
        }
    }
    if options.all_pairs || options.pairs > 0 {
        let all = all_singles(GuardLevel::L3, Moves::One)?;
        let wanted = if options.all_pairs { all.len() } else { options.pairs };
        work.extend(sample(all, wanted, options.seed).into_iter().map(Work::PairsAfter));
    }
    let counts = runtime()?.block_on(trace(GuardLevel::L3, Moves::Two))?;
    let seeds = options.seed..options.seed.saturating_add(options.worlds);
    let random = seeds.map(|seed| random_case(seed, &counts, None));
    let delta = random.clone().take(options.delta);
    work.extend(delta.map(|case| Work::One(Case { tables: Tables::Delta, ..case })));
    work.extend(random.map(Work::One));
    Ok(work)
}

fn all_singles(level: GuardLevel, moves: Moves) -> Result<Vec<Case>> {
    let counts = runtime()?.block_on(trace(level, moves))?;
    let all = singles(level, moves, &counts);
    let effects: u64 = counts.values().sum();
    println!("{level}, {moves:?}: {effects} effects, {} single faults", all.len());
    Ok(all)
}

/// Some of many, by the dice.
fn sample(mut all: Vec<Case>, wanted: usize, seed: u64) -> Vec<Case> {
    let dice = SeededEntropy::new(seed);
    let mut taken = Vec::new();
    while taken.len() < wanted && !all.is_empty() {
        let mut bytes = [0; 8];
        dice.fill(&mut bytes);
        let at = usize::try_from(u64::from_le_bytes(bytes) % all.len() as u64).unwrap_or(0);
        taken.push(all.swap_remove(at));
    }
    taken
}
