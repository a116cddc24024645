//! The union of a cluster and its archives, also while documents move from one to the other.
//!
//! The order of reading is what makes it right: the tables' numbers, the whole cluster part, then
//! the journal's list, then a fresh pin of every table, then rows. A document that left the cluster
//! before the scan came by was committed before that, so it is in the pins. A document that was
//! in the cluster when the scan came by was returned there, or does not match; a row of it is found
//! out by the identities that were returned, or by looking it up. The endpoint *archive* leaves the
//! cluster part out and is otherwise the same.

use std::sync::Arc;

use bson::RawDocumentBuf;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use portolan_cluster::ReadOptions;
use portolan_lake::identity_under;
use portolan_model::{GuardLevel, ShardKey};

use crate::FederationError;
use crate::endpoint::EndpointMode;
use crate::pin::{self, Numbers};
use crate::query::Query;
use crate::returned::Returned;
use crate::rows::ArchiveRows;
use crate::session::{Figures, Session};

/// Documents that are taken from the cluster's stream at once, as far as they are there.
const READY_DOCUMENTS: usize = 256;

/// What is known before the cluster is scanned.
enum Phase {
    Begin,
    Cluster { documents: BoxStream<'static, Result<Vec<RawDocumentBuf>, FederationError>> },
    Archive(Box<ArchiveRows>),
    End,
}

/// One union in progress, without an order.
pub(crate) struct Union {
    session: Session,
    query: Arc<Query>,
    returned: Returned,
    seen: Numbers,
    /// What the collection's documents are told apart by beside `_id`: its shard key today, or that of the
    /// newest table.
    shard_key: Option<ShardKey>,
    phase: Phase,
}

impl Union {
    pub(crate) fn new(session: Session, query: Query) -> Self {
        let returned = session.returned();
        let query = Arc::new(query);
        Self {
            session,
            query,
            returned,
            seen: Numbers::new(),
            shard_key: None,
            phase: Phase::Begin,
        }
    }

    /// The documents as a stream. An error ends it: there is no partial answer, and nothing is begun
    /// again behind the client's back.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<RawDocumentBuf, FederationError>> {
        futures::stream::try_unfold(self, |mut union| async move {
            let documents = union.next().await?;
            Ok::<_, FederationError>(documents.map(|documents| (documents, union)))
        })
        .map_ok(|documents: Vec<RawDocumentBuf>| {
            futures::stream::iter(documents.into_iter().map(Ok::<_, FederationError>))
        })
        .try_flatten()
        .boxed()
    }

    /// The next documents, perhaps none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, FederationError> {
        self.session.check_life()?;
        match &mut self.phase {
            Phase::Begin => {
                self.phase = self.begin().await?;
                Ok(Some(Vec::new()))
            }
            Phase::Cluster { documents } => match documents.try_next().await? {
                Some(documents) => self.take_new(documents).map(Some),
                None => {
                    self.phase = self.open_archive().await?;
                    Ok(Some(Vec::new()))
                }
            },
            Phase::Archive(rows) => {
                let documents = rows.next(&self.returned).await?;
                if documents.is_none() {
                    self.phase = Phase::End;
                }
                Ok(documents)
            }
            Phase::End => Ok(None),
        }
    }

    async fn begin(&mut self) -> Result<Phase, FederationError> {
        self.session.ask_allowance().await?;
        if self.session.mode == EndpointMode::Archive {
            return self.open_archive().await;
        }
        self.look_first().await?;
        let documents = cluster_part(&self.session, &self.query, None).await?;
        Ok(Phase::Cluster { documents })
    }

    /// What must be known before the cluster is scanned.
    async fn look_first(&mut self) -> Result<(), FederationError> {
        let namespace = &self.query.namespace;
        let (seen, of_table) = pin::numbers(&self.session, namespace).await?;
        let of_collection = self.session.cluster().await?.shard_key(namespace).await?;
        (self.seen, self.shard_key) = (seen, of_collection.or(of_table));
        Ok(())
    }

    async fn open_archive(&mut self) -> Result<Phase, FederationError> {
        let pins = pin::pin_all(&self.session, &self.query.namespace, &self.seen).await?;
        if self.session.mode == EndpointMode::Archive {
            self.shard_key = pins.first().and_then(|pin| pin.table.spec().shard_key.clone());
        }
        let (session, query) = (self.session.clone(), Arc::clone(&self.query));
        let rows = ArchiveRows::open(session, query, pins, self.shard_key.clone()).await?;
        Ok(Phase::Archive(Box::new(rows)))
    }

    /// Documents of the cluster that were not there before: a scan may meet one twice when it is
    /// moved inside the collection.
    fn take_new(
        &mut self,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<Vec<RawDocumentBuf>, FederationError> {
        Figures::add(&self.session.figures.cluster_documents, documents.len());
        self.session.spend(documents.iter().map(|document| document.as_bytes().len()).sum())?;
        let mut new = Vec::with_capacity(documents.len());
        for document in documents {
            if self.returned.insert(identity_under(&document, self.shard_key.as_ref()))? {
                new.push(document);
            }
        }
        Ok(new)
    }

    /// The documents in order, read to the end before the first one is given: the order is known
    /// only when the last row was judged.
    pub(crate) async fn sorted(mut self) -> Result<Vec<RawDocumentBuf>, FederationError> {
        let Some(order) = self.query.order.clone() else {
            return Err(FederationError::Internal("a sort without an order".into()));
        };
        let mut sorter = crate::sorter::Sorter::new(
            order.sort,
            self.query.needed,
            self.session.limits.sort_bytes,
        );
        self.session.ask_allowance().await?;
        if self.session.mode == EndpointMode::ClusterAndArchive {
            self.look_first().await?;
            self.sort_cluster_part(&mut sorter).await?;
        }
        self.phase = self.open_archive().await?;
        while let Some(documents) = self.next().await? {
            documents.into_iter().try_for_each(|document| sorter.push(document))?;
        }
        Ok(sorter.finish())
    }

    /// Lets the cluster cut to what is needed. If it then gave a document twice, one may be missing
    /// in its place: nothing was sent yet, so the scan is done again, uncut.
    async fn sort_cluster_part(
        &mut self,
        sorter: &mut crate::sorter::Sorter,
    ) -> Result<(), FederationError> {
        let cut = cut(&self.session, &self.query).await?;
        let mut all_new = true;
        for limit in [cut, None] {
            let mut documents = cluster_part(&self.session, &self.query, limit).await?;
            while let Some(group) = documents.try_next().await? {
                self.session.check_life()?;
                let count = group.len();
                let new = self.take_new(group)?;
                all_new &= new.len() == count;
                new.into_iter().try_for_each(|document| sorter.push(document))?;
            }
            if all_new || limit.is_none() {
                return Ok(());
            }
            self.returned.clear();
            sorter.clear();
        }
        Ok(())
    }
}

/// How many documents the cluster may stop at. Servers without a guarded delete are not trusted to
/// sort as documented either: theirs is a full scan.
async fn cut(session: &Session, query: &Query) -> Result<Option<u64>, FederationError> {
    let archives = session.archives(&query.namespace).await?;
    let trusted = archives.iter().all(|archive| archive.level != GuardLevel::L0);
    Ok(query.needed.filter(|_| trusted && query.filter_travels))
}

/// The cluster part: matching documents, read with majority. With `cut`, only the first of the
/// query's order.
async fn cluster_part(
    session: &Session,
    query: &Arc<Query>,
    cut: Option<u64>,
) -> Result<BoxStream<'static, Result<Vec<RawDocumentBuf>, FederationError>>, FederationError> {
    let everything = RawDocumentBuf::new();
    let filter = if query.filter_travels { query.filter.raw() } else { &everything };
    let options = ReadOptions {
        sort: cut.and(query.order.as_ref()).map(|order| by_id_at_last(&order.raw)),
        limit: cut,
        batch_size: batch_size(query.needed),
        majority: true,
        ..ReadOptions::default()
    };
    let documents = session.cluster().await?.read(&query.namespace, filter, options).await?;
    let query = Arc::clone(query);
    let groups = documents.ready_chunks(READY_DOCUMENTS).map(move |group| {
        let mut kept = Vec::with_capacity(group.len());
        for document in group {
            let document = document?;
            if query.filter_travels || query.filter.matches(&document)? {
                kept.push(document);
            }
        }
        Ok::<_, FederationError>(kept)
    });
    Ok(groups.boxed())
}

/// The order with `_id` as its last field, so that the cluster cuts where our own sort would.
fn by_id_at_last(sort: &bson::RawDocument) -> RawDocumentBuf {
    let mut order = sort.to_owned();
    if matches!(sort.get("_id"), Ok(None)) {
        order.append(bson::raw::cstr!("_id"), 1_i32);
    }
    order
}

/// Small queries ask for small batches.
fn batch_size(needed: Option<u64>) -> Option<u32> {
    needed
        .filter(|needed| *needed > 0)
        .map(|needed| u32::try_from(needed.min(1_000)).unwrap_or(1_000))
}
