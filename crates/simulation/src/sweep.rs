//! Many cases: every single fault, every pair, and random ones. Which effects there are to fail is
//! taken from the trace of a world without faults.

use std::collections::BTreeMap;

use anyhow::Result;
use portolan_archiver::effects;
use portolan_model::GuardLevel;
use portolan_runtime::{Entropy, Fate, SeededEntropy};

use crate::case::{Case, Fault, Life, play};
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

/// The archiver's effects in a world without faults and without writers.
///
/// # Errors
/// Those of [`play`].
pub async fn trace(level: GuardLevel) -> Result<Counts> {
    let outcome = play(&Case::quiet(level, WriterKind::Quiet, 0)).await?;
    let mut counts = Counts::new();
    for line in &outcome.trace {
        let point = line.strip_suffix(" begins").unwrap_or_default();
        if let Some(point) = effects::ALL.into_iter().find(|known| *known == point) {
            *counts.entry(point).or_default() += 1;
        }
    }
    Ok(counts)
}

fn faults(counts: &Counts) -> Vec<Fault> {
    let passages = counts.iter().flat_map(|(point, count)| (1..=*count).map(move |n| (*point, n)));
    let all = passages.flat_map(|(point, n)| FATES.map(|fate| (point, n, fate)));
    let is_played =
        |(point, _, fate): &Fault| !matches!(fate, Fate::Delayed { .. }) || OUTSIDE.contains(point);
    all.filter(is_played).collect()
}

/// The writers that a level makes promises to.
fn writers(level: GuardLevel) -> impl Iterator<Item = WriterKind> {
    let kept = move |kind: &WriterKind| level == GuardLevel::L3 || *kind != WriterKind::Deletes;
    WriterKind::WRITING.into_iter().filter(kept)
}

fn case(level: GuardLevel, writer: WriterKind, seed: u64, faults: &[&[Fault]]) -> Case {
    let lives = faults.iter().map(|faults| Life { faults: faults.to_vec() }).collect();
    Case { lives, ..Case::quiet(level, writer, seed) }
}

/// Every single fault under every writer.
#[must_use]
pub fn singles(level: GuardLevel, counts: &Counts) -> Vec<Case> {
    let faults = faults(counts);
    let of_writer = |writer| {
        let faults = faults.clone();
        faults
            .into_iter()
            .enumerate()
            .map(move |(n, fault)| case(level, writer, n as u64 + 1, &[&[fault]]))
    };
    writers(level).flat_map(of_writer).collect()
}

/// Every pair of faults, one in each of two lives, under every writer.
#[must_use]
pub fn pairs(level: GuardLevel, counts: &Counts) -> Vec<Case> {
    let faults = faults(counts);
    let mut cases = Vec::new();
    for writer in writers(level) {
        for first in &faults {
            for second in &faults {
                let seed = cases.len() as u64 + 1;
                cases.push(case(level, writer, seed, &[&[*first], &[*second]]));
            }
        }
    }
    cases
}

/// A case by the dice: up to three lives with up to three faults each, a writer, a level.
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
    let faults = faults(counts);
    let lives = (0..=roll(3))
        .map(|_| Life { faults: (0..=roll(3)).map(|_| faults[roll(faults.len())]).collect() })
        .collect();
    Case { lives, bug, ..Case::quiet(level, writer, seed) }
}
