//! The endpoint that shows the archive alone.

use bson::{RawDocumentBuf, rawdoc};

use super::world::{World, doc};
use crate::endpoint::EndpointMode::Archive;

fn all() -> RawDocumentBuf {
    rawdoc! {}
}

#[tokio::test]
async fn confirmed_rows_need_no_cluster() {
    let world = World::new();
    let table = world.archive().await;
    world.moved(&table, 1, vec![doc(1, "a"), doc(2, "b")]).await;
    world.cluster.set_down(true);
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "a"), doc(2, "b")]);
}

#[tokio::test]
async fn rows_of_an_open_move_show_once_their_document_is_gone() {
    let world = World::new();
    let table = world.archive().await;
    for id in 1..4 {
        world.insert(doc(id, "a"));
    }
    world.commit(&table, 1, (1..4).map(|id| doc(id, "a")).collect()).await;
    assert!(world.answer(Archive, all()).await.is_empty());
    world.delete_id(2);
    assert_eq!(world.answer(Archive, all()).await, [doc(2, "a")]);
    // Kept rows never do.
    world.update(doc(3, "changed"));
    world.keep(&table, 1, 3);
    world.delete_id(3);
    assert_eq!(world.answer(Archive, all()).await, [doc(2, "a")]);
}

#[tokio::test]
async fn an_open_row_that_cannot_be_looked_up_is_an_error() {
    let world = World::new();
    let table = world.archive().await;
    world.moved(&table, 1, vec![doc(1, "a")]).await;
    world.commit(&table, 2, vec![doc(5, "b")]).await;
    world.cluster.set_down(true);
    let session = crate::session::Session::new(&world.endpoint(Archive));
    let union = crate::union::Union::new(session, world.query(all()));
    let outcome: Result<Vec<_>, _> = futures::TryStreamExt::try_collect(union.into_stream()).await;
    assert!(outcome.is_err());
    // What does not touch the open move is still there.
    assert_eq!(world.answer(Archive, rawdoc! { "_id": 1 }).await, [doc(1, "a")]);
}

#[tokio::test]
async fn an_older_row_stays_until_the_newer_one_counts() {
    let world = World::new();
    let table = world.archive().await;
    world.moved(&table, 1, vec![doc(1, "v1")]).await;
    world.insert(doc(1, "v2"));
    world.commit(&table, 2, vec![doc(1, "v2")]).await;
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "v1")]);
    world.delete_id(1);
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "v2")]);
    world.confirm(&table, 2, &[(1, 1)]).await;
    assert_eq!(world.answer(Archive, all()).await, [doc(1, "v2")]);
}
