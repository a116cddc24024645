//! Tests of rows.

use bson::rawdoc;
use bson::{Bson, RawBson};

use super::*;

fn spec() -> TableSpec {
    TableSpec {
        partition_paths: vec!["at".into(), "customer.id".into(), "free".into()],
        partition_types: vec![Some(PartitionFieldType::Date), Some(PartitionFieldType::Int)],
        ..TableSpec::default()
    }
}

#[test]
fn a_prune_key_is_the_beginning_of_the_identity() {
    let ids: Vec<RawBson> = vec![
        RawBson::Int32(1),
        RawBson::Int64(1 << 60),
        RawBson::Double(1.5),
        RawBson::String("a".into()),
        RawBson::String("a longer text than sixteen bytes, with \0 in it".into()),
        RawBson::ObjectId(bson::oid::ObjectId::from_bytes([9; 12])),
        RawBson::Document(rawdoc! {"a": 1, "b": "two"}),
        RawBson::Null,
        RawBson::DateTime(bson::DateTime::from_millis(5)),
    ];
    for id in ids {
        let doc = rawdoc! {"_id": id};
        assert_eq!(prune_key(&doc, "_id").unwrap(), prune_key_of(&identity(&doc), None));
    }
}

#[test]
fn numbers_of_all_types_are_one_identity() {
    let one = identity(&rawdoc! {"_id": 1});
    assert_eq!(one, identity(&rawdoc! {"_id": 1_i64}));
    assert_eq!(one, identity(&rawdoc! {"_id": 1.0}));
}

#[test]
fn typed_columns_are_null_on_other_types_and_out_of_range() {
    let date = bson::DateTime::from_millis(1_000);
    let doc = rawdoc! {"_id": 1, "at": date, "customer": {"id": 7}, "free": true};
    let cells = derive(&doc, &spec()).unwrap().cells;
    assert_eq!(cells[0], Cell::Text("1".into()));
    assert_eq!(cells[5..], [Cell::Timestamp(1_000_000), Cell::Int(7), Cell::Text("true".into())]);
    let doc =
        rawdoc! {"_id": 1, "at": bson::DateTime::MAX, "customer": {"id": 7_i64}, "free": ["x"]};
    let cells = derive(&doc, &spec()).unwrap().cells;
    assert_eq!(cells[5..], [Cell::Null, Cell::Null, Cell::Null]);
    assert_ne!(cells[2], Cell::Null, "keys have no such limits");
    assert_eq!(cells[4], Cell::Null, "but an array has none");
}

#[test]
fn a_document_without_id_is_refused() {
    assert!(matches!(derive(&rawdoc! {"a": 1}, &spec()), Err(LakeError::Invalid(_))));
}

#[test]
fn composite_ids_have_text() {
    let cells = derive(&rawdoc! {"_id": {"a": 1}}, &TableSpec::default()).unwrap().cells;
    assert_eq!(
        cells[0],
        Cell::Text(Bson::from(bson::doc! {"a": 1}).into_canonical_extjson().to_string())
    );
}
