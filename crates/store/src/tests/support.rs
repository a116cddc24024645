//! What all tests of the store share: the two databases.

use portolan_runtime::{FaultPlan, Runtime};
use portolan_security::KeyRing;

use crate::{Store, scratch};

/// A store of its own.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
}

impl std::ops::Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

pub(crate) fn keys() -> KeyRing {
    KeyRing::new(&[1; 32], &[])
}

/// Real sleeps, so that back-off ends; time and ids need not repeat.
pub(crate) fn runtime(faults: FaultPlan) -> Runtime {
    Runtime::system().with_faults(faults)
}

/// An empty database on the server that the environment must name.
pub(crate) async fn fresh_postgres() -> String {
    let server = std::env::var(scratch::POSTGRES_VARIABLE).unwrap_or_else(|_| {
        panic!("{} names no server: cargo xtask conformance", scratch::POSTGRES_VARIABLE)
    });
    scratch::postgres_url(&server).await
}

impl TestStore {
    pub(crate) async fn sqlite(faults: FaultPlan) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = scratch::sqlite_url(folder.path());
        Self::open(url, folder, faults).await
    }

    pub(crate) async fn in_memory(faults: FaultPlan) -> Self {
        crate::plans::forbid_scans();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::in_memory(keys(), runtime(faults)).await.expect("it is made");
        Self { store, url: "nowhere".to_owned(), folder }
    }

    pub(crate) async fn postgres(faults: FaultPlan) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::open(fresh_postgres().await, folder, faults).await
    }

    async fn open(url: String, folder: tempfile::TempDir, faults: FaultPlan) -> Self {
        let store = Store::open(&url, keys(), runtime(faults)).await.expect("an empty one opens");
        Self { store, url, folder }
    }

    /// An empty database like this one, without a schema.
    pub(crate) async fn another_url(&self) -> String {
        match self.dialect() {
            crate::Dialect::Sqlite => {
                let name = hex::encode(self.runtime().random_bytes::<8>());
                format!("sqlite:{}", self.folder.path().join(name).display())
            }
            crate::Dialect::Postgres => fresh_postgres().await,
        }
    }
}

/// Declares tests that take a [`TestStore`]. Each becomes a module with one test per database, SQLite in
/// memory among them; those on PostgreSQL are ignored, and listed as such, by a `cargo test` that has no
/// server.
macro_rules! on_each_database {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident) $body:block)*) => {$(
        mod $name {
            $crate::tests::on_lasting_databases! { $(#[$meta])* $store $body }

            $(#[$meta])*
            #[tokio::test]
            async fn in_memory() {
                let plan = portolan_runtime::FaultPlan::none();
                case($crate::tests::TestStore::in_memory(plan).await).await;
            }
        }
    )*};
}

/// The same for tests that open their database once more: not in memory.
macro_rules! on_each_lasting_database {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident) $body:block)*) => {$(
        mod $name {
            $crate::tests::on_lasting_databases! { $(#[$meta])* $store $body }
        }
    )*};
}

/// What the module of such a test holds.
macro_rules! on_lasting_databases {
    ($(#[$meta:meta])* $store:ident $body:block) => {
        #[allow(unused_imports, reason = "not every body names something of its file")]
        use super::*;

        async fn case($store: $crate::tests::TestStore) {
            $body
            $store.close().await;
        }

        $(#[$meta])*
        #[tokio::test]
        async fn on_sqlite() {
            let plan = portolan_runtime::FaultPlan::none();
            case($crate::tests::TestStore::sqlite(plan).await).await;
        }

        $(#[$meta])*
        #[tokio::test]
        #[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
        async fn on_postgres() {
            let plan = portolan_runtime::FaultPlan::none();
            case($crate::tests::TestStore::postgres(plan).await).await;
        }
    };
}

/// Runs an expression over `tx` in a transaction of its own: `in_tx!(store, tx => f(tx).await)`.
/// What it captures must be references.
macro_rules! in_tx {
    ($store:expr, $tx:ident => $body:expr) => {
        $store
            .run_tx::<_, $crate::StoreError, _>("test", |$tx| Box::pin(async move { $body }))
            .await
    };
}

pub(crate) use {in_tx, on_each_database, on_each_lasting_database, on_lasting_databases};
