//! An endpoint behind a real listener: sessions of batches, as drivers hold them.

use std::sync::Arc;

use bson::{RawDocumentBuf, rawdoc};
use portolan_wire::{Backend, Server, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::world::{World, doc};
use crate::Endpoint;
use crate::endpoint::EndpointMode;

async fn ask(stream: &mut TcpStream, body: &RawDocumentBuf) -> RawDocumentBuf {
    let length = i32::try_from(21 + body.as_bytes().len()).expect("small");
    let mut message = Vec::new();
    for number in [length, 1, 0, 2013, 0] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(body.as_bytes());
    stream.write_all(&message).await.expect("sent");
    let length = stream.read_i32_le().await.expect("a reply");
    let mut rest = vec![0; usize::try_from(length).expect("positive") - 4];
    stream.read_exact(&mut rest).await.expect("the whole reply");
    RawDocumentBuf::from_bytes(rest[17..].to_vec()).expect("a document")
}

#[tokio::test]
async fn batches_go_on_while_documents_move() {
    let world = World::new();
    let table = world.archive().await;
    world.moved(&table, 1, (0..300).map(|id| doc(id, "a")).collect()).await;
    for id in 300..600 {
        world.insert(doc(id, "a"));
    }
    let catalog: Arc<dyn crate::Catalog> = world.facts.clone();
    let (mode, id) = (EndpointMode::ClusterAndArchive, super::world::cluster_id());
    let backend: Arc<dyn Backend> = Endpoint::new(mode, id, catalog, world.runtime.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("open");
    let options = ServerOptions { require_auth: false, ..ServerOptions::default() };
    let shutdown = CancellationToken::new();
    let runtime = world.runtime.clone();
    let served = Server::serve(listener, backend, options, runtime, shutdown.clone());
    let task = world.runtime.spawn("test.serve", served);

    let find = rawdoc! { "find": "orders", "batchSize": 100, "$db": "shop" };
    let mut reply = ask(&mut stream, &find).await;
    let mut ids = Vec::new();
    loop {
        let cursor = reply.get_document("cursor").expect("a cursor");
        let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch"));
        for document in batch.expect("a batch") {
            let document = document.expect("sound");
            ids.push(document.as_document().expect("one").get_i32("_id").expect("a number"));
        }
        let id = cursor.get_i64("id").expect("a long");
        if id == 0 {
            break;
        }
        if ids.len() == 200 {
            world.moved(&table, 2, (300..600).map(|id| doc(id, "a")).collect()).await;
        }
        let more =
            rawdoc! { "getMore": id, "collection": "orders", "batchSize": 100, "$db": "shop" };
        reply = ask(&mut stream, &more).await;
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..600).collect::<Vec<_>>());
    shutdown.cancel();
    task.await.expect("the server ends");
}
