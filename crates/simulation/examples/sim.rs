//! Plays many cases and says what was broken; `cargo xtask sim` runs it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use clap::Parser;
use portolan_model::GuardLevel;
use portolan_runtime::{Entropy, Runtime, SeededEntropy};
use portolan_simulation::{Case, Outcome, Tables, pairs, play, random_case, singles, trace};

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
    /// So many pairs of faults, taken evenly from all of them; 0 for none.
    #[arg(long, default_value_t = 0)]
    pairs: usize,
    /// So many of the random cases are played once more on Delta tables.
    #[arg(long, default_value_t = 0)]
    delta: usize,
    /// Every pair.
    #[arg(long)]
    all_pairs: bool,
    /// Cases played side by side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// A case whose seed is a multiple of this is played twice.
const TWICE_EVERY: u64 = 100;

fn main() -> Result<()> {
    let options = Options::parse();
    let started = Runtime::system().boot_ms();
    let cases = cases(&options)?;
    let count = cases.len();
    let queue = Arc::new(Mutex::new(VecDeque::from(cases)));
    let failed = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.threads.max(1)).map(|_| scope.spawn(|| work(&queue))).collect();
        let counts = workers.into_iter().map(|worker| worker.join().unwrap_or(Ok(1)));
        counts.sum::<Result<usize>>()
    })?;
    let seconds = (Runtime::system().boot_ms() - started) / 1_000;
    println!("{count} worlds in {seconds} s, {failed} with a violation");
    ensure!(failed == 0, "{failed} of {count} worlds broke a rule");
    Ok(())
}

/// Takes cases until none is left; how many broke a rule.
fn work(queue: &Mutex<VecDeque<Case>>) -> Result<usize> {
    let mut failed = 0;
    loop {
        let next = queue.lock().map(|mut queue| queue.pop_front()).unwrap_or_default();
        let Some(case) = next else { return Ok(failed) };
        let outcome = runtime()?.block_on(play(&case))?;
        let violation = match &outcome.violation {
            None if case.seed.is_multiple_of(TWICE_EVERY) => play_again(&case, &outcome)?,
            found => found.clone(),
        };
        if let Some(violation) = violation {
            failed += 1;
            println!("{case}\n  {violation}\n  {}", outcome.trace.join("\n  "));
        }
    }
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

fn cases(options: &Options) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let counts = runtime()?.block_on(trace(GuardLevel::L3))?;
    if !options.no_singles {
        for level in [GuardLevel::L3, GuardLevel::L1] {
            let counts = runtime()?.block_on(trace(level))?;
            let all = singles(level, &counts);
            println!(
                "{level}: {} effects, {} single faults",
                counts.values().sum::<u64>(),
                all.len()
            );
            cases.extend(all);
        }
    }
    if options.all_pairs || options.pairs > 0 {
        let all = pairs(GuardLevel::L3, &counts);
        println!("L3: {} pairs of faults", all.len());
        let wanted = if options.all_pairs { all.len() } else { options.pairs };
        cases.extend(sample(all, wanted, options.seed));
    }
    let seeds = options.seed..options.seed.saturating_add(options.worlds);
    let random: Vec<Case> = seeds.map(|seed| random_case(seed, &counts, None)).collect();
    let delta = random.iter().take(options.delta).cloned();
    cases.extend(delta.map(|case| Case { tables: Tables::Delta, ..case }));
    cases.extend(random);
    Ok(cases)
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
