//! Walking along a plan, in steps: between two steps nothing is borrowed from the store, so a
//! reader can wait for its client and a writer can change what it found.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};
use portolan_mql::{Filter, Sort};
use portolan_runtime::Runtime;
use portolan_wire::CommandContext;
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, KeyRange, Plan, Source};
use crate::store::{Collection, ReadTable, Readable, RecordId, record_id, record_of_entry};

/// Entries that one step looks at, and documents that it holds, at most.
const STEP_ENTRIES: usize = 512;
const STEP_BYTES: usize = 1024 * 1024;

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    Stop,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Examined {
    pub(crate) keys: u64,
    pub(crate) documents: u64,
}

/// A walk along a plan.
pub(crate) struct Scan {
    source: Source,
    ranges: VecDeque<KeyRange>,
    reverse: bool,
    /// Where the current range goes on.
    resume: Option<Vec<u8>>,
    /// Records already seen, where they may come again.
    seen: Option<HashSet<RecordId>>,
    pub(crate) examined: Examined,
}

type Visit<'v> = &'v mut dyn FnMut(RecordId, &RawDocument) -> Result<Flow, Failure>;

impl Scan {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut ranges: VecDeque<KeyRange> = plan.ranges.into();
        if plan.reverse {
            ranges.make_contiguous().reverse();
        }
        Self {
            source: plan.source,
            ranges,
            reverse: plan.reverse,
            resume: None,
            seen: plan.repeats.then(HashSet::new),
            examined: Examined::default(),
        }
    }

    /// Whether the walk is at its end.
    pub(crate) fn is_done(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Walks on until `visit` stops it, some hundred entries were seen, or the end.
    pub(crate) fn step<T: Readable>(
        &mut self,
        collection: &Collection<T>,
        visit: Visit<'_>,
    ) -> Result<(), Failure> {
        let mut left = STEP_ENTRIES;
        while left > 0 {
            let Some(range) = self.ranges.front() else { return Ok(()) };
            if self.source == Source::Ids && range.point {
                left -= 1;
                if self.point(collection, visit)? == Flow::Stop {
                    return Ok(());
                }
            } else if self.range(collection, &mut left, visit)? == Flow::Stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks one `_id` up.
    fn point<T: Readable>(
        &mut self,
        collection: &Collection<T>,
        visit: Visit<'_>,
    ) -> Result<Flow, Failure> {
        let Some(range) = self.ranges.pop_front() else { return Ok(Flow::Stop) };
        self.examined.keys += 1;
        match collection.ids.get(range.low.as_slice())? {
            Some(record) => self.fetch(collection, record_id(record.value())?, visit),
            None => Ok(Flow::On),
        }
    }

    /// Walks along the current range.
    fn range<T: Readable>(
        &mut self,
        collection: &Collection<T>,
        left: &mut usize,
        visit: Visit<'_>,
    ) -> Result<Flow, Failure> {
        let table = match self.source {
            Source::Collection => &collection.data,
            Source::Ids => &collection.ids,
            Source::Index(position) => &collection.indexes[position],
        };
        let bounds = self.bounds();
        let borrowed = (as_slice(&bounds.0), as_slice(&bounds.1));
        let mut entries = table.range(borrowed.0, borrowed.1, self.reverse)?;
        loop {
            let Some(entry) = entries.next() else {
                self.ranges.pop_front();
                self.resume = None;
                return Ok(Flow::On);
            };
            let (key, value) = entry?;
            let flow = self.entry(collection, key.value(), value.value(), visit)?;
            *left -= 1;
            if flow == Flow::Stop || *left == 0 {
                self.resume = Some(key.value().to_vec());
                return Ok(flow);
            }
        }
    }

    fn bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let Some(range) = self.ranges.front() else { return all };
        let low = Bound::Included(range.low.clone());
        let high = range.high.clone().map_or(Bound::Unbounded, Bound::Excluded);
        match (&self.resume, self.reverse) {
            (None, _) => (low, high),
            (Some(last), false) => (Bound::Excluded(last.clone()), high),
            (Some(last), true) => (low, Bound::Excluded(last.clone())),
        }
    }

    fn entry<T: Readable>(
        &mut self,
        collection: &Collection<T>,
        key: &[u8],
        value: &[u8],
        visit: Visit<'_>,
    ) -> Result<Flow, Failure> {
        let record = match self.source {
            Source::Collection => {
                self.examined.documents += 1;
                return visit(record_id(key)?, RawDocument::from_bytes(value)?);
            }
            Source::Ids => record_id(value)?,
            Source::Index(_) => record_of_entry(key)?,
        };
        self.examined.keys += 1;
        if self.seen.as_mut().is_some_and(|seen| !seen.insert(record)) {
            return Ok(Flow::On);
        }
        self.fetch(collection, record, visit)
    }

    fn fetch<T: Readable>(
        &mut self,
        collection: &Collection<T>,
        record: RecordId,
        visit: Visit<'_>,
    ) -> Result<Flow, Failure> {
        self.examined.documents += 1;
        match collection.data.get(record.to_be_bytes().as_slice())? {
            Some(document) => visit(record, RawDocument::from_bytes(document.value())?),
            None => {
                let message = format!("an index names record {record}, which is not there");
                Err(refuse(codes::INTERNAL_ERROR, message))
            }
        }
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key.as_slice()),
        Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// When a long operation has to end before it is done.
///
/// `maxTimeMS` counts the time that the server works, not the time that a cursor waits for its
/// client: [`Patience::pause`] and [`Patience::resume`] stop the count between two batches. Once
/// the first batch was given away, the cursor may go on over another connection, so the loss of
/// the first one no longer ends it.
#[derive(Clone)]
pub(crate) struct Patience {
    runtime: Runtime,
    state: Arc<Mutex<PatienceState>>,
    no_table_scan: bool,
}

struct PatienceState {
    cancelled: Option<CancellationToken>,
    until_boot_ms: Option<u64>,
    paused_boot_ms: Option<u64>,
}

impl Patience {
    /// Until the client is gone, or `max_time_ms` is over.
    pub(crate) fn new(
        runtime: &Runtime,
        context: &CommandContext,
        max_time_ms: Option<u64>,
    ) -> Self {
        let until_boot_ms = max_time_ms.map(|limit_ms| runtime.boot_ms().saturating_add(limit_ms));
        let cancelled = Some(context.cancelled.clone());
        let state = PatienceState { cancelled, until_boot_ms, paused_boot_ms: None };
        let state = Arc::new(Mutex::new(state));
        Self { runtime: runtime.clone(), state, no_table_scan: false }
    }

    /// Without a client, and without an end.
    pub(crate) fn endless(runtime: &Runtime) -> Self {
        let state = PatienceState { cancelled: None, until_boot_ms: None, paused_boot_ms: None };
        let state = Arc::new(Mutex::new(state));
        Self { runtime: runtime.clone(), state, no_table_scan: false }
    }

    /// Also refuses to read all of a collection.
    pub(crate) fn without_table_scans(mut self, refuse: bool) -> Self {
        self.no_table_scan = refuse;
        self
    }

    /// Refuses to walk on when it is over, or when the walk goes through all of a collection and must
    /// not.
    pub(crate) fn check_walk(&self, scan: &Scan) -> Result<(), Failure> {
        if self.no_table_scan && scan.source == Source::Collection {
            let message = "error processing query: No indexed plans available, and running with \
                           'notablescan'";
            return Err(refuse(codes::NO_QUERY_EXECUTION_PLANS, message));
        }
        self.check()
    }

    /// Refuses to go on when it is over.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let state = self.lock();
        if state.cancelled.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(refuse(codes::INTERRUPTED, "operation was interrupted"));
        }
        if state.until_boot_ms.is_some_and(|until_ms| self.runtime.boot_ms() >= until_ms) {
            return Err(refuse(codes::MAX_TIME_EXPIRED, "operation exceeded time limit"));
        }
        Ok(())
    }

    /// A batch is complete: from now on the client is waited for.
    pub(crate) fn pause(&self) {
        let mut state = self.lock();
        state.cancelled = None;
        state.paused_boot_ms = Some(self.runtime.boot_ms());
    }

    /// The client asks for more.
    pub(crate) fn resume(&self) {
        let mut state = self.lock();
        if let Some(paused_ms) = state.paused_boot_ms.take() {
            let waited_ms = self.runtime.boot_ms().saturating_sub(paused_ms);
            state.until_boot_ms = state.until_boot_ms.map(|until| until.saturating_add(waited_ms));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PatienceState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The matching documents of a snapshot, read on demand.
pub(crate) struct Matches {
    collection: Collection<ReadTable>,
    scan: Scan,
    filter: Filter,
    patience: Patience,
    found: VecDeque<RawDocumentBuf>,
    failed: bool,
    record_ids: bool,
}

impl Matches {
    pub(crate) fn new(
        collection: Collection<ReadTable>,
        plan: Plan,
        filter: Filter,
        patience: Patience,
    ) -> Self {
        let scan = Scan::new(plan);
        Self {
            collection,
            scan,
            filter,
            patience,
            found: VecDeque::new(),
            failed: false,
            record_ids: false,
        }
    }

    /// Each document has the number of its record in a last field, `$recordId`.
    pub(crate) fn with_record_ids(mut self) -> Self {
        self.record_ids = true;
        self
    }

    /// How much was looked at until now.
    pub(crate) fn examined(&self) -> Examined {
        self.scan.examined
    }

    fn refill(&mut self) -> Result<(), Failure> {
        self.patience.check_walk(&self.scan)?;
        let (filter, found, record_ids) = (&self.filter, &mut self.found, self.record_ids);
        let mut held_bytes = 0;
        self.scan.step(&self.collection, &mut |record, document| {
            if filter.is_empty() || filter.matches(document)? {
                held_bytes += document.as_bytes().len();
                let mut document = document.to_owned();
                if record_ids {
                    document.append(cstr!("$recordId"), i64::try_from(record).unwrap_or(i64::MAX));
                }
                found.push_back(document);
            }
            Ok(if held_bytes >= STEP_BYTES { Flow::Stop } else { Flow::On })
        })
    }
}

impl Iterator for Matches {
    type Item = Result<RawDocumentBuf, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.found.is_empty() && !self.failed && !self.scan.is_done() {
            if let Err(failure) = self.refill() {
                self.failed = true;
                self.found.clear();
                return Some(Err(failure));
            }
        }
        self.found.pop_front().map(Ok)
    }
}

/// The records of a collection that is being changed which match, `limit` of them at most.
pub(crate) fn matching_records<T: Readable>(
    collection: &Collection<T>,
    plan: Plan,
    filter: &Filter,
    limit: Option<usize>,
    patience: &Patience,
) -> Result<Vec<RecordId>, Failure> {
    let mut scan = Scan::new(plan);
    let mut records = Vec::new();
    let full = |records: &Vec<RecordId>| limit.is_some_and(|limit| records.len() >= limit);
    while !scan.is_done() && !full(&records) {
        patience.check_walk(&scan)?;
        scan.step(collection, &mut |record, document| {
            if filter.matches(document)? {
                records.push(record);
            }
            Ok(if full(&records) { Flow::Stop } else { Flow::On })
        })?;
    }
    Ok(records)
}

/// The first matching record of a collection that is being changed, in the order asked for.
pub(crate) fn first_record<T: Readable>(
    collection: &Collection<T>,
    filter: &Filter,
    sort: &Sort,
    hint: &Hint,
    patience: &Patience,
) -> Result<Option<RecordId>, Failure> {
    let plan = Plan::choose(&collection.entry, filter, Some(sort), hint);
    let in_order = plan.sorted || sort.is_empty();
    let mut best: Option<(Vec<u8>, RecordId)> = None;
    let mut scan = Scan::new(plan);
    while !(scan.is_done() || in_order && best.is_some()) {
        patience.check_walk(&scan)?;
        scan.step(collection, &mut |record, document: &RawDocument| {
            if !filter.matches(document)? {
                return Ok(Flow::On);
            }
            if in_order {
                best = Some((Vec::new(), record));
                return Ok(Flow::Stop);
            }
            let key = sort.key(document)?;
            if best.as_ref().is_none_or(|(least, _)| key < *least) {
                best = Some((key, record));
            }
            Ok(Flow::On)
        })?;
    }
    Ok(best.map(|(_, record)| record))
}
