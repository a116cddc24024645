//! Cursors without an end: what a `getMore` waits for, and how the waiting ends.

use async_trait::async_trait;
use bson::{RawDocumentBuf, rawdoc};
use portolan_runtime::Runtime;

use super::client::Client;
use super::*;

/// Gives one document each time that `every_ms` went by.
pub(super) struct Drips {
    every_ms: u64,
    ready: bool,
    given: i32,
}

impl Drips {
    pub(super) fn reply(command: &Command) -> Result<TailReply, CommandError> {
        let every_ms = command.get_u64("every")?.unwrap_or(10);
        let tail = Box::new(Self { every_ms, ready: false, given: 0 });
        Ok(TailReply { namespace: "shop.$cmd".into(), tail, batch_size: None, awaits: true })
    }
}

#[async_trait]
impl Tail for Drips {
    async fn read(&mut self, _documents_max: Option<u64>) -> Result<TailBatch, CommandError> {
        let documents = match std::mem::take(&mut self.ready) {
            true => vec![rawdoc! { "_id": self.given }],
            false => Vec::new(),
        };
        self.given += i32::try_from(documents.len()).unwrap();
        let resume_token = Some(rawdoc! { "_data": self.given.to_string() });
        let closed = self.given == 3;
        Ok(TailBatch { documents, resume_token, unfinished: false, closed })
    }

    async fn changed(&mut self) {
        Runtime::system().sleep_ms(self.every_ms).await;
        self.ready = true;
    }
}

async fn open(client: &mut Client, every: i32) -> i64 {
    let reply = client.run(rawdoc! { "drip": 1, "every": every }).await;
    let cursor = reply.get_document("cursor").unwrap();
    assert!(cursor.get_array("firstBatch").unwrap().is_empty());
    assert_eq!(token(&reply), "0");
    cursor.get_i64("id").unwrap()
}

fn token(reply: &RawDocumentBuf) -> &str {
    let cursor = reply.get_document("cursor").unwrap();
    cursor.get_document("postBatchResumeToken").unwrap().get_str("_data").unwrap()
}

fn next(id: i64, max_time_ms: i32) -> RawDocumentBuf {
    rawdoc! { "getMore": id, "collection": "$cmd", "maxTimeMS": max_time_ms }
}

#[tokio::test]
async fn a_get_more_waits_for_what_comes_until_the_end() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let id = open(&mut client, 10).await;
    for number in 1..=3 {
        let reply = client.run(next(id, 5_000)).await;
        let cursor = reply.get_document("cursor").unwrap();
        assert_eq!(cursor.get_array("nextBatch").unwrap().into_iter().count(), 1);
        assert_eq!(token(&reply), number.to_string());
        assert_eq!(cursor.get_i64("id").unwrap(), if number == 3 { 0 } else { id });
    }
    assert_eq!(client.run(next(id, 10)).await.get_i32("code").unwrap(), codes::CURSOR_NOT_FOUND);
}

#[tokio::test]
async fn a_get_more_whose_time_is_over_is_empty_and_leaves_the_cursor_open() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let id = open(&mut client, 60_000).await;
    for _ in 0..2 {
        let reply = client.run(next(id, 20)).await;
        let cursor = reply.get_document("cursor").unwrap();
        assert!(cursor.get_array("nextBatch").unwrap().is_empty());
        assert_eq!(cursor.get_i64("id").unwrap(), id);
    }
}

#[tokio::test]
async fn killing_and_shutting_down_end_the_waiting() {
    let runtime = Runtime::system();
    let server = serve(open_server(), runtime.clone()).await;
    let mut client = Client::connect(server.address).await;
    let mut other = Client::connect(server.address).await;
    let id = open(&mut client, 60_000).await;
    let kill = async {
        runtime.sleep_ms(50).await;
        other.run(rawdoc! { "killCursors": "$cmd", "cursors": [id] }).await
    };
    let (reply, _) = tokio::join!(client.run(next(id, 60_000)), kill);
    assert_eq!(reply.get_i32("code").unwrap(), codes::CURSOR_KILLED);
    let id = open(&mut client, 60_000).await;
    let end = async {
        runtime.sleep_ms(50).await;
        server.shutdown.cancel();
    };
    let (reply, ()) = tokio::join!(client.run(next(id, 60_000)), end);
    assert_eq!(reply.get_i32("code").unwrap(), codes::INTERRUPTED_AT_SHUTDOWN);
    let labels = reply.get_array("errorLabels").unwrap();
    let labels: Vec<_> = labels.into_iter().flatten().filter_map(|label| label.as_str()).collect();
    assert_eq!(labels, ["ResumableChangeStreamError"]);
}
