//! A client that sends exactly what a test says.

use bson::{RawDocument, RawDocumentBuf, rawdoc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frame::{Frame, OP_MSG, read_frame};

pub(super) struct Client {
    pub(super) stream: TcpStream,
    request_id: i32,
}

impl Client {
    pub(super) async fn connect(address: std::net::SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), request_id: 100 }
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(super) async fn send(&mut self, op_code: i32, body: Vec<u8>) {
        self.request_id += 1;
        let frame = Frame { request_id: self.request_id, response_to: 0, op_code, body };
        self.send_bytes(&frame.encode()).await;
    }

    pub(super) async fn receive(&mut self) -> Option<Frame> {
        let frame = read_frame(&mut self.stream, || usize::MAX).await.ok()??;
        assert_eq!(frame.response_to, self.request_id);
        Some(frame)
    }

    /// Runs a command on database `shop`.
    pub(super) async fn run(&mut self, body: RawDocumentBuf) -> RawDocumentBuf {
        self.run_on("shop", body).await
    }

    pub(super) async fn run_on(&mut self, database: &str, body: RawDocumentBuf) -> RawDocumentBuf {
        self.send(OP_MSG, message(&super::command(body, database))).await;
        let frame = self.receive().await.expect("a reply");
        assert_eq!(frame.op_code, OP_MSG);
        document(&frame.body[5..])
    }

    /// Whether the server closes the connection without another byte.
    pub(super) async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest).await;
        rest.is_empty() && (read.is_ok() || read.is_err())
    }

    pub(super) async fn ping(&mut self) {
        let reply = self.run(rawdoc! { "ping": 1 }).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
    }
}

pub(super) fn document(bytes: &[u8]) -> RawDocumentBuf {
    RawDocumentBuf::from_bytes(bytes.to_vec()).unwrap()
}

/// The body of an OP_MSG with one section.
pub(super) fn message(body: &RawDocument) -> Vec<u8> {
    flagged(0, &[&section(body)])
}

pub(super) fn section(body: &RawDocument) -> Vec<u8> {
    [&[0], body.as_bytes()].concat()
}

pub(super) fn sequence(name: &str, documents: &[RawDocumentBuf]) -> Vec<u8> {
    let mut inner = name.as_bytes().to_vec();
    inner.push(0);
    for document in documents {
        inner.extend_from_slice(document.as_bytes());
    }
    let length = i32::try_from(inner.len() + 4).unwrap();
    [&[1], &length.to_le_bytes()[..], &inner].concat()
}

pub(super) fn flagged(flags: u32, sections: &[&[u8]]) -> Vec<u8> {
    [&flags.to_le_bytes()[..], &sections.concat()].concat()
}
