//! Every BSON type comes back byte by byte.

use std::collections::HashMap;

use bson::spec::BinarySubtype;
use bson::{
    Binary, Bson, DateTime, Decimal128, JavaScriptCodeWithScope, RawDocumentBuf, Regex, Timestamp,
    doc, rawdoc,
};

use super::*;

/// A document from parts that no builder would make: (type, name, payload).
fn raw(elements: &[(u8, &str, &[u8])]) -> RawDocumentBuf {
    let mut body = Vec::new();
    for (kind, name, payload) in elements {
        body.push(*kind);
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend_from_slice(payload);
    }
    body.push(0);
    let length = i32::try_from(body.len() + 4).unwrap();
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(body);
    RawDocumentBuf::from_bytes(bytes).unwrap()
}

fn strange() -> Vec<RawDocumentBuf> {
    let int = |n: i32| n.to_le_bytes();
    let nan = f64::from_bits(0x7ff8_0000_dead_beef).to_le_bytes();
    vec![
        raw(&[(0x10, "_id", &int(1)), (0x10, "a", &int(1)), (0x10, "a", &int(2))]),
        raw(&[(0x10, "_id", &int(2)), (0x01, "nan", &nan), (0x06, "undefined", &[])]),
        raw(&[(0x10, "z", &int(1)), (0x10, "", &int(2)), (0x10, "_id", &int(3))]),
        raw(&[(0x10, "_id", &int(4)), (0x10, "at", &int(9)), (0x10, "$a.b", &int(2))]),
        raw(&[(0x10, "_id", &int(5)), (0x0c, "at", &pointer()), (0x0c, "pointer", &pointer())]),
        raw(&[(0x0c, "_id", &pointer())]),
    ]
}

/// A reference of a type that is older than object ids in fields.
fn pointer() -> Vec<u8> {
    [&5_i32.to_le_bytes()[..], b"db.c\0", &[9; 12]].concat()
}

fn every_type() -> Vec<RawDocumentBuf> {
    let values: Vec<Bson> = vec![
        Bson::Double(-0.0),
        Bson::String("ü\0x".into()),
        doc! {"b": 1, "a": {"c": []}}.into(),
        Bson::Array(vec![1.into(), "x".into(), Bson::Null]),
        Binary { subtype: BinarySubtype::Generic, bytes: vec![0, 1, 255] }.into(),
        Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] }.into(),
        Binary { subtype: BinarySubtype::UserDefined(0x91), bytes: vec![] }.into(),
        old_binary(BinarySubtype::BinaryOld),
        old_binary(BinarySubtype::UuidOld),
        old_binary(BinarySubtype::Md5),
        old_binary(BinarySubtype::Function),
        bson::oid::ObjectId::from_bytes([5; 12]).into(),
        true.into(),
        DateTime::from_millis(-1).into(),
        DateTime::MAX.into(),
        Bson::Null,
        Bson::RegularExpression(Regex {
            pattern: "a.*".try_into().unwrap(),
            options: "i".try_into().unwrap(),
        }),
        Bson::JavaScriptCode("f()".into()),
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
            code: "f(x)".into(),
            scope: doc! {"x": 1, "a": {}},
        }),
        Bson::Symbol("sym".into()),
        7.into(),
        Timestamp { time: 5, increment: 6 }.into(),
        i64::MIN.into(),
        "1E+3".parse::<Decimal128>().unwrap().into(),
        "1000".parse::<Decimal128>().unwrap().into(),
        Bson::MinKey,
        Bson::MaxKey,
    ];
    let mut docs = strange();
    for (n, value) in values.into_iter().enumerate() {
        let value: bson::RawBson = value.try_into().unwrap();
        let id = format!("id-{n}");
        docs.push(rawdoc! {"_id": id, "at": value.clone(), "customer": {"id": value.clone()}});
        let mostly_unique = rawdoc! {"_id": {"n": n as i64, "v": value}};
        docs.push(mostly_unique);
    }
    docs
}

fn old_binary(subtype: BinarySubtype) -> Bson {
    Binary { subtype, bytes: vec![3; 16] }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_back_byte_by_byte() {
    for fixture in Fixture::everywhere(spec()).await {
        fixture.table.commit(&fence(1)).await.unwrap();
        let docs = every_type();
        let staged = fixture.append(1, docs.clone()).await;
        assert_eq!(staged.documents, docs.len() as u64);
        let rows = fixture.rows().await;
        let stored: HashMap<Vec<u8>, &Row> =
            rows.iter().map(|row| (identity(&row.doc), row)).collect();
        assert_eq!(stored.len(), docs.len());
        for doc in &docs {
            let row = stored[&identity(doc)];
            assert_eq!(row.doc.as_bytes(), doc.as_bytes());
            assert_eq!(row.hash, hash(doc));
            assert_eq!((row.seq, row.superseded_by), (1, None));
        }
    }
}

#[tokio::test]
async fn a_table_without_month_has_no_folders() {
    let plain = TableSpec { month: None, partition_paths: vec![], ..spec() };
    let fixture = Fixture::new(plain.clone()).await;
    assert_eq!(
        fixture.table.load().await.unwrap().spec,
        TableSpec { partition_types: vec![], ..plain }
    );
    fixture.table.commit(&fence(1)).await.unwrap();
    let staged = fixture.append(1, orders(0, 10)).await;
    assert_eq!(staged.files.len(), 1);
    assert!(staged.files[0].path.starts_with("part-1-1-"));
    assert_eq!(fixture.rows().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_documents_and_many_rows() {
    for fixture in Fixture::everywhere(spec()).await {
        fixture.table.commit(&fence(1)).await.unwrap();
        let mut docs = orders(0, 20_000);
        let big = "y".repeat(9 << 20);
        docs.push(rawdoc! {"_id": "big", "text": big});
        let staged = fixture.append(1, docs).await;
        assert_eq!(staged.files.len(), 3, "two months and one without a date");
        assert!(staged.files.iter().any(|file| file.path.starts_with("month=0000-00/")));
        let rows = fixture.rows().await;
        assert_eq!(rows.len(), 20_001);
        let version = fixture.table.load().await.unwrap();
        assert_eq!(fixture.table.batches(&version, 1).await.unwrap(), staged.batches);
        let mut count = 0;
        for batch in [0, 7, staged.batches - 1] {
            let rows = fixture.table.batch(&version, 1, batch).await.unwrap();
            assert!(!rows.is_empty() && rows.len() <= 500);
            let declared = staged.declared.rows().filter(|row| row.batch == batch).count();
            assert_eq!(rows.len(), declared);
            count += rows.len();
        }
        assert!(count > 500);
    }
}
