//! Many cases: every single fault, every two faults, and random ones. Which effects there are to fail is
//! taken from what workers were seen to do, not from a list.

use std::collections::BTreeMap;

use anyhow::Result;
use portolan_archiver::effects;
use portolan_model::GuardLevel;
use portolan_runtime::{Entropy, Fate, SeededEntropy};

use crate::case::{Case, Fault, Life, Moves, Outcome, play};
use crate::world::LEASE_TTL_MS;
use crate::{Bug, WriterKind};

/// Passages of effects, counted from a trace.
pub type Counts = BTreeMap<&'static str, u64>;

/// The five fates of an effect. The delay is longer than a lease lives.
pub(crate) const FATES: [Fate; 5] = [
    Fate::FailsBefore,
    Fate::ReplyLost,
    Fate::DiesBefore,
    Fate::DiesAfter,
    Fate::Delayed { ms: LEASE_TTL_MS * 3 },
];

/// Effects outside the journal: on the cluster, the table and its objects. A journal's transaction is not
/// delayed: SQLite lets nobody else write meanwhile, so no other worker could take over.
const OUTSIDE: [&str; 14] = [
    effects::CREATE_TABLE,
    effects::SOURCE_FENCE,
    effects::FENCE,
    effects::READ,
    effects::UPLOAD,
    effects::VERIFY,
    effects::COMMIT,
    effects::PRESENT,
    effects::DELETE,
    effects::SOURCE_CLOSE,
    effects::REWRITE,
    effects::SUPERSEDE,
    effects::CONFIRM,
    effects::SOURCE_CLEAR,
];

/// Seeds of cases that are neighbours are below this distance.
const SEEDS_APART: u64 = 10_000;
const SEEDS_TO_MEET_A_FAULT: u64 = 20;

/// The archiver's effects among passages, each with the number of its passage.
fn numbered(passages: &[&str]) -> Vec<(&'static str, u64)> {
    let mut counts = Counts::new();
    let known = |point: &&str| effects::ALL.into_iter().find(|known| known == point);
    let points = passages.iter().filter_map(known);
    points
        .map(|point| {
            let count = counts.entry(point).or_default();
            *count += 1;
            (point, *count)
        })
        .collect()
}

/// The archiver's effects in a world without faults and without writers.
///
/// # Errors
/// Those of [`play`].
pub async fn trace(level: GuardLevel, moves: Moves) -> Result<Counts> {
    let case = Case { moves, ..Case::quiet(level, WriterKind::Quiet, 0) };
    let outcome = play(&case).await?;
    let passages = outcome.passages().into_iter().next().unwrap_or_default();
    // The number of the last passage is the count.
    Ok(numbered(&passages).into_iter().collect())
}

/// Every fate that each of these passages can meet.
fn faults(passages: impl IntoIterator<Item = (&'static str, u64)>) -> Vec<Fault> {
    let fates = |(point, n)| FATES.map(|fate| (point, n, fate));
    let is_played =
        |(point, _, fate): &Fault| !matches!(fate, Fate::Delayed { .. }) || OUTSIDE.contains(point);
    passages.into_iter().flat_map(fates).filter(is_played).collect()
}

fn faults_of(counts: &Counts) -> Vec<Fault> {
    faults(counts.iter().flat_map(|(point, count)| (1..=*count).map(move |n| (*point, n))))
}

/// The writers that a level makes promises to.
fn writers(level: GuardLevel) -> impl Iterator<Item = WriterKind> {
    let kept = move |kind: &WriterKind| level == GuardLevel::L3 || *kind != WriterKind::Deletes;
    WriterKind::WRITING.into_iter().filter(kept)
}

/// Every single fault under every writer.
#[must_use]
pub fn singles(level: GuardLevel, moves: Moves, counts: &Counts) -> Vec<Case> {
    let faults = faults_of(counts);
    let of_writer = |writer| {
        let cases = faults.clone().into_iter().enumerate();
        cases.map(move |(n, fault)| {
            let lives = vec![Life { faults: vec![fault] }];
            Case { lives, moves, ..Case::quiet(level, writer, n as u64 + 1) }
        })
    };
    writers(level).flat_map(of_writer).collect()
}

/// The case with the first seed of its client under which every fault is met, and what came of it: a client
/// that deletes documents can save a worker the effect that is to fail. Of the tries, the last one.
///
/// # Errors
/// Those of [`play`].
pub async fn aim(case: &Case) -> Result<(Case, Outcome)> {
    let mut tried = case.clone();
    loop {
        let outcome = play(&tried).await?;
        let last = tried.seed >= case.seed + SEEDS_APART * SEEDS_TO_MEET_A_FAULT;
        if outcome.unmet == 0 || outcome.violation.is_some() || last {
            return Ok((tried, outcome));
        }
        tried.seed += SEEDS_APART;
    }
}

/// Every case that meets a second fault after the one of this case: at any effect that its worker, or the one
/// after it, was seen to pass since. Until the second fault, all play alike.
///
/// # Errors
/// Those of [`play`].
pub async fn pairs_after(single: &Case) -> Result<Vec<Case>> {
    let Some(first) = single.lives.first().and_then(|life| life.faults.first()).copied() else {
        return Ok(Vec::new());
    };
    let lives = vec![Life { faults: vec![first] }, Life::default()];
    let (alone, outcome) = aim(&Case { lives, ..single.clone() }).await?;
    if outcome.unmet > 0 {
        return Ok(Vec::new());
    }
    let lives = outcome.passages();
    let is_first = |passage: &(&str, u64)| *passage == (first.0, first.1);
    let same_life = lives.first().map(|life| numbered(life)).unwrap_or_default();
    let same_life = same_life.into_iter().skip_while(|passage| !is_first(passage)).skip(1);
    let next_life = lives.get(1).map(|life| numbered(life)).unwrap_or_default();
    let in_same = |second| vec![Life { faults: vec![first, second] }, Life::default()];
    let in_next = |second| vec![Life { faults: vec![first] }, Life { faults: vec![second] }];
    let seconds = faults(same_life).into_iter().map(in_same);
    let seconds = seconds.chain(faults(next_life).into_iter().map(in_next));
    Ok(seconds.map(|lives| Case { lives, ..alone.clone() }).collect())
}

/// A case by the dice: up to three lives with up to three faults each, a writer, a level, and now and then a
/// file that the storage alters.
#[must_use]
pub fn random_case(seed: u64, counts: &Counts, bug: Option<Bug>) -> Case {
    let dice = SeededEntropy::new(seed);
    let roll = |sides: usize| {
        let mut bytes = [0; 8];
        dice.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % sides.max(1) as u64).unwrap_or(0)
    };
    let level = [GuardLevel::L3, GuardLevel::L3, GuardLevel::L2, GuardLevel::L1][roll(4)];
    let level = if bug.is_some() { GuardLevel::L3 } else { level };
    let writers: Vec<WriterKind> = writers(level).collect();
    let writer = writers[roll(writers.len())];
    let faults = faults_of(counts);
    let lives = (0..=roll(3))
        .map(|_| Life { faults: (0..=roll(3)).map(|_| faults[roll(faults.len())]).collect() })
        .collect();
    let spoiled = (roll(8) == 0).then(|| 1 + roll(4) as u64);
    Case { lives, spoiled, bug, ..Case::quiet(level, writer, seed) }
}
