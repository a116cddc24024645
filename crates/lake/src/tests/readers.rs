//! Other readers need nothing of ours: plain JSON, plain Parquet.

use std::fs::File;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;

use super::*;

fn actions(fixture: &Fixture, version: u64) -> Vec<serde_json::Value> {
    let text =
        std::fs::read_to_string(fixture.path(&format!("_delta_log/{version:020}.json"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn find<'a>(actions: &'a [serde_json::Value], kind: &str) -> &'a serde_json::Value {
    actions.iter().find_map(|action| action.get(kind)).unwrap()
}

#[tokio::test]
async fn the_log_asks_nothing_special_of_readers() {
    let fixture = Fixture::new(spec()).await;
    let first = actions(&fixture, 0);
    let protocol = find(&first, "protocol");
    assert_eq!(protocol, &serde_json::json!({"minReaderVersion": 1, "minWriterVersion": 2}));
    let metadata = find(&first, "metaData");
    assert_eq!(metadata["partitionColumns"], serde_json::json!(["month"]));
    let properties = &metadata["configuration"];
    assert_eq!(properties["portolan.namespace"], "shop.orders");
    let columns = properties["delta.dataSkippingStatsColumns"].as_str().unwrap();
    assert!(columns.contains("p1_key") && !columns.contains("_doc"));
    fixture.table.commit(&fence(1)).await.unwrap();
    fixture.append(1, orders(0, 10)).await;
    let second = actions(&fixture, 2);
    assert_eq!(find(&second, "txn")["appId"], "portolan/committed");
    let add = find(&second, "add");
    assert_eq!(add["partitionValues"]["month"], "2024-01");
    let stats: serde_json::Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 10);
    assert_eq!(stats["minValues"]["p_at"], "2024-01-01T00:00:00.000Z");
    assert_eq!(stats["nullCount"]["_superseded_by"], 10);
}

#[tokio::test]
async fn data_files_are_plain_parquet() {
    let fixture = Fixture::new(spec()).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    let staged = fixture.append(1, orders(0, 1_000)).await;
    let mut rows = 0;
    for file in &staged.files {
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(File::open(fixture.path(&file.path)).unwrap())
                .unwrap();
        let schema = builder.schema();
        assert_eq!(schema.field_with_name("_doc").unwrap().data_type(), &DataType::Binary);
        let date = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(schema.field_with_name("p_at").unwrap().data_type(), &date);
        assert!(schema.field_with_name("month").is_err(), "a partition value is in the path alone");
        let group = builder.metadata().row_group(0);
        assert!(group.columns().iter().all(|c| matches!(c.compression(), Compression::ZSTD(_))));
        assert!(group.column(0).statistics().is_none(), "documents have no bounds");
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        for batch in &batches {
            let docs = batch.column_by_name("_doc").unwrap().as_binary::<i32>();
            let seqs = batch.column_by_name("_seq").unwrap().as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                bson::RawDocumentBuf::from_bytes(docs.value(row).to_vec()).unwrap();
                assert_eq!(seqs.value(row), 1);
            }
            rows += batch.num_rows();
        }
    }
    assert_eq!(rows, 1_000);
}

/// Leaves a table for readers in other languages; `LAKE_KEEP` names the folder.
#[tokio::test]
#[ignore = "run by hand, with LAKE_KEEP"]
async fn leave_a_table() {
    let location = Location::folder(std::env::var("LAKE_KEEP").unwrap()).unwrap();
    let (uri, runtime) = (location.table_uri(NAME), Runtime::system());
    let table = Table::create(&location, &uri, &spec(), &runtime).await.unwrap();
    table.commit(&fence(1)).await.unwrap();
    for seq in 1..=12 {
        let docs = orders(seq as i32 * 1_000, 1_000);
        let staged = table.stage(StageRequest::new(seq, 1, 1_700_000_000_123), docs).await.unwrap();
        table.verify(&staged).await.unwrap();
        table.commit(&append(seq, 1, &staged)).await.unwrap();
        let version = table.load().await.unwrap();
        let files: Vec<_> =
            version.files.iter().filter(|file| file.may_hold(seq)).cloned().collect();
        let drop = [(seq, identity(&orders(seq as i32 * 1_000, 1)[0]))].into_iter().collect();
        let rewritten = table.rewrite_without(&version, &files, &drop).await.unwrap();
        table.verify(&rewritten).await.unwrap();
        table.commit(&confirm(seq, 1, files, rewritten.files)).await.unwrap();
    }
}
