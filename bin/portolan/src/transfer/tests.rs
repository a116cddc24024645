//! Files into a served sandbox cluster and out of it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bson::{Document, doc};
use portolan_runtime::Runtime;
use portolan_sandbox::{Accounts, Sandbox, SandboxOptions};
use portolan_wire::{Account, Server, ServerOptions, User};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::*;

struct Nobody;

#[async_trait]
impl Accounts for Nobody {
    async fn account(&self, _database: &str, _name: &str) -> Option<Account> {
        None
    }

    async fn users(&self) -> Vec<User> {
        Vec::new()
    }
}

struct Served {
    folder: tempfile::TempDir,
    uri: String,
    _server: AbortOnDropHandle<()>,
}

impl Served {
    async fn new() -> Self {
        let (runtime, folder) = (Runtime::system(), tempfile::tempdir().unwrap());
        let options = SandboxOptions::default();
        let place = folder.path().join("cluster");
        let sandbox = Sandbox::open(&place, options, runtime.clone()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let backend = sandbox.backend(Arc::new(Nobody), host.clone());
        let options = ServerOptions { require_auth: false, ..ServerOptions::default() };
        let served =
            Server::serve(listener, backend, options, runtime.clone(), CancellationToken::new());
        let _server = AbortOnDropHandle::new(runtime.spawn("test.serve", served));
        Self { folder, uri: format!("mongodb://{host}/?directConnection=true"), _server }
    }

    fn cluster(&self) -> ClusterUri {
        ClusterUri { uri_file: None, uri: Some(self.uri.clone()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn import(&self, namespace: Option<&str>, file: &Path) -> Result<Value> {
        let namespace = namespace.map(str::to_owned);
        let file = file.to_owned();
        import(&Import { cluster: self.cluster(), namespace, drop: true, file }).await
    }

    async fn export(&self, namespace: &str, file: &Path) -> Result<Value> {
        let (namespace, file) = (namespace.to_owned(), file.to_owned());
        export(&Export { cluster: self.cluster(), namespace, file }).await
    }

    async fn all(&self, collection: &str) -> Vec<Document> {
        let client = connect(&self.cluster()).await.unwrap();
        let collection = client.database("shop").collection::<Document>(collection);
        collection.find(doc! {}).await.unwrap().try_collect().await.unwrap()
    }
}

#[tokio::test]
async fn each_format_gives_back_what_it_took() {
    let served = Served::new().await;
    let lines = served.path("items.ndjson");
    let text = concat!(
        r#"{"_id":{"$oid":"5f0000000000000000000001"},"n":{"$numberLong":"9007199254740993"}}"#,
        "\n\n",
        r#"{"_id":2,"at":{"$date":"2024-01-01T00:00:00Z"},"price":{"$numberDecimal":"1.10"}}"#,
        "\n"
    );
    std::fs::write(&lines, text).unwrap();
    let done = served.import(Some("shop.items"), &lines).await.unwrap();
    assert_eq!(done, json!({ "inserted": { "shop.items": 2 } }));
    let before = served.all("items").await;
    let names =
        ["out.bson", "out.ndjson", "out.archive", "z.bson.gz", "z.jsonl.gz", "z.archive.gz"];
    for name in names {
        let file = served.path(name);
        let done = served.export("shop.items", &file).await.unwrap();
        assert_eq!(done, json!({ "exported": { "shop.items": 2 } }), "{name}");
        let gzipped = std::fs::read(&file).unwrap().starts_with(&[0x1f, 0x8b]);
        assert_eq!(gzipped, name.starts_with('z'), "{name}");
        let namespace = (!name.contains("archive")).then_some("shop.items");
        served.import(namespace, &file).await.unwrap();
        assert_eq!(served.all("items").await, before, "{name}");
    }
}

#[tokio::test]
async fn an_archive_brings_indexes_and_options_back() {
    let served = Served::new().await;
    let client = connect(&served.cluster()).await.unwrap();
    let shop = client.database("shop");
    let options = doc! { "enabled": true };
    let create = doc! { "create": "a", "changeStreamPreAndPostImages": options.clone() };
    shop.run_command(create).await.unwrap();
    let index = doc! { "key": { "n": -1 }, "name": "n_down", "unique": true };
    shop.run_command(doc! { "createIndexes": "a", "indexes": [index] }).await.unwrap();
    for (collection, count) in [("a", 2_500), ("b", 3)] {
        let documents = (0..count).map(|n| doc! { "_id": n, "n": n });
        shop.collection::<Document>(collection).insert_many(documents).await.unwrap();
    }
    let file = served.path("shop.archive");
    served.export("shop", &file).await.unwrap();
    shop.drop().await.unwrap();
    let done = served.import(None, &file).await.unwrap();
    assert_eq!(done, json!({ "inserted": { "shop.a": 2_500, "shop.b": 3 } }));
    let names = shop.collection::<Document>("a").list_index_names().await.unwrap();
    assert_eq!(names, ["_id_", "n_down"]);
    let listed: Vec<_> = shop.list_collections().await.unwrap().try_collect().await.unwrap();
    let kept = listed.iter().find(|one| one.name == "a").unwrap();
    let kept = kept.options.change_stream_pre_and_post_images.as_ref().unwrap();
    assert!(kept.enabled, "{options}");
}

#[tokio::test]
async fn bad_files_and_names_are_refused_by_name() {
    let served = Served::new().await;
    let write = |name: &str, bytes: &[u8]| {
        let path = served.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (file, namespace, told) in [
        (write("a.csv", b""), Some("shop.a"), ".ndjson"),
        (write("a.bson", b"\x05\0\0\0\0\x07\0"), Some("shop.a"), "unexpected end"),
        (write("b.bson", b"\xff\xff\xff\x7f"), Some("shop.a"), "no BSON document"),
        (write("a.ndjson", b"{\"a\":1}\n{\"a\":\n"), Some("shop.a"), "line 2"),
        (write("b.ndjson", b"{}"), Some("shop"), "DATABASE.COLLECTION"),
        (write("c.ndjson", b"{}"), None, "--namespace"),
        (write("a.archive", b"not one"), None, "no archive"),
        (served.path("missing.bson"), Some("shop.a"), "cannot open"),
    ] {
        let error = served.import(namespace, &file).await.unwrap_err();
        let shown = format!("{error:#}");
        assert!(shown.contains(told), "{}: {shown}", file.display());
    }
    let taken = write("taken.bson", b"");
    let error = served.export("shop.a", &taken).await.unwrap_err();
    assert!(format!("{error:#}").contains("cannot make"), "what is there is not overwritten");
}
