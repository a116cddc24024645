//! What every store must be able to do for a table.

use bson::{RawDocumentBuf, rawdoc};
use futures::TryStreamExt;
use portolan_lake::{
    Change, LakeError, MonthSpec, Predicate, Row, StageRequest, Staged, Table, TableSpec,
};
use portolan_model::{DateFormat, PartitionFieldType};
use portolan_runtime::{FaultPlan, Runtime};

use crate::places::{Place, Server};

const NAME: &str = "65f000000000000000000001";
const DAY_MS: i64 = 86_400_000;

fn spec() -> TableSpec {
    TableSpec {
        archive_id: NAME.into(),
        owner: "us".into(),
        namespace: "shop.orders".into(),
        partition_paths: vec!["at".into()],
        partition_types: vec![Some(PartitionFieldType::Date)],
        month: Some(MonthSpec { path: "at".into(), format: DateFormat::IsoDate }),
        ..TableSpec::default()
    }
}

fn runtime(faults: &str) -> Runtime {
    Runtime::system().with_faults(FaultPlan::parse(faults).unwrap())
}

async fn create(place: &Place, faults: &str) -> Table {
    let uri = place.location.table_uri(NAME);
    Table::create(&place.location, &uri, &spec(), &runtime(faults)).await.unwrap()
}

async fn open(place: &Place) -> Table {
    let uri = place.location.table_uri(NAME);
    Table::open(&place.location, &uri, &Runtime::system()).await.unwrap().unwrap()
}

/// A table that epoch 1 may write.
async fn fenced(place: &Place) -> Table {
    let table = create(place, "").await;
    table.commit(&fence(1)).await.unwrap();
    table
}

fn token(epoch: i64) -> String {
    format!("token-{epoch}")
}

fn fence(epoch: i64) -> Change {
    Change::Fence { epoch, token: token(epoch) }
}

fn append(seq: i64, staged: &Staged) -> Change {
    let files = staged.files.clone();
    Change::Append { seq, epoch: 1, token: token(1), files, config_version: 1 }
}

fn confirm(seq: i64) -> Change {
    let (removes, adds) = (vec![], vec![]);
    Change::Confirm { seq, epoch: 1, token: token(1), removes, adds, supersedes: false }
}

fn orders(first: i32, count: i32, bytes: usize) -> Vec<RawDocumentBuf> {
    (first..first + count)
        .map(|n| {
            let at = bson::DateTime::from_millis(1_704_067_200_000 + i64::from(n % 60) * DAY_MS);
            // Text that does not compress to nothing.
            let mut random = vec![0; bytes.div_ceil(2)];
            blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut random);
            let text = hex::encode(random);
            rawdoc! { "_id": n, "at": at, "text": text }
        })
        .collect()
}

async fn archive(table: &Table, seq: i64, docs: Vec<RawDocumentBuf>) -> Staged {
    let staged = table.stage(StageRequest::new(seq, 1, 1_700_000_000_000), docs).await.unwrap();
    table.verify(&staged).await.unwrap();
    table.commit(&append(seq, &staged)).await.unwrap();
    table.check_present(&staged.files).await.unwrap();
    table.commit(&confirm(seq)).await.unwrap();
    staged
}

async fn rows(table: &Table) -> Vec<Row> {
    let version = table.load().await.unwrap();
    table.scan(&version, &Predicate::default()).rows().try_collect().await.unwrap()
}

/// The bytes of documents, in an order of their own.
fn bytes(docs: impl IntoIterator<Item = RawDocumentBuf>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = docs.into_iter().map(|doc| doc.as_bytes().to_vec()).collect();
    all.sort();
    all
}

pub(crate) async fn a_probe_finds_it_fit_and_leaves_nothing(place: Place) {
    let fitness = place.location.probe(&Runtime::system()).await.unwrap();
    assert!(fitness.clock_ahead_ms.abs() < 5_000, "{fitness:?}");
    // Twice: what the first left would be in the way of the second, or listed by it.
    place.location.probe(&Runtime::system()).await.unwrap();
}

pub(crate) async fn a_table_is_created_once(place: Place) {
    let uri = place.location.table_uri(NAME);
    let absent = Table::open(&place.location, &uri, &Runtime::system()).await.unwrap();
    assert!(absent.is_none());
    let made = create(&place, "lake.create=reply_lost").await;
    assert_eq!(create(&place, "").await.spec(), made.spec());
    let foreign = TableSpec { owner: "them".into(), ..spec() };
    let refused = Table::create(&place.location, &uri, &foreign, &Runtime::system()).await;
    assert!(matches!(refused, Err(LakeError::Conflict(_))));
    assert_eq!(open(&place).await.load().await.unwrap().number, 0);
}

pub(crate) async fn a_move_comes_back_byte_by_byte(place: Place) {
    let table = fenced(&place).await;
    let docs = orders(0, 200, 40);
    let staged = archive(&table, 1, docs.clone()).await;
    assert_eq!((staged.files.len(), staged.documents), (2, 200), "two months");
    let found = rows(&open(&place).await).await;
    assert_eq!(bytes(found.into_iter().map(|row| row.doc)), bytes(docs));
}

pub(crate) async fn a_large_file_is_read_in_parts(place: Place) {
    let table = fenced(&place).await;
    let mut docs = orders(0, 40, 200_000);
    docs.push(rawdoc! { "_id": "big", "text": "x".repeat(15 << 20) });
    archive(&table, 1, docs.clone()).await;
    let version = table.load().await.unwrap();
    assert!(version.files.iter().any(|file| file.size_bytes > 64 << 10));
    assert_eq!(bytes(rows(&table).await.into_iter().map(|row| row.doc)), bytes(docs.clone()));
    let batch = table.batch(&version, 1, 0).await.unwrap();
    assert!(!batch.is_empty() && batch.len() < docs.len());
}

pub(crate) async fn replies_that_are_lost_do_no_harm(place: Place) {
    fenced(&place).await;
    let table = create(&place, "lake.upload=reply_lost@1,lake.commit=reply_lost@1").await;
    archive(&table, 1, orders(0, 30, 10)).await;
    let version = open(&place).await.load().await.unwrap();
    assert_eq!((version.committed, version.confirmed, version.number), (1, 1, 3));
    let paths: std::collections::HashSet<_> = version.files.iter().map(|file| &file.path).collect();
    assert_eq!(paths.len(), version.files.len());
    assert_eq!(rows(&table).await.len(), 30);
}

/// Four workers raise the fence at once. Each success is a version of its own, and the greatest epoch
/// is in force: the store let nobody write a version twice.
pub(crate) async fn of_rivals_one_wins_each_version(place: Place) {
    let first = create(&place, "").await;
    let mut rivals = Vec::new();
    for epoch in 1..=4 {
        rivals.push((epoch, open(&place).await));
    }
    let raised = rivals
        .iter()
        .map(|(epoch, table)| async move { (*epoch, table.commit(&fence(*epoch)).await) });
    let answers = futures::future::join_all(raised).await;
    let mut wins = 0;
    for (epoch, answer) in answers {
        match answer {
            Ok(_) => wins += 1,
            Err(LakeError::Fenced { fence, .. }) => assert!(fence > epoch),
            Err(error) => panic!("{epoch}: {error}"),
        }
    }
    let version = first.load().await.unwrap();
    assert_eq!((version.fence, version.number), (4, wins));
    assert_eq!(version.fence_token, Some(token(4)));
}

pub(crate) async fn a_checkpoint_says_what_the_log_says(place: Place) {
    let table = fenced(&place).await;
    for seq in 1..=11 {
        archive(&table, seq, orders(seq as i32 * 100, 3, 10)).await;
    }
    let version = open(&place).await.load().await.unwrap();
    assert_eq!((version.number, version.committed, version.confirmed), (23, 11, 11));
    assert_eq!(version.files.iter().map(|file| file.rows).sum::<u64>(), 33);
    assert_eq!(rows(&open(&place).await).await.len(), 33);
}

pub(crate) async fn the_stores_clock_is_told(place: Place) {
    let runtime = Runtime::system();
    let before_ms = runtime.now_ms();
    let told_ms = place.location.clock_ms(&runtime).await.unwrap();
    assert!((before_ms - 2_000..=runtime.now_ms() + 2_000).contains(&told_ms), "{told_ms}");
}

/// Where a table's objects lie in the bucket.
fn prefix(place: &Place, name: &str) -> String {
    let uri = place.location.table_uri(name);
    let (_, prefix) = uri.trim_start_matches("s3://").split_once('/').unwrap();
    prefix.to_owned()
}

pub(crate) async fn every_object_is_encrypted(server: &Server, place: Place, kind: &str) {
    let table = fenced(&place).await;
    let docs = orders(0, 50, 40);
    archive(&table, 1, docs.clone()).await;
    let (prefix, paths) = (prefix(&place, ""), place.location.paths(&Runtime::system()).await);
    let paths = paths.unwrap();
    assert!(paths.len() > 4, "{paths:?}");
    for path in paths {
        let object = format!("{prefix}{path}").replace('=', "%3D");
        let (status, headers, _) = server.ask("HEAD", &object, "").await;
        let said = headers.get("x-amz-server-side-encryption").map(|it| it.to_str().unwrap());
        assert_eq!((status, said), (200, Some(kind)), "{object}");
    }
    assert_eq!(bytes(rows(&table).await.into_iter().map(|row| row.doc)), bytes(docs));
}

/// What the bucket holds of data files: keys and ids of versions that are there, and of marks by which they
/// are hidden.
struct Held {
    versions: Vec<(String, String)>,
    marks: Vec<(String, String)>,
}

async fn held(server: &Server, place: &Place) -> Held {
    let prefix = prefix(place, NAME);
    let (status, _, listed) = server.ask("GET", &format!("?prefix={prefix}&versions="), "").await;
    assert_eq!(status, 200, "{listed}");
    let of = |entry: &str, element: &str| {
        let (_, rest) = entry.split_once(&format!("<{element}>")).unwrap();
        rest.split_once("</").unwrap().0.to_owned()
    };
    let all = |element: &str| {
        let tag = format!("<{element}>");
        let entries = listed.split(&tag).skip(1);
        let entries = entries.map(|entry| (of(entry, "Key"), of(entry, "VersionId")));
        let data = |key: &str| key.ends_with(".parquet") && !key.contains("_delta_log");
        entries.filter(|(key, _)| data(key)).collect()
    };
    Held { versions: all("Version"), marks: all("DeleteMarker") }
}

impl Held {
    fn counts(&self) -> (usize, usize) {
        (self.versions.len(), self.marks.len())
    }
}

/// Clean-up takes objects out of view, once; their versions stay, and cannot be removed.
pub(crate) async fn what_is_cleaned_up_is_retained(server: &Server, place: Place) {
    let table = fenced(&place).await;
    archive(&table, 1, orders(0, 100, 40)).await;
    let files = table.load().await.unwrap().files;
    let id = "expiry".to_owned();
    assert_eq!(files.len(), 2, "two months");
    let expire = Change::Expire { id, epoch: 1, token: token(1), removes: files, adds: vec![] };
    table.commit(&expire).await.unwrap();
    table.commit(&fence(2)).await.unwrap();
    let later_ms = place.location.clock_ms(&Runtime::system()).await.unwrap() + 2 * DAY_MS;
    for objects in [2, 0] {
        let removed = table.remove_leftovers((2, &token(2)), later_ms, DAY_MS).await.unwrap();
        assert_eq!(removed.objects, objects);
    }
    assert!(rows(&table).await.is_empty());
    let held = held(server, &place).await;
    assert_eq!(held.counts(), (2, 2), "hidden, and there");
    for (key, version) in held.versions {
        let object = format!("{}?versionId={version}", key.replace('=', "%3D"));
        let (status, _, said) = server.ask("DELETE", &object, "").await;
        assert!(matches!(status, 400 | 403), "{status}: {said}");
    }
}

/// So does a purge.
pub(crate) async fn what_is_purged_is_retained(server: &Server, place: Place) {
    let (runtime, uri) = (Runtime::system(), place.location.table_uri(NAME));
    let table = fenced(&place).await;
    archive(&table, 1, orders(0, 100, 40)).await;
    place.location.drop_table(&uri, &runtime).await.unwrap();
    assert!(Table::open(&place.location, &uri, &runtime).await.unwrap().is_none());
    place.location.sweep_table(&uri, &runtime).await.unwrap();
    assert!(place.location.paths(&runtime).await.unwrap().is_empty());
    assert_eq!(held(server, &place).await.counts(), (2, 2));
}
