//! Plays many cases and says what was broken; `cargo xtask sim` runs it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use clap::Parser;
use portolan_model::GuardLevel;
use portolan_runtime::{Entropy, Runtime, SeededEntropy};
use portolan_simulation::{Case, pairs, play, random_case, singles, trace};

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
    /// Every pair.
    #[arg(long)]
    all_pairs: bool,
    /// Cases played side by side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

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
        if let Some(violation) = outcome.violation {
            failed += 1;
            println!("{case}\n  {violation}\n  {}", outcome.trace.join("\n  "));
        }
    }
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
    cases.extend(seeds.map(|seed| random_case(seed, &counts, None)));
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
