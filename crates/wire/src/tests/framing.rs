//! Messages as they stand on the wire, good and bad.

use std::sync::atomic::Ordering;

use bson::rawdoc;
use portolan_runtime::Runtime;

use super::client::{Client, document, flagged, message, section, sequence};
use super::*;
use crate::crc32c::crc32c;
use crate::frame::{Frame, MESSAGE_BYTES_MAX, OP_COMPRESSED, OP_MSG, OP_QUERY, OP_REPLY};

fn insert() -> RawDocumentBuf {
    rawdoc! { "insert": "items", "$db": "shop" }
}

fn items() -> Vec<RawDocumentBuf> {
    (0..3).map(|number: i32| rawdoc! { "_id": number }).collect()
}

#[tokio::test]
async fn sections_come_in_any_order() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let (body, documents) = (section(&insert()), sequence("documents", &items()));
    for sections in [[&body[..], &documents], [&documents, &body]] {
        client.send(OP_MSG, flagged(0, &sections)).await;
        let reply = document(&client.receive().await.unwrap().body[5..]);
        assert_eq!(reply.get_i32("n").unwrap(), 3);
    }
}

#[tokio::test]
async fn a_request_that_wants_no_reply_runs_and_gets_none() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let sections = [&section(&insert())[..], &sequence("documents", &items())];
    client.send(OP_MSG, flagged(2, &sections)).await;
    let unknown = section(&rawdoc! { "explode": 1, "$db": "shop" });
    client.send(OP_MSG, flagged(2, &[&unknown])).await;
    client.ping().await;
    assert_eq!(server.backend.ran.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn exhaust_may_be_allowed_and_is_not_used() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let hello = section(&rawdoc! { "hello": 1, "$db": "admin" });
    client.send(OP_MSG, flagged(1 << 16, &[&hello])).await;
    assert_eq!(client.receive().await.unwrap().body[..4], [0; 4]);
    client.ping().await;
}

#[tokio::test]
async fn a_checksum_is_verified() {
    let server = serve(open_server(), Runtime::system()).await;
    for (spoiled, accepted) in [(0, true), (1, false)] {
        let mut client = Client::connect(server.address).await;
        let mut body = flagged(1, &[&section(&rawdoc! { "ping": 1, "$db": "admin" })]);
        body.extend_from_slice(&[0; 4]);
        let mut frame = Frame { request_id: 101, response_to: 0, op_code: OP_MSG, body };
        let end = frame.body.len() - 4;
        let sum = crc32c(&[&frame.header(), &frame.body[..end]]) ^ spoiled;
        frame.body[end..].copy_from_slice(&sum.to_le_bytes());
        client.send(OP_MSG, frame.body).await;
        let reply = document(&client.receive().await.unwrap().body[5..]);
        assert_eq!(reply.get_f64("ok").unwrap() == 1.0, accepted);
        if !accepted {
            assert!(client.is_closed().await);
        }
    }
}

#[test]
fn the_checksum_is_castagnolis() {
    // RFC 3720, appendix B.4: 32 bytes of zeros; and the usual check value.
    assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
    assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
}

#[tokio::test]
async fn broken_messages_get_a_protocol_error_and_a_close() {
    let server = serve(open_server(), Runtime::system()).await;
    let ping = section(&rawdoc! { "ping": 1, "$db": "admin" });
    let documents = sequence("documents", &items());
    let cases = [
        ("unknown required flag", flagged(4, &[&ping])),
        ("two bodies", flagged(0, &[&ping, &ping])),
        ("no body", flagged(0, &[&documents])),
        ("same sequence twice", flagged(0, &[&ping, &documents, &documents])),
        ("unknown section", flagged(0, &[&ping, &[2, 0, 0]])),
        ("document too long", flagged(0, &[&[0, 99, 0, 0, 0, 0]])),
        ("no flags", vec![0, 0]),
    ];
    for (what, body) in cases {
        let mut client = Client::connect(server.address).await;
        client.send(OP_MSG, body).await;
        let reply = document(&client.receive().await.expect(what).body[5..]);
        assert_eq!(reply.get_i32("code").unwrap(), codes::PROTOCOL_ERROR, "{what}");
        assert!(client.is_closed().await, "{what}");
    }
    Client::connect(server.address).await.ping().await;
}

#[tokio::test]
async fn bad_commands_leave_the_connection_open() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let mut unsound = rawdoc! { "ping": 1, "$db": "admin", "deep": { "flag": true } }.into_bytes();
    let at = unsound.len() - 3;
    unsound[at] = 7;
    let cases = [
        (codes::MISSING_DATABASE, section(&rawdoc! { "ping": 1 })),
        (codes::INVALID_NAMESPACE, section(&rawdoc! { "ping": 1, "$db": "a.b" })),
        (codes::INVALID_BSON, [&[0], &unsound[..]].concat()),
        (codes::FAILED_TO_PARSE, section(&rawdoc! {})),
        (codes::COMMAND_NOT_FOUND, section(&rawdoc! { "explode": 1, "$db": "shop" })),
    ];
    for (code, section) in cases {
        client.send(OP_MSG, flagged(0, &[&section])).await;
        let reply = document(&client.receive().await.unwrap().body[5..]);
        assert_eq!(reply.get_i32("code").unwrap(), code);
        assert_eq!(reply.get_f64("ok").unwrap(), 0.0);
    }
    let stray = sequence("updates", &items());
    client.send(OP_MSG, flagged(0, &[&section(&insert()), &stray])).await;
    let reply = document(&client.receive().await.unwrap().body[5..]);
    assert_eq!(reply.get_i32("code").unwrap(), codes::FAILED_TO_PARSE);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_it_is_read() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let length = i32::try_from(MESSAGE_BYTES_MAX + 1).unwrap();
    let header: Vec<u8> = [length, 100, 0, OP_MSG].iter().flat_map(|n| n.to_le_bytes()).collect();
    client.send_bytes(&header).await;
    let reply = document(&client.receive().await.unwrap().body[5..]);
    assert_eq!(reply.get_i32("code").unwrap(), codes::INVALID_LENGTH);
    assert!(reply.get_str("errmsg").unwrap().contains("48000001"));
    Client::connect(server.address).await.ping().await;
}

#[tokio::test]
async fn a_truncated_message_closes_its_connection_only() {
    let server = serve(open_server(), Runtime::system()).await;
    for cut in [3, 16, 30] {
        let mut client = Client::connect(server.address).await;
        let body = message(&rawdoc! { "ping": 1, "$db": "admin" });
        let whole = Frame { request_id: 1, response_to: 0, op_code: OP_MSG, body }.encode();
        client.send_bytes(&whole[..cut]).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
        assert!(client.is_closed().await);
    }
    Client::connect(server.address).await.ping().await;
}

#[tokio::test]
async fn unknown_operations_close_the_connection() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    client.send(2002, vec![0; 20]).await;
    assert!(client.is_closed().await);
}

fn query(namespace: &str, query: &RawDocumentBuf) -> Vec<u8> {
    let mut body = 4_i32.to_le_bytes().to_vec();
    body.extend_from_slice(namespace.as_bytes());
    body.extend_from_slice(&[0; 9]);
    body.extend_from_slice(query.as_bytes());
    body
}

#[tokio::test]
async fn old_handshakes_are_answered_and_other_old_queries_refused() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let wrapped = rawdoc! { "$query": { "ismaster": 1 }, "$readPreference": { "mode": "nearest" } };
    for (ns, body, ok) in [
        ("admin.$cmd", rawdoc! { "isMaster": 1, "helloOk": true }, true),
        ("admin.$cmd", wrapped, true),
        ("admin.$cmd", rawdoc! { "find": "items" }, false),
        ("shop.items", rawdoc! {}, false),
    ] {
        client.send(OP_QUERY, query(ns, &body)).await;
        let frame = client.receive().await.unwrap();
        assert_eq!((frame.op_code, frame.body[16]), (OP_REPLY, 1));
        let reply = document(&frame.body[20..]);
        if ok {
            assert!(reply.get_bool("ismaster").unwrap());
        } else {
            assert_eq!(reply.get_i32("code").unwrap(), codes::UNSUPPORTED_OP_QUERY_COMMAND);
        }
    }
}

#[tokio::test]
async fn every_compressor_is_understood_and_answered_in_kind() {
    let server = serve(open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    for id in 0..4 {
        let inner = message(&rawdoc! { "ping": 1, "$db": "admin", "pad": "x".repeat(500) });
        let compressed = match id {
            0 => inner.clone(),
            1 => snap::raw::Encoder::new().compress_vec(&inner).unwrap(),
            2 => {
                let mut out = Vec::new();
                let level = flate2::Compression::best();
                let mut encoder = flate2::read::ZlibEncoder::new(&inner[..], level);
                std::io::Read::read_to_end(&mut encoder, &mut out).unwrap();
                out
            }
            _ => zstd::bulk::compress(&inner, 3).unwrap(),
        };
        client.send(OP_COMPRESSED, compressed_body(inner.len(), id, &compressed)).await;
        let frame = client.receive().await.unwrap();
        assert_eq!((frame.op_code, frame.body[8]), (OP_COMPRESSED, id));
        let (plain, _) = crate::compression::unwrap(&frame).unwrap();
        assert_eq!(document(&plain.body[5..]).get_f64("ok").unwrap(), 1.0);
    }
}

fn compressed_body(size: usize, id: u8, compressed: &[u8]) -> Vec<u8> {
    let size = i32::try_from(size).unwrap();
    [&OP_MSG.to_le_bytes()[..], &size.to_le_bytes(), &[id], compressed].concat()
}

#[tokio::test]
async fn compressed_bombs_and_lies_are_refused() {
    let server = serve(open_server(), Runtime::system()).await;
    let bomb = zstd::bulk::compress(&vec![0; 4_000_000], 3).unwrap();
    let nested = [&OP_COMPRESSED.to_le_bytes()[..], &[9, 0, 0, 0, 0]].concat();
    for body in [
        compressed_body(MESSAGE_BYTES_MAX, 0, &[]),
        compressed_body(100, 3, &bomb),
        compressed_body(100, 1, &[0xff; 20]),
        compressed_body(100, 2, &[1, 2, 3]),
        compressed_body(100, 9, &[]),
        nested,
        vec![1],
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(OP_COMPRESSED, body).await;
        let reply = document(&client.receive().await.unwrap().body[5..]);
        assert_eq!(reply.get_f64("ok").unwrap(), 0.0);
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn before_authentication_messages_are_small() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let header: Vec<u8> =
        [2_000_000, 100, 0, OP_MSG].iter().flat_map(|n: &i32| n.to_le_bytes()).collect();
    client.send_bytes(&header).await;
    let reply = document(&client.receive().await.unwrap().body[5..]);
    assert_eq!(reply.get_i32("code").unwrap(), codes::INVALID_LENGTH);
}
