//! One execution: documents are pushed in at the front and come out at the end.

use std::collections::VecDeque;

use bson::{RawBsonRef, RawDocumentBuf, rawdoc};

use super::accumulators::narrow;
use super::bucket::Waiting;
use super::facet::Facets;
use super::group::Groups;
use super::join::Joining;
use super::parse::too_much_memory;
use super::{Pipeline, Stage, window};
use crate::mutate::set;
use crate::{MqlError, Result, Sort};

/// One execution of a pipeline, fed by pushing documents; usable from async code.
#[derive(Debug)]
pub struct PipelineRun {
    pipeline: Pipeline,
    states: Vec<State>,
}

/// What a stage remembers.
#[derive(Debug)]
enum State {
    Nothing,
    /// Documents that passed or were skipped.
    Seen(u64),
    Groups(Groups),
    Sorting(Sorting),
    Sampling(Vec<RawDocumentBuf>, usize, u64, u64),
    Joining(Joining),
    Facets(Facets),
    Waiting(Waiting),
    Window(window::Waiting),
}

#[derive(Debug, Default)]
struct Sorting {
    held: Vec<(Vec<u8>, RawDocumentBuf)>,
    bytes: usize,
}

impl PipelineRun {
    pub(super) fn new(pipeline: Pipeline) -> Self {
        let seed = pipeline.inner.seed;
        let states = pipeline
            .stages()
            .iter()
            .map(|stage| match stage {
                Stage::Skip(_) | Stage::Limit(_) | Stage::Count(_) => State::Seen(0),
                Stage::Group(_) => State::Groups(Groups::default()),
                Stage::Sort(_) => State::Sorting(Sorting::default()),
                Stage::Sample(_) => State::Sampling(Vec::new(), 0, 0, seed),
                Stage::Lookup(_) => State::Joining(Joining::default()),
                Stage::Facet(facet) => State::Facets(facet.start()),
                Stage::BucketAuto(_) => State::Waiting(Waiting::default()),
                Stage::WindowFields(_) => State::Window(window::Waiting::default()),
                _ => State::Nothing,
            })
            .collect();
        Self { pipeline, states }
    }

    /// Feeds one document; gives the documents that come out because of it.
    ///
    /// # Errors
    /// Those of expressions, and code 292 when a stage holds too much.
    pub fn push(&mut self, doc: RawDocumentBuf) -> Result<Vec<RawDocumentBuf>> {
        let mut out = Vec::new();
        self.feed(0, doc, &mut out)?;
        Ok(out)
    }

    /// Ends the input; gives the documents that blocking stages held back.
    ///
    /// # Errors
    /// As [`PipelineRun::push`].
    pub fn finish(&mut self) -> Result<Vec<RawDocumentBuf>> {
        let mut out = Vec::new();
        for at in 0..self.states.len() {
            for doc in self.drain(at)? {
                self.feed(at + 1, doc, &mut out)?;
            }
            self.append_union(at, &mut out)?;
        }
        Ok(out)
    }

    /// The documents of another collection, sent on as they are read. What later stages give is
    /// held until the end.
    fn append_union(&mut self, at: usize, out: &mut Vec<RawDocumentBuf>) -> Result<()> {
        let Stage::Union(union) = &self.pipeline.stages()[at] else { return Ok(()) };
        let memory_bytes = self.pipeline.inner.memory_bytes;
        let (mut held, mut bytes) = (out.len(), 0);
        for doc in union.read()? {
            self.feed(at + 1, doc?, out)?;
            bytes += out[held..].iter().map(|doc| doc.as_bytes().len()).sum::<usize>();
            held = out.len();
            if bytes > memory_bytes {
                return Err(too_much_memory("$unionWith", memory_bytes));
            }
        }
        Ok(())
    }

    /// Whether no further input can change the output (a `$limit` is full): stop reading.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.pipeline
            .stages()
            .iter()
            .zip(&self.states)
            .any(|pair| matches!(pair, (Stage::Limit(limit), State::Seen(seen)) if seen >= limit))
    }

    fn feed(
        &mut self,
        at: usize,
        doc: RawDocumentBuf,
        out: &mut Vec<RawDocumentBuf>,
    ) -> Result<()> {
        if at == self.states.len() {
            out.push(doc);
            return Ok(());
        }
        for doc in self.step(at, doc)? {
            self.feed(at + 1, doc, out)?;
        }
        Ok(())
    }

    /// One stage, one document.
    fn step(&mut self, at: usize, doc: RawDocumentBuf) -> Result<Vec<RawDocumentBuf>> {
        if self.pipeline.stages()[at].holds_back() {
            self.hold_back(at, doc)?;
            return Ok(vec![]);
        }
        let memory_bytes = self.pipeline.inner.memory_bytes;
        let stage = &self.pipeline.stages()[at];
        match (stage, &mut self.states[at]) {
            (Stage::Match(filter), _) => Ok(if filter.matches(&doc)? { vec![doc] } else { vec![] }),
            (Stage::Project(projection), _) => Ok(vec![projection.apply(&doc)?]),
            (Stage::AddFields(fields), _) => {
                let mut changed = doc.clone();
                for (path, expr) in fields {
                    changed = set(&changed, path, expr.evaluate(&doc)?.get())?;
                }
                Ok(vec![changed])
            }
            (Stage::ReplaceRoot(expr), _) => match expr.evaluate(&doc)?.get() {
                Some(RawBsonRef::Document(root)) => Ok(vec![root.to_owned()]),
                other => Err(no_root(other)),
            },
            (Stage::Unwind(unwind), _) => unwind.apply(doc),
            (Stage::Skip(count), State::Seen(seen)) => {
                *seen += 1;
                Ok(if *seen > *count { vec![doc] } else { vec![] })
            }
            (Stage::Limit(count), State::Seen(seen)) => {
                *seen += 1;
                Ok(if *seen <= *count { vec![doc] } else { vec![] })
            }
            (Stage::Lookup(lookup), State::Joining(state)) => {
                Ok(vec![lookup.apply(state, &doc, memory_bytes)?])
            }
            (Stage::GraphLookup(lookup), _) => Ok(vec![lookup.apply(&doc, memory_bytes)?]),
            (Stage::Redact(redact), _) => Ok(redact.apply(&doc)?.into_iter().collect()),
            (Stage::Union(_) | Stage::Documents(_), _) => Ok(vec![doc]),
            (stage, state) => unreachable!("the state of {stage:?} was made for it, not {state:?}"),
        }
    }

    /// Gives a document to a stage that must see all of them first.
    fn hold_back(&mut self, at: usize, doc: RawDocumentBuf) -> Result<()> {
        let memory_bytes = self.pipeline.inner.memory_bytes;
        let take = self.wanted_after(at);
        let stage = &self.pipeline.stages()[at];
        match (stage, &mut self.states[at]) {
            (Stage::Count(_), State::Seen(seen)) => {
                *seen += 1;
                Ok(())
            }
            (Stage::Group(group), State::Groups(groups)) => groups.add(group, &doc, memory_bytes),
            (Stage::Sort(sort), State::Sorting(sorting)) => {
                sorting.add(sort, doc, take, memory_bytes)
            }
            (Stage::Sample(size), State::Sampling(held, bytes, seen, seed)) => {
                let size = usize::try_from(*size).unwrap_or(usize::MAX);
                reservoir(held, doc, size, seen, seed, bytes);
                if *bytes > memory_bytes {
                    return Err(too_much_memory("$sample", memory_bytes));
                }
                Ok(())
            }
            (Stage::Facet(_), State::Facets(facets)) => facets.add(&doc, memory_bytes),
            (Stage::BucketAuto(buckets), State::Waiting(waiting)) => {
                buckets.add(waiting, doc, memory_bytes)
            }
            (Stage::WindowFields(fields), State::Window(waiting)) => {
                fields.add(waiting, doc, memory_bytes)
            }
            (stage, state) => unreachable!("the state of {stage:?} was made for it, not {state:?}"),
        }
    }

    /// How many documents a sort must keep, when only skips and limits follow it up to a limit.
    fn wanted_after(&self, at: usize) -> Option<usize> {
        let mut skipped = 0_u64;
        for stage in &self.pipeline.stages()[at + 1..] {
            match stage {
                Stage::Skip(count) => skipped = skipped.saturating_add(*count),
                Stage::Limit(count) => return usize::try_from(skipped.saturating_add(*count)).ok(),
                _ => return None,
            }
        }
        None
    }

    /// What a blocking stage held back.
    fn drain(&mut self, at: usize) -> Result<Vec<RawDocumentBuf>> {
        let stage = &self.pipeline.stages()[at];
        match (stage, &mut self.states[at]) {
            (Stage::Count(name), State::Seen(seen)) => {
                let mut doc = rawdoc! {};
                let count = narrow(i64::try_from(*seen).unwrap_or(i64::MAX));
                crate::expr::append(&mut doc, name, &count)?;
                Ok(if *seen == 0 { vec![] } else { vec![doc] })
            }
            (Stage::Group(group), State::Groups(groups)) => groups.finish(group),
            (Stage::Sort(_), State::Sorting(sorting)) => Ok(sorting.finish()),
            (Stage::Sample(_), State::Sampling(held, ..)) => Ok(std::mem::take(held)),
            (Stage::Facet(facet), State::Facets(facets)) => Ok(vec![facets.finish(facet)?]),
            (Stage::BucketAuto(buckets), State::Waiting(waiting)) => {
                buckets.finish(waiting, self.pipeline.inner.memory_bytes)
            }
            (Stage::WindowFields(fields), State::Window(waiting)) => fields.finish(waiting),
            (Stage::Documents(documents), _) => Ok(documents.clone()),
            _ => Ok(vec![]),
        }
    }
}

fn no_root(found: Option<RawBsonRef<'_>>) -> MqlError {
    let kind = found.map_or("missing", crate::types::name_of);
    let message =
        format!("'newRoot' expression must evaluate to an object, but it evaluated to: {kind}");
    MqlError::new(40228, message)
}

impl Sorting {
    /// Keeps a document. When only the first `take` will be asked for, the rest goes now and then.
    fn add(
        &mut self,
        sort: &Sort,
        doc: RawDocumentBuf,
        take: Option<usize>,
        memory_bytes: usize,
    ) -> Result<()> {
        let key = sort.key(&doc)?;
        self.bytes += key.len() + doc.as_bytes().len();
        self.held.push((key, doc));
        if let Some(take) = take
            && self.held.len() > take.saturating_mul(2).max(64)
        {
            self.order();
            self.held.truncate(take);
            self.bytes = self.held.iter().map(|(key, doc)| key.len() + doc.as_bytes().len()).sum();
        }
        if self.bytes > memory_bytes {
            return Err(too_much_memory("$sort", memory_bytes));
        }
        Ok(())
    }

    /// Stable: documents that sort alike keep the order in which they came.
    fn order(&mut self) {
        self.held.sort_by(|(a, _), (b, _)| a.cmp(b));
    }

    fn finish(&mut self) -> Vec<RawDocumentBuf> {
        self.order();
        std::mem::take(&mut self.held).into_iter().map(|(_, doc)| doc).collect()
    }
}

/// Keeps a uniform sample of what was seen (reservoir sampling, with a SplitMix64 stream).
fn reservoir(
    held: &mut Vec<RawDocumentBuf>,
    doc: RawDocumentBuf,
    size: usize,
    seen: &mut u64,
    seed: &mut u64,
    bytes: &mut usize,
) {
    *seen += 1;
    *bytes += doc.as_bytes().len();
    if held.len() < size {
        held.push(doc);
        return;
    }
    let place = usize::try_from(random(seed) % *seen).unwrap_or(usize::MAX);
    let gone = match held.get_mut(place) {
        Some(slot) => std::mem::replace(slot, doc),
        None => doc,
    };
    *bytes -= gone.as_bytes().len();
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(1);
    crate::expr::mixed(*seed)
}

/// A pipeline over an iterator.
pub(super) struct Iter<I> {
    run: PipelineRun,
    docs: Option<I>,
    ready: VecDeque<RawDocumentBuf>,
}

impl<I> Iter<I> {
    pub(super) fn new(run: PipelineRun, docs: I) -> Self {
        Self { run, docs: Some(docs), ready: VecDeque::new() }
    }
}

impl<I: Iterator<Item = Result<RawDocumentBuf>>> Iterator for Iter<I> {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(doc) = self.ready.pop_front() {
                return Some(Ok(doc));
            }
            let docs = self.docs.as_mut()?;
            let next = if self.run.is_done() { None } else { docs.next() };
            let made = match next {
                Some(Ok(doc)) => self.run.push(doc),
                Some(Err(error)) => Err(error),
                None => {
                    self.docs = None;
                    self.run.finish()
                }
            };
            match made {
                Ok(docs) => self.ready.extend(docs),
                Err(error) => {
                    self.docs = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
