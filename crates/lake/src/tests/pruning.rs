//! What is pruned never holds what matches.

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use portolan_mql::{Context, Filter};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

fn value() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => (-40_i32..40).prop_map(Bson::from),
        2 => (-40_i64..40).prop_map(Bson::from),
        2 => (-40.0..40.0).prop_map(Bson::from),
        1 => Just(Bson::Double(f64::NAN)),
        1 => Just(Bson::Null),
        3 => "[a-c]{0,3}".prop_map(Bson::from),
        1 => "[a-b]{14,20}".prop_map(Bson::from),
        2 => (-3_i64..3).prop_map(|n| DateTime::from_millis(n * 1_000_000_000).into()),
        1 => any::<bool>().prop_map(Bson::from),
        1 => prop::array::uniform12(0_u8..2)
            .prop_map(|bytes| bson::oid::ObjectId::from_bytes(bytes).into()),
        1 => (0_i32..3).prop_map(|n| doc! {"x": n}.into()),
    ]
}

fn field() -> impl Strategy<Value = Option<Bson>> {
    prop_oneof![
        6 => value().prop_map(Some),
        1 => Just(None),
        1 => prop::collection::vec(value(), 0..3).prop_map(|list| Some(Bson::Array(list))),
    ]
}

fn document(id: i32, at: Option<Bson>, customer: Option<Bson>) -> RawDocumentBuf {
    let mut doc = doc! {"_id": id};
    if let Some(at) = at {
        doc.insert("at", at);
    }
    if let Some(customer) = customer {
        doc.insert("customer", doc! {"id": customer});
    }
    RawDocumentBuf::try_from(&doc).unwrap()
}

fn filter() -> impl Strategy<Value = Document> {
    let path = prop_oneof![Just("_id"), Just("at"), Just("customer.id"), Just("other")];
    let test = (
        path,
        prop_oneof![Just("$eq"), Just("$gt"), Just("$gte"), Just("$lt"), Just("$lte"), Just("$ne")],
        value(),
    )
        .prop_map(|(path, operator, value)| doc! {path: {operator: value}});
    let list = (Just("customer.id"), prop::collection::vec(value(), 0..4))
        .prop_map(|(path, values)| doc! {path: {"$in": values}});
    let leaf = prop_oneof![4 => test, 1 => list];
    leaf.prop_recursive(2, 8, 3, |inner| {
        (prop_oneof![Just("$and"), Just("$or")], prop::collection::vec(inner, 1..3))
            .prop_map(|(operator, parts)| doc! {operator: parts})
    })
}

async fn filled(runner: &mut TestRunner) -> (Fixture, Vec<RawDocumentBuf>) {
    let fixture = Fixture::new(spec()).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    let mut all = Vec::new();
    for seq in 1..=6 {
        let docs: Vec<_> = (0..25)
            .map(|n| {
                let (at, customer) = (field(), field()).new_tree(runner).unwrap().current();
                document(seq * 25 + n - 75, at, customer)
            })
            .collect();
        fixture.archive(seq.into(), docs.clone()).await;
        all.extend(docs);
    }
    (fixture, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_never_drops_a_match() {
    let mut runner = TestRunner::deterministic();
    let (fixture, docs) = filled(&mut runner).await;
    let version = fixture.table.load().await.unwrap();
    let context = Context::new(0);
    let (mut pruned, mut matched) = (0, 0);
    for _ in 0..300 {
        let query = filter().new_tree(&mut runner).unwrap().current();
        let raw = RawDocumentBuf::try_from(&query).unwrap();
        let Ok(filter) = Filter::parse(&raw, &context) else { continue };
        let plan = fixture.table.scan(&version, &Predicate::from_filter(&filter, &spec()));
        pruned += plan.files_total - plan.files_read;
        let rows: Vec<Row> = plan.rows().try_collect().await.unwrap();
        let found: std::collections::HashSet<_> = rows.iter().map(|row| row.hash).collect();
        for doc in docs.iter().filter(|doc| filter.matches(doc).unwrap()) {
            matched += 1;
            assert!(found.contains(&hash(doc)), "{query} lost {doc:?}");
        }
    }
    assert!(matched > 1_000 && pruned > 100, "{matched} matches, {pruned} files pruned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_point_query_reads_few_files_and_rows() {
    for fixture in Fixture::everywhere(spec()).await {
        fixture.table.commit(&fence(1)).await.unwrap();
        for seq in 1..=4 {
            fixture.archive(seq, orders(seq as i32 * 1_000, 1_000)).await;
        }
        let version = fixture.table.load().await.unwrap();
        let raw = bson::rawdoc! {"_id": 2_345};
        let filter = Filter::parse(&raw, &Context::new(0)).unwrap();
        let plan = fixture.table.scan(&version, &Predicate::from_filter(&filter, &spec()));
        assert_eq!((plan.files_total, plan.files_read), (8, 2));
        assert!(plan.bytes_read < plan.bytes_total);
        let rows: Vec<Row> = plan.rows().try_collect().await.unwrap();
        assert_eq!(rows.len(), 1);
    }
}
