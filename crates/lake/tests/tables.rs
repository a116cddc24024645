//! Leaves tables for other engines to read, after each kind of change, with what they must hold.
//!
//! `PORTOLAN_TEST_TABLES` names the folder. `conformance/python/test_interop.py` reads it;
//! `cargo xtask conformance --only interop` runs both.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use bson::{RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use portolan_lake::{
    Change, CompactionRule, ExpiryCut, Location, MonthSpec, Predicate, StageRequest, Table,
    TableSpec, identity,
};
use portolan_model::{DateFormat, PartitionFieldType};
use portolan_runtime::Runtime;

const DAY_MS: i64 = 86_400_000;
/// 2024-01-01.
const FIRST_MS: i64 = 1_704_067_200_000;
const EPOCH: i64 = 1;
const TOKEN: &str = "token";
const MOVES: i32 = 6;
const RULE: CompactionRule =
    CompactionRule { large_bytes: 1 << 20, files_min: 2, files_max: 100, raw_bytes_max: 1 << 30 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "leaves files in PORTOLAN_TEST_TABLES"]
async fn tables_for_other_engines() {
    let folder = std::env::var("PORTOLAN_TEST_TABLES").unwrap();
    let folder = Path::new(&folder);
    let location = Location::folder(folder).unwrap();
    for state in ["appended", "compacted", "expired", "redacted", "checkpointed"] {
        let table = six_moves(&location, state).await;
        match state {
            "compacted" => compact(&table).await,
            "expired" => expire(&table).await,
            "redacted" => {
                compact(&table).await;
                redact(&table, &location).await;
            }
            "checkpointed" => table.checkpoint().await.unwrap(),
            _ => {}
        }
        let expected = folder.join(format!("{state}.jsonl"));
        std::fs::write(expected, lines(&table).await).unwrap();
    }
}

/// What the table must hold: a line for each row.
async fn lines(table: &Table) -> String {
    let version = table.load().await.unwrap();
    let mut rows = table.scan(&version, &Predicate::default()).rows();
    let mut text = String::new();
    while let Some(row) = rows.try_next().await.unwrap() {
        let doc = hex::encode(row.doc.as_bytes());
        let (seq, batch) = (row.seq, row.batch);
        writeln!(text, "{{\"doc\": \"{doc}\", \"seq\": {seq}, \"batch\": {batch}}}").unwrap();
    }
    text
}

async fn six_moves(location: &Location, name: &str) -> Table {
    let spec = TableSpec {
        archive_id: name.into(),
        owner: "us".into(),
        namespace: "shop.orders".into(),
        partition_paths: vec!["at".into(), "customer.id".into()],
        partition_types: vec![Some(PartitionFieldType::Date), None],
        month: Some(MonthSpec { path: "at".into(), format: DateFormat::IsoDate }),
        ..TableSpec::default()
    };
    let uri = location.table_uri(name);
    let table = Table::create(location, &uri, &spec, &Runtime::system()).await.unwrap();
    table.commit(&Change::Fence { epoch: EPOCH, token: TOKEN.into() }).await.unwrap();
    for seq in 1..=MOVES {
        archive(&table, i64::from(seq), orders(seq * 100, 60)).await;
    }
    table
}

async fn archive(table: &Table, seq: i64, docs: Vec<RawDocumentBuf>) {
    let request = StageRequest { batch_documents_max: 25, ..StageRequest::new(seq, EPOCH, 0) };
    let staged = table.stage(request, docs).await.unwrap();
    table.verify(&staged).await.unwrap();
    let (token, files) = (TOKEN.to_owned(), staged.files);
    let append = Change::Append { seq, epoch: EPOCH, token, files, config_version: 1 };
    table.commit(&append).await.unwrap();
    let (token, removes, adds) = (TOKEN.to_owned(), vec![], vec![]);
    let confirm = Change::Confirm { seq, epoch: EPOCH, token, removes, adds, supersedes: true };
    table.commit(&confirm).await.unwrap();
}

fn orders(first: i32, count: i32) -> Vec<RawDocumentBuf> {
    (first..first + count)
        .map(|n| {
            let at = bson::DateTime::from_millis(FIRST_MS + i64::from(n % 60) * DAY_MS);
            let customer = rawdoc! { "id": format!("c{}", n % 7) };
            rawdoc! { "_id": n, "at": at, "customer": customer, "price": f64::from(n) / 3.0 }
        })
        .collect()
}

async fn compact(table: &Table) {
    for month in 0..2 {
        let version = table.load().await.unwrap();
        let group = table.compaction_plan(&version, &RULE)[0].clone();
        let compacted = table.compact(&version, &group, &RULE).await.unwrap();
        table.verify(&compacted.staged).await.unwrap();
        let (id, token) = (format!("compact-{month}"), TOKEN.to_owned());
        let (removes, adds) = (compacted.removes, compacted.staged.files);
        let change = Change::Compact { id, epoch: EPOCH, token, removes, adds };
        table.commit(&change).await.unwrap();
    }
}

/// All of January and the first days of February.
async fn expire(table: &Table) {
    let cut = ExpiryCut { expired_until_ms: FIRST_MS + 40 * DAY_MS, archived_before_ms: i64::MAX };
    let version = table.load().await.unwrap();
    let plan = table.expiry_plan(&version, &cut);
    let left = table.leave_out_expired(&version, &plan, &cut).await.unwrap();
    table.verify(&left.staged).await.unwrap();
    let (id, token) = ("expire".to_owned(), TOKEN.to_owned());
    let (removes, adds) = (left.removes, left.staged.files);
    let change = Change::Expire { id, epoch: EPOCH, token, removes, adds };
    table.commit(&change).await.unwrap();
}

/// Under an epoch of its own, as the archiver does it: only what older ones wrote is deleted.
async fn redact(table: &Table, location: &Location) {
    let (epoch, token) = (EPOCH + 1, "another token".to_owned());
    table.commit(&Change::Fence { epoch, token: token.clone() }).await.unwrap();
    let version = table.load().await.unwrap();
    let gone = HashSet::from([identity(&orders(300, 1)[0])]);
    let redacted = table.redact(&version, &gone).await.unwrap();
    table.verify(&redacted.staged).await.unwrap();
    let (removes, adds) = (redacted.removes, redacted.staged.files);
    let change = Change::Redact { id: "redact".into(), epoch, token: token.clone(), removes, adds };
    table.commit(&change).await.unwrap();
    table.forget_history(location, (epoch, &token)).await.unwrap();
}
