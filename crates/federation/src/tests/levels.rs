//! The union during a move where no fence says what is deleted: at each level below L3.

use bson::{RawDocumentBuf, rawdoc};
use portolan_model::GuardLevel;

use super::world::{World, doc};
use crate::endpoint::EndpointMode::ClusterAndArchive;

const LEVELS: [GuardLevel; 3] = [GuardLevel::L2, GuardLevel::L1, GuardLevel::L0];

fn all() -> RawDocumentBuf {
    rawdoc! {}
}

/// Four documents of an open move, two of which are deleted.
async fn half_moved(level: GuardLevel) -> (World, portolan_lake::Table) {
    let world = World::new();
    let table = world.archive().await;
    world.set_level(level);
    world.insert(doc(9, "live"));
    for id in 1..5 {
        world.insert(doc(id, "a"));
    }
    world.commit(&table, 1, (1..5).map(|id| doc(id, "a")).collect()).await;
    world.delete_id(1);
    world.delete_id(2);
    (world, table)
}

#[tokio::test]
async fn each_document_comes_once_at_every_step_of_a_move() {
    for level in LEVELS {
        let (world, table) = half_moved(level).await;
        let expected = [doc(1, "a"), doc(2, "a"), doc(3, "a"), doc(4, "a"), doc(9, "live")];
        assert_eq!(world.answer(ClusterAndArchive, all()).await, expected, "{level}");
        // The other two go while a query runs, behind its scan.
        let mut union = world.union(all());
        union.scan().await;
        world.delete_id(3);
        world.delete_id(4);
        world.confirm(&table, 1, &[]).await;
        assert_eq!(union.finish().await, expected, "{level}");
        assert_eq!(world.answer(ClusterAndArchive, all()).await, expected, "{level}");
    }
}

#[tokio::test]
async fn a_document_that_a_client_updates_comes_once_as_it_now_is() {
    for level in LEVELS {
        let (world, _) = half_moved(level).await;
        world.update(doc(3, "b"));
        let expected = [doc(1, "a"), doc(2, "a"), doc(3, "b"), doc(4, "a"), doc(9, "live")];
        assert_eq!(world.answer(ClusterAndArchive, all()).await, expected, "{level}");
    }
}

/// Its row cannot be told from that of a document that we deleted.
#[tokio::test]
async fn a_document_that_a_client_deletes_is_still_shown() {
    for level in LEVELS {
        let (world, _) = half_moved(level).await;
        world.delete_id(4);
        let found = world.answer(ClusterAndArchive, all()).await;
        assert_eq!(found.len(), 5, "{level}");
    }
}
