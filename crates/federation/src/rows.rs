//! The archive part of a query: rows of the pinned versions, newest archive first, in groups that
//! are judged together.

use std::collections::HashSet;
use std::sync::Arc;

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use portolan_lake::{LakeError, Row};
use portolan_model::ShardKey;

use crate::FederationError;
use crate::judge::{Judge, LOOK_UP_MAX};
use crate::pin::{Candidate, Pin};
use crate::plan::{self, Scan};
use crate::query::Query;
use crate::returned::Returned;
use crate::session::{Figures, Session};

/// The first group is small, so that the first documents come soon.
const FIRST_GROUP: usize = 101;
/// The life of a query is checked after so many rows, also when none of them matches.
const ROWS_PER_CHECK: u64 = 4_096;
/// A group holds at most so many bytes of documents.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The archive part of one query.
pub(crate) struct ArchiveRows {
    session: Session,
    query: Arc<Query>,
    pins: Arc<Vec<Pin>>,
    judge: Judge,
    /// Scans that have not begun, in reverse order.
    scans: Vec<Scan>,
    current: Option<Reading>,
    group: usize,
    rows_until_check: u64,
}

struct Reading {
    pin: usize,
    proved: HashSet<usize>,
    rivalled: HashSet<usize>,
    rows: BoxStream<'static, Result<Row, LakeError>>,
}

/// A row and what is known of its file.
struct Found {
    row: Row,
    pin: usize,
    proved_absent: bool,
    has_rivals: bool,
}

impl ArchiveRows {
    /// Plans the scans of all pins, and proves what can be proved about their files.
    pub(crate) async fn open(
        session: Session,
        query: Arc<Query>,
        pins: Vec<Pin>,
        shard_key: Option<ShardKey>,
    ) -> Result<Self, FederationError> {
        let pins = Arc::new(pins);
        let namespace = query.namespace.clone();
        let judge = Judge::new(session.clone(), namespace, Arc::clone(&pins), shard_key);
        let mut scans = plan::plan(&session, &query, &pins, &judge).await?;
        scans.reverse();
        Ok(Self {
            session,
            query,
            pins,
            judge,
            scans,
            current: None,
            group: FIRST_GROUP,
            rows_until_check: ROWS_PER_CHECK,
        })
    }

    /// The next documents; `None` at the end. A group may come out empty.
    pub(crate) async fn next(
        &mut self,
        returned: &Returned,
    ) -> Result<Option<Vec<RawDocumentBuf>>, FederationError> {
        self.session.check_life()?;
        let candidates = self.next_group().await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        self.judge.judge(candidates, returned).await.map(Some)
    }

    async fn next_group(&mut self) -> Result<Vec<Candidate>, FederationError> {
        let mut candidates = Vec::new();
        let mut size_bytes = 0;
        while candidates.len() < self.group && size_bytes < GROUP_BYTES_MAX {
            let Some(found) = self.next_row().await? else { break };
            if let Some(candidate) = self.candidate(found)? {
                size_bytes += candidate.document.as_bytes().len();
                candidates.push(candidate);
            }
        }
        self.group = LOOK_UP_MAX;
        Ok(candidates)
    }

    async fn next_row(&mut self) -> Result<Option<Found>, FederationError> {
        loop {
            if let Some(reading) = &mut self.current {
                if let Some(row) = reading.rows.try_next().await? {
                    self.rows_until_check -= 1;
                    if self.rows_until_check == 0 {
                        self.rows_until_check = ROWS_PER_CHECK;
                        self.session.check_life()?;
                    }
                    // Rows that do not match never leave this loop: give others a turn.
                    tokio::task::coop::consume_budget().await;
                    let proved_absent = reading.proved.contains(&row.file_index);
                    let has_rivals = reading.rivalled.contains(&row.file_index);
                    return Ok(Some(Found { row, pin: reading.pin, proved_absent, has_rivals }));
                }
                self.current = None;
            }
            let Some(Scan { pin, plan, proved, rivalled }) = self.scans.pop() else {
                return Ok(None);
            };
            self.current = Some(Reading { pin, proved, rivalled, rows: plan.rows() });
        }
    }

    fn candidate(&self, found: Found) -> Result<Option<Candidate>, FederationError> {
        let Found { row, pin, proved_absent, has_rivals } = found;
        Figures::add(&self.session.figures.rows_read, 1);
        self.session.spend(row.doc.as_bytes().len())?;
        if !self.query.filter.matches(&row.doc)? {
            return Ok(None);
        }
        let pin = &self.pins[pin];
        if pin.is_void(&row, &pin.table.spec().identity(&row.doc)) {
            Figures::add(&self.session.figures.rows_hidden, 1);
            return Ok(None);
        }
        let identity = self.judge.identity(&row.doc);
        // Where the source decides, a row that is left was moved, whether its move is confirmed or not.
        let (seq, open) = (row.seq, pin.is_open(row.seq) && !pin.is_fenced());
        let document = row.doc;
        Ok(Some(Candidate { identity, seq, open, proved_absent, has_rivals, document }))
    }
}
