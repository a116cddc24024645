//! Documents that cannot be archived: at every level they are counted, listed with a reason and left where
//! they are, and stop neither a run nor an estimate.

use bson::{RawBson, RawDocumentBuf, rawdoc};
use portolan_model::{ArchiveEvent, GuardLevel};
use portolan_runtime::FaultPlan;
use portolan_store::operations::OperationKind;
use portolan_store::{Page, StoreError, runs};
use serde_json::Value;

use super::world::{NOW_MS, World, flights};

/// A document in which the byte of `~` is none of UTF-8.
fn broken(document: &RawDocumentBuf) -> RawDocumentBuf {
    let mut bytes = document.as_bytes().to_vec();
    let at = bytes.iter().position(|&byte| byte == b'~').expect("the mark");
    bytes[at] = 0xff;
    RawDocumentBuf::from_bytes(bytes).expect("its lengths are right")
}

/// Cold by the server's measure, and not to be archived at any level.
fn unfit() -> Vec<RawDocumentBuf> {
    let at = bson::DateTime::from_millis(NOW_MS - 30 * 86_400_000);
    vec![
        broken(&rawdoc! { "_id": "a~", "at": at, "t": "v1" }),
        broken(&rawdoc! { "_id": { "k": "b~" }, "at": at, "t": "v1" }),
        broken(&rawdoc! { "_id": 71, "at": at, "t": "v1", "deep": [{ "text": "~" }] }),
        rawdoc! { "_id": RawBson::Undefined, "at": at, "t": "v1" },
    ]
}

impl World {
    /// Documents that the last run listed, with reasons.
    async fn listed(&self) -> Vec<(String, String)> {
        let store = self.store(FaultPlan::none()).await;
        let id = self.runs().await.first().expect("a run").id;
        let listed = store
            .read_tx::<_, StoreError, _>("test.documents", |tx| {
                Box::pin(async move { runs::documents(tx, id, Page::ALL).await })
            })
            .await
            .expect("read");
        store.close().await;
        listed.items.into_iter().map(|item| (item.document, item.reason)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_archived_is_listed_and_stops_nothing_at_any_level() {
    for level in [GuardLevel::L0, GuardLevel::L1, GuardLevel::L2, GuardLevel::L3] {
        let mut world = World::with_flights_at(level).await;
        // More than one move, so that what is met again is not counted again.
        world.options.move_documents_max = 4;
        world.cluster.insert(&flights(), unfit()).expect("inserted");
        world.settle().await;
        let run = world.runs().await.remove(0);
        assert_eq!(run.error, None, "{level}");
        assert_eq!((run.documents_moved, run.documents_skipped), (10, 4), "{level}");
        assert_eq!((world.live().len(), world.archived().await.len()), (6, 10), "{level}");
        let listed = world.listed().await;
        assert_eq!(listed.len(), 4, "{level}: {listed:?}");
        assert!(listed.iter().any(|(document, _)| document.contains('a')), "{level}: {listed:?}");
        assert!(listed.iter().all(|(_, reason)| !reason.is_empty()), "{level}");
        assert_eq!(world.job().await.failures, 0, "{level}");

        world.happen(ArchiveEvent::PauseRequested).await;
        world.queue(OperationKind::Estimate, "{}").await;
        world.pass(FaultPlan::none()).await;
        let estimate = world.operations().await.pop().expect("an estimate");
        let figures: Value = serde_json::from_str(&estimate.progress).expect("figures");
        assert_eq!(estimate.error, None, "{level}");
        assert_eq!(figures["documents"], 0, "{level}: {figures}");
        let skipped = figures["skipped"].as_array().expect("a list");
        let sum: u64 = skipped.iter().filter_map(|entry| entry["documents"].as_u64()).sum();
        assert_eq!(sum, 4, "{level}: {figures}");
    }
}
