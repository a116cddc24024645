//! Whatever bytes come, nothing panics; whatever is sent comes back.

use bson::{RawDocumentBuf, rawdoc};
use proptest::prelude::*;

use super::client::{flagged, section, sequence};
use crate::frame::{Frame, HEADER_BYTES, OP_COMPRESSED, OP_MSG, OP_QUERY, read_frame};
use crate::{bson_check, compression, op_msg, op_query};

fn frame(op_code: i32, body: Vec<u8>) -> Frame {
    Frame { request_id: 1, response_to: 2, op_code, body }
}

fn read_back(bytes: &[u8]) -> Option<Frame> {
    let read = async { read_frame(&mut &*bytes, || 1 << 20).await };
    futures::executor::block_on(read).ok().flatten()
}

/// Everything that looks at bytes from outside.
fn decode_all(body: &[u8]) {
    for op_code in [OP_MSG, OP_QUERY] {
        let frame = frame(op_code, body.to_vec());
        if let Ok(message) = op_msg::decode(&frame) {
            let _ = message.to_command();
        }
        if let Ok(query) = op_query::decode(&frame) {
            let _ = query.to_command();
        }
    }
    let _ = compression::unwrap(&frame(OP_COMPRESSED, body.to_vec()));
}

/// Reads every value at every depth.
fn walk(document: &bson::RawDocument) {
    for element in document {
        match element.expect("checked").1 {
            bson::RawBsonRef::Document(inner) => walk(inner),
            bson::RawBsonRef::Array(inner) => {
                for value in inner {
                    if let bson::RawBsonRef::Document(inner) = value.expect("checked") {
                        walk(inner);
                    }
                }
            }
            bson::RawBsonRef::JavaScriptCodeWithScope(code) => walk(code.scope),
            _ => {}
        }
    }
}

fn sample() -> Vec<u8> {
    let scope = bson::JavaScriptCodeWithScope { code: "f()".into(), scope: bson::doc! { "a": 1 } };
    let all = bson::doc! {
        "d": 1.5, "s": "text", "o": { "a": [1, { "b": null }] }, "bin": bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2, 3] },
        "id": bson::oid::ObjectId::from_bytes([3; 12]), "t": true,
        "at": bson::DateTime::from_millis(5), "n": bson::Bson::Null,
        "code": bson::Bson::JavaScriptCode("x".into()), "scoped": scope,
        "i": 1_i32, "ts": bson::Timestamp { time: 1, increment: 2 }, "l": 2_i64,
        "min": bson::Bson::MinKey, "max": bson::Bson::MaxKey,
    };
    RawDocumentBuf::try_from(all).unwrap().into_bytes()
}

#[test]
fn all_types_pass_the_check() {
    bson_check::check(&sample()).unwrap();
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        (0..levels).fold(rawdoc! {}, |inner, _| rawdoc! { "a": inner }).into_bytes()
    };
    assert!(bson_check::check(&nested(100)).is_ok());
    assert!(bson_check::check(&nested(bson_check::DEPTH_MAX)).is_err());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&body);
        read_back(&body);
        let _ = bson_check::check(&body);
    }

    #[test]
    fn damaged_documents_are_refused_or_readable(at in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = sample();
        let at = at % bytes.len();
        bytes[at] = byte;
        if bson_check::check(&bytes).is_ok() {
            walk(&RawDocumentBuf::from_bytes(bytes).unwrap());
        }
    }

    #[test]
    fn damaged_messages_never_panic(at in 0_usize..200, byte in any::<u8>(), cut in 0_usize..200) {
        let documents = [rawdoc! { "_id": 1 }, rawdoc! { "_id": "two" }];
        let body = section(&rawdoc! { "insert": "items", "$db": "shop" });
        let mut bytes = flagged(0, &[&body, &sequence("documents", &documents)]);
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut % bytes.len());
        decode_all(&bytes);
    }

    #[test]
    fn messages_survive_the_wire(numbers in proptest::collection::vec(any::<i32>(), 0..20)) {
        let documents: Vec<_> = numbers.iter().map(|n| rawdoc! { "_id": *n }).collect();
        let body = rawdoc! { "insert": "items", "$db": "shop" };
        let sections = [&section(&body)[..], &sequence("documents", &documents)];
        let sent = frame(OP_MSG, flagged(0, &sections));
        let received = read_back(&sent.encode()).unwrap();
        prop_assert_eq!(&received, &sent);
        prop_assert_eq!(sent.header().len(), HEADER_BYTES);
        let command = op_msg::decode(&received).unwrap().to_command().unwrap();
        prop_assert_eq!(command.database.as_str(), "shop");
        let received: Vec<_> = command.documents("documents").unwrap();
        prop_assert_eq!(received.len(), documents.len());
        for (received, sent) in received.iter().zip(&documents) {
            prop_assert_eq!(received.as_bytes(), sent.as_bytes());
        }
    }

    #[test]
    fn compression_gives_back_what_it_took(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for name in ["snappy", "zlib", "zstd"] {
            let compressor = compression::Compressor::by_name(name).unwrap();
            let sent = frame(OP_MSG, body.clone());
            let (back, used) = compression::unwrap(&compression::wrap(&sent, compressor).unwrap()).unwrap();
            prop_assert_eq!(&back, &sent);
            prop_assert_eq!(used, compressor);
        }
    }
}
