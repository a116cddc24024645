//! Tests of whole tables in temporary folders.

mod compaction;
mod expiry;
mod histories;
mod life;
mod pruning;
mod readers;
mod redaction;
mod roundtrip;
mod sharded;

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use portolan_model::{ArchiveRules, DateFormat, PartitionFieldType};
use portolan_runtime::{FaultPlan, Runtime};

use super::*;

pub(crate) const NAME: &str = "65f000000000000000000001";

/// A fresh table in a temporary folder, or in a simulated location.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) location: Location,
    pub(crate) table: Table,
}

pub(crate) fn spec() -> TableSpec {
    TableSpec {
        archive_id: NAME.into(),
        owner: "installation".into(),
        namespace: "shop.orders".into(),
        collection_uuid: Some("0b7a".into()),
        shard_key: None,
        partition_paths: vec!["at".into(), "customer.id".into()],
        partition_types: vec![Some(PartitionFieldType::Date), None],
        month: Some(MonthSpec { path: "at".into(), format: DateFormat::IsoDate }),
        config_version: 3,
        rules: ArchiveRules::default(),
        definition: None,
    }
}

impl Fixture {
    pub(crate) async fn new(spec: TableSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let location = Location::folder(dir.path()).unwrap();
        Self::at(dir, location, spec).await
    }

    /// A table of each kind, for what must be true of all of them.
    pub(crate) async fn everywhere(spec: TableSpec) -> Vec<Self> {
        let real = Self::new(spec.clone()).await;
        let simulated = Self::at(tempfile::tempdir().unwrap(), Location::simulated(), spec).await;
        vec![real, simulated]
    }

    async fn at(dir: tempfile::TempDir, location: Location, spec: TableSpec) -> Self {
        let uri = location.table_uri(NAME);
        let table = Table::create(&location, &uri, &spec, &Runtime::system()).await.unwrap();
        Self { dir, location, table }
    }

    /// The same table in the hands of somebody else, with faults.
    pub(crate) async fn with_faults(&self, faults: FaultPlan) -> Table {
        let runtime = Runtime::system().with_faults(faults);
        Table::open(&self.location, self.table.uri(), &runtime).await.unwrap().unwrap()
    }

    pub(crate) fn path(&self, relative: &str) -> std::path::PathBuf {
        self.dir.path().join(NAME).join(relative)
    }

    /// Stages, verifies and commits one move under epoch 1.
    pub(crate) async fn append(&self, seq: i64, docs: Vec<RawDocumentBuf>) -> Staged {
        let staged =
            self.table.stage(StageRequest::new(seq, 1, 1_700_000_000_000), docs).await.unwrap();
        self.table.verify(&staged).await.unwrap();
        self.table.commit(&append(seq, 1, &staged)).await.unwrap();
        self.table.check_present(&staged.files).await.unwrap();
        staged
    }

    /// A confirmed move.
    pub(crate) async fn archive(&self, seq: i64, docs: Vec<RawDocumentBuf>) {
        self.append(seq, docs).await;
        self.table.commit(&confirm(seq, 1, vec![], vec![])).await.unwrap();
    }

    pub(crate) async fn rows(&self) -> Vec<Row> {
        let version = self.table.load().await.unwrap();
        let plan = self.table.scan(&version, &Predicate::default());
        plan.rows().try_collect().await.unwrap()
    }
}

pub(crate) fn token(epoch: i64) -> String {
    format!("token-{epoch}")
}

pub(crate) fn fence(epoch: i64) -> Change {
    Change::Fence { epoch, token: token(epoch) }
}

pub(crate) fn append(seq: i64, epoch: i64, staged: &Staged) -> Change {
    let files = staged.files.clone();
    Change::Append { seq, epoch, token: token(epoch), files, config_version: 4 }
}

pub(crate) fn confirm(
    seq: i64,
    epoch: i64,
    removes: Vec<DataFile>,
    adds: Vec<StagedFile>,
) -> Change {
    Change::Confirm { seq, epoch, token: token(epoch), removes, adds, supersedes: true }
}

/// Orders of two months, ids `first` to `first + count − 1`.
pub(crate) fn orders(first: i32, count: i32) -> Vec<RawDocumentBuf> {
    (first..first + count)
        .map(|n| {
            let at = 1_704_067_200_000 + i64::from(n % 60) * 86_400_000;
            bson::rawdoc! {
                "_id": n,
                "at": bson::DateTime::from_millis(at),
                "customer": {"id": format!("c{}", n % 7)},
                "text": "x".repeat((n % 50) as usize),
            }
        })
        .collect()
}
