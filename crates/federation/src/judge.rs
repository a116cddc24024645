//! Which rows are part of the answer: a row counts if its document is not in the cluster any more,
//! and if no newer row took its place.
//!
//! The user's filter takes no part in this. Identities are looked up without it, after the tables
//! were pinned, in groups of at most a thousand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bson::{RawBson, RawDocument, RawDocumentBuf};
use portolan_lake::{DataFile, Table, Version, identity_under};
use portolan_model::{Namespace, ShardKey};

use crate::endpoint::EndpointMode;
use crate::pin::{Candidate, Numbers, Pin};
use crate::returned::Returned;
use crate::session::{Figures, Session};
use crate::{FederationError, id_range};

/// Identities in one look-up.
pub(crate) const LOOK_UP_MAX: usize = 1_000;

/// The greatest open, not kept row, by identity.
type OpenRows = HashMap<Vec<u8>, OpenRow>;

/// A row of an open move.
#[derive(Clone, Copy)]
struct OpenRow {
    seq: i64,
    /// The source says that it was moved.
    moved: bool,
}
/// What the cluster holds, by identity.
type Live = HashMap<Vec<u8>, RawDocumentBuf>;

/// Decides about rows of one set of pins.
#[derive(Clone)]
pub(crate) struct Judge {
    session: Session,
    namespace: Namespace,
    pins: Arc<Vec<Pin>>,
    /// What documents are told apart by beside `_id`.
    shard_key: Option<ShardKey>,
    /// The parts of the pins that hold open moves.
    open: Arc<Vec<(usize, Version)>>,
}

impl Judge {
    pub(crate) fn new(
        session: Session,
        namespace: Namespace,
        pins: Arc<Vec<Pin>>,
        shard_key: Option<ShardKey>,
    ) -> Self {
        let open = pins.iter().enumerate().filter_map(|(index, pin)| {
            let open = pin.version.committed > pin.version.confirmed;
            let version = open.then(|| Pin::above(&pin.version, pin.version.confirmed))??;
            Some((index, version))
        });
        let open = Arc::new(open.collect());
        Self { session, namespace, pins, shard_key, open }
    }

    /// Identity of a document, in whichever table or in the cluster it is.
    pub(crate) fn identity(&self, document: &RawDocument) -> Vec<u8> {
        identity_under(document, self.shard_key.as_ref())
    }

    /// Whether rows of this file may have a newer row of an open move beside them.
    pub(crate) fn has_rivals(&self, file: &DataFile) -> bool {
        let mut open = self.open.iter().flat_map(|(_, version)| &version.files);
        open.any(|rival| id_range::may_overlap(rival, file))
    }

    /// Those candidates that are part of the answer. `returned` is what the cluster part gave.
    pub(crate) async fn judge(
        &self,
        candidates: Vec<Candidate>,
        returned: &Returned,
    ) -> Result<Vec<RawDocumentBuf>, FederationError> {
        let before = candidates.len();
        let verdict = match self.session.mode {
            EndpointMode::ClusterAndArchive => self.judge_union(candidates, returned).await?,
            EndpointMode::Archive => self.judge_archive(candidates).await?,
        };
        let Verdict { mut visible, looked_absent } = verdict;
        if !looked_absent.is_empty() {
            let newer = self.committed_since(&looked_absent).await?;
            visible.retain(|candidate| !newer.contains(&candidate.identity));
        }
        Figures::add(&self.session.figures.rows_hidden, before - visible.len());
        Ok(visible.into_iter().map(|candidate| candidate.document).collect())
    }

    /// The cluster wins: a row counts if the cluster part did not return its document, and the
    /// cluster holds nothing, or the very same bytes, under its identity.
    async fn judge_union(
        &self,
        mut candidates: Vec<Candidate>,
        returned: &Returned,
    ) -> Result<Verdict, FederationError> {
        candidates.retain(|candidate| !returned.contains(&candidate.identity));
        let open_rows = self.open_rows(&candidates).await?;
        candidates.retain(|candidate| {
            open_rows.get(&candidate.identity).is_none_or(|open| open.seq <= candidate.seq)
        });
        let unproved = candidates.iter().filter(|candidate| !candidate.proved_absent);
        let live = self.look_up(unproved).await?;
        let mut looked_absent = HashSet::new();
        candidates.retain(|candidate| match live.get(&candidate.identity) {
            Some(document) => document.as_bytes() == candidate.document.as_bytes(),
            None => {
                if !candidate.proved_absent {
                    looked_absent.insert(candidate.identity.clone());
                }
                true
            }
        });
        Ok(Verdict { visible: candidates, looked_absent })
    }

    /// Without the cluster part: confirmed rows count; a row of an open move counts once its document
    /// is gone, and then takes the place of an older row.
    async fn judge_archive(
        &self,
        mut candidates: Vec<Candidate>,
    ) -> Result<Verdict, FederationError> {
        let open_rows = self.open_rows(&candidates).await?;
        let in_doubt = candidates.iter().filter(|candidate| {
            let newer = open_rows.get(&candidate.identity);
            candidate.open || newer.is_some_and(|newer| !newer.moved)
        });
        let live = self.look_up(in_doubt).await?;
        let mut looked_absent = HashSet::new();
        candidates.retain(|candidate| {
            let gone = !live.contains_key(&candidate.identity);
            let newer = open_rows.get(&candidate.identity);
            let newer = newer.filter(|newer| newer.seq > candidate.seq);
            if candidate.open && gone {
                looked_absent.insert(candidate.identity.clone());
            }
            if candidate.open { gone } else { !newer.is_some_and(|newer| newer.moved || gone) }
        });
        Ok(Verdict { visible: candidates, looked_absent })
    }

    /// Rows of open moves with the identities of older candidates, whatever they hold.
    async fn open_rows(&self, candidates: &[Candidate]) -> Result<OpenRows, FederationError> {
        let mut open_rows = OpenRows::new();
        let older = candidates.iter().filter(|candidate| candidate.has_rivals && !candidate.open);
        let identities: HashSet<_> = older.map(|candidate| candidate.identity.clone()).collect();
        if identities.is_empty() {
            return Ok(open_rows);
        }
        // Without the cluster part only a row that was moved takes the place of an older one.
        let archive_only = self.session.mode == EndpointMode::Archive;
        for (index, version) in self.open.iter() {
            let pin = &self.pins[*index];
            let sought = (&identities, self.shard_key.as_ref());
            for row in pin.table.find_identities(version, sought, i64::MAX).await? {
                let counts = pin.is_open(row.seq)
                    && row.superseded_by.is_none()
                    && !(archive_only && pin.is_beyond(row.seq, row.batch))
                    && !pin.is_kept(row.seq, &row.identity);
                if counts {
                    let moved = pin.is_fenced() && !pin.is_beyond(row.seq, row.batch);
                    let found = OpenRow { seq: row.seq, moved };
                    let open = open_rows.entry(row.sought).or_insert(found);
                    if open.seq < row.seq {
                        *open = found;
                    }
                }
            }
        }
        Ok(open_rows)
    }

    /// What the cluster holds for these candidates.
    async fn look_up(
        &self,
        candidates: impl Iterator<Item = &Candidate>,
    ) -> Result<Live, FederationError> {
        let ids: Vec<RawBson> = candidates
            .map(|candidate| id_of(&candidate.document))
            .collect::<Result<_, FederationError>>()?;
        let mut live = Live::new();
        if ids.is_empty() {
            return Ok(live);
        }
        Figures::add(&self.session.figures.rows_looked_up, ids.len());
        let cluster = self.session.cluster().await?;
        for group in ids.chunks(LOOK_UP_MAX) {
            let found = cluster.find_by_ids(&self.namespace, group).await?;
            live.extend(found.into_iter().map(|document| (self.identity(&document), document)));
        }
        Ok(live)
    }

    /// Those identities that were moved into an archive after the pins: a document found absent may
    /// have been put into the cluster and moved out again meanwhile, and its row here is old.
    async fn committed_since(
        &self,
        identities: &HashSet<Vec<u8>>,
    ) -> Result<HashSet<Vec<u8>>, FederationError> {
        let mut newer = HashSet::new();
        for (table, version, seq) in self.grown().await? {
            let Some(version) = Pin::above(&version, seq) else { continue };
            let sought = (identities, self.shard_key.as_ref());
            for row in table.find_identities(&version, sought, i64::MAX).await? {
                if row.seq > seq {
                    newer.insert(row.sought);
                }
            }
        }
        Ok(newer)
    }

    /// The tables in which more is committed than in the pins, with the pinned number.
    async fn grown(&self) -> Result<Vec<(Table, Version, i64)>, FederationError> {
        let pinned: Numbers = self
            .pins
            .iter()
            .map(|pin| {
                let numbers = (pin.version.confirmed, pin.version.committed);
                (pin.source.archive_id.clone(), numbers)
            })
            .collect();
        let mut grown = Vec::new();
        for source in self.session.archives(&self.namespace).await? {
            let table = self.session.catalog.table(&source.table_uri).await?;
            let version = table.load().await?;
            let (_, committed) = pinned.get(&source.archive_id).copied().unwrap_or_default();
            if version.committed > committed {
                grown.push((table, version, committed));
            }
        }
        Ok(grown)
    }

    /// Whether nothing was committed since the pins.
    pub(crate) async fn is_current(&self) -> Result<bool, FederationError> {
        Ok(self.grown().await?.is_empty())
    }
}

/// What a judgement found.
struct Verdict {
    visible: Vec<Candidate>,
    /// Identities that a look-up after the pin did not find in the cluster.
    looked_absent: HashSet<Vec<u8>>,
}

fn id_of(document: &RawDocumentBuf) -> Result<RawBson, FederationError> {
    match document.get("_id") {
        Ok(Some(id)) => Ok(id.into()),
        _ => Err(FederationError::Internal("an archived document has no _id".into())),
    }
}
