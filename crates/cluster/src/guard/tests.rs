//! Tests of the guards' text.

use super::*;

#[test]
fn the_whole_document_its_size_and_the_deadline_are_guarded() {
    let document = rawdoc! { "_id": 7, "a": { "$set": 1 } };
    let statement = statement(&document, GuardLevel::L1, 1000, None).expect("a statement");
    let size = i32::try_from(document.as_bytes().len()).expect("small");
    let expected = rawdoc! {
        "q": {
            "_id": { "$eq": 7 },
            "$expr": { "$and": [
                { "$eq": ["$$ROOT", { "$literal": { "_id": 7, "a": { "$set": 1 } } }] },
                { "$eq": [{ "$bsonSize": "$$ROOT" }, size] },
                { "$lt": ["$$NOW", bson::DateTime::from_millis(1000)] },
            ] },
        },
        "limit": 1,
        "collation": { "locale": "simple" },
        "hint": { "_id": 1 },
    };
    assert_eq!(statement, expected);
}

#[test]
fn without_expressions_each_field_is_guarded() {
    let document = rawdoc! { "_id": 7, "a": RawBson::Null, "b": "x" };
    let statement = statement(&document, GuardLevel::L0, 0, None).expect("a statement");
    let expected = rawdoc! {
        "q": { "_id": { "$eq": 7 }, "a": { "$eq": RawBson::Null, "$exists": true }, "b": { "$eq": "x" } },
        "limit": 1,
    };
    assert_eq!(statement, expected);
}

#[test]
fn what_cannot_be_guarded_is_named() {
    let mut twice = rawdoc! { "_id": 1, "a": 1 };
    twice.append(cstr!("a"), 2);
    assert!(unguardable(&twice, GuardLevel::L1).is_some());
    assert!(unguardable(&twice, GuardLevel::L2).is_none());
    let dotted = rawdoc! { "_id": 1, "a.b": 1 };
    assert!(unguardable(&dotted, GuardLevel::L1).is_none());
    assert!(unguardable(&dotted, GuardLevel::L0).is_some());
    assert!(unguardable(&rawdoc! { "a": 1 }, GuardLevel::L1).is_some());
    let mut deep = rawdoc! { "leaf": 1 };
    for _ in 0..120 {
        deep = rawdoc! { "_id": 1, "d": deep };
    }
    assert!(unguardable(&deep, GuardLevel::L1).is_some());
}

/// A document with a string that holds a byte which is no UTF-8.
fn broken(text_of: impl Fn(&str) -> RawDocumentBuf) -> RawDocumentBuf {
    let mut bytes = text_of("~").as_bytes().to_vec();
    let at = bytes.iter().position(|&byte| byte == b'~').expect("the mark");
    bytes[at] = 0xff;
    RawDocumentBuf::from_bytes(bytes).expect("its lengths are right")
}

#[test]
fn what_cannot_be_read_is_refused_at_every_level() {
    let name = CString::try_from("~".to_owned()).expect("no NUL");
    let named = |_: &str| {
        let mut document = rawdoc! { "_id": 1 };
        document.append(name.clone(), 1);
        document
    };
    let mut deep = rawdoc! { "leaf": 1 };
    for _ in 0..READ_DEPTH_MAX {
        deep = rawdoc! { "_id": 1, "d": [deep] };
    }
    let documents = [
        broken(|text| rawdoc! { "_id": text }),
        broken(|text| rawdoc! { "_id": { "a": text } }),
        broken(|text| rawdoc! { "_id": 1, "a": [{ "b": text }] }),
        broken(named),
        rawdoc! { "_id": [1] },
        rawdoc! { "_id": RawBson::Undefined },
        rawdoc! { "a": 1 },
        deep,
    ];
    for document in documents {
        for level in [GuardLevel::L0, GuardLevel::L1, GuardLevel::L2, GuardLevel::L3] {
            assert!(unguardable(&document, level).is_some(), "{document:?} at {level}");
        }
    }
    let mut twice = rawdoc! {};
    twice.append(cstr!("a"), 1);
    twice.append(cstr!("a"), 2);
    assert!(unguardable(&rawdoc! { "_id": twice }, GuardLevel::L2).is_none());
}

#[test]
fn regular_expressions_as_ids_are_values() {
    let pattern = RawBson::RegularExpression(bson::Regex {
        pattern: bson::raw::CString::try_from("a".to_owned()).expect("no NUL"),
        options: bson::raw::CString::try_from(String::new()).expect("no NUL"),
    });
    let filter = ids_filter(&[RawBson::Int32(1), pattern]);
    assert!(filter.get_array("$or").is_ok());
}

#[test]
fn statements_name_the_whole_shard_key() {
    let key = ShardKey::ranged(&["customer", "place.zone", "_id", "none"]);
    let document = rawdoc! { "_id": 1, "customer": "a", "place": { "zone": 4 } };
    let guarded = statement(&document, GuardLevel::L1, 1000, Some(&key)).expect("a statement");
    let in_batch = batch_statement(&document, None, Some(&key)).expect("a statement");
    let unguarded = statement(&document, GuardLevel::L0, 0, Some(&key)).expect("a statement");
    for statement in [guarded, in_batch, unguarded] {
        let query = statement.get_document("q").expect("a query");
        for (path, value) in [
            ("_id", rawdoc! { "$eq": 1 }),
            ("customer", rawdoc! { "$eq": "a" }),
            ("place.zone", rawdoc! { "$eq": 4 }),
            ("none", rawdoc! { "$eq": RawBson::Null }),
        ] {
            assert_eq!(query.get_document(path).expect(path), &*value);
        }
    }
}
