//! The official driver against the server.

use bson::doc;
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::options::{ClientOptions, Compressor, Credential, ServerAddress};
use portolan_runtime::Runtime;

use super::*;

async fn connect(server: &Running, user: &str, password: &str) -> Client {
    let address = ServerAddress::Tcp {
        host: server.address.ip().to_string(),
        port: Some(server.address.port()),
    };
    let credential =
        Credential::builder().username(user.to_owned()).password(password.to_owned()).build();
    let options = ClientOptions::builder()
        .hosts(vec![address])
        .credential(credential)
        .compressors(vec![Compressor::Zstd { level: None }])
        .build();
    Client::with_options(options).unwrap()
}

#[tokio::test]
async fn the_driver_logs_in_reads_and_writes() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let client = connect(&server, "ann", PASSWORD).await;
    let items = client.database("shop").collection::<bson::Document>("items");
    let found: Vec<_> = items
        .find(doc! { "count": 250 })
        .batch_size(20)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(found.len(), 250);
    let inserted = items.insert_many((0..10).map(|number| doc! { "_id": number })).await.unwrap();
    assert_eq!(inserted.inserted_ids.len(), 10);
    let missing = client.database("shop").run_command(doc! { "atlasVersion": 1 }).await;
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("59"), "{error}");
}

#[tokio::test]
async fn the_driver_finds_the_member_of_a_replica_set() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let topology =
        Topology::ReplicaSet { set_name: "rs0".into(), host: format!("127.0.0.1:{port}") };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let dropped = Arc::new(AtomicU32::new(0));
    let backend = Arc::new(Numbers { topology, ran: AtomicU32::new(0), dropped });
    let (runtime, shutdown) = (Runtime::system(), CancellationToken::new());
    let served =
        Server::serve(listener, backend, ServerOptions::default(), runtime.clone(), shutdown);
    let _task = AbortOnDropHandle::new(runtime.spawn("test.serve", served));
    let uri = format!("mongodb://bob:{PASSWORD}@127.0.0.1:{port}/?replicaSet=rs0");
    let client = Client::with_uri_str(uri).await.unwrap();
    let items = client.database("shop").collection::<bson::Document>("items");
    assert!(items.find_one(doc! {}).await.unwrap().is_some());
}

#[tokio::test]
async fn the_driver_reports_a_wrong_password() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let client = connect(&server, "ann", "wrong").await;
    let error = client.database("shop").run_command(doc! { "find": "items" }).await.unwrap_err();
    assert!(error.to_string().contains("uthentication"), "{error}");
}
