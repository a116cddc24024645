//! What all tests of the store share: the two databases.

use portolan_runtime::{FaultPlan, Runtime};
use portolan_security::KeyRing;

use crate::Store;

/// A store of its own, removed with it.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
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

impl TestStore {
    pub(crate) async fn sqlite(faults: FaultPlan) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("control.db").display());
        let store = Store::open(&url, keys(), runtime(faults)).await.expect("a new file opens");
        Self { store, url, _folder: Some(folder) }
    }

    /// `None` when no server was named.
    pub(crate) async fn postgres(faults: FaultPlan) -> Option<Self> {
        let server = std::env::var("PORTOLAN_TEST_POSTGRES_URL").ok()?;
        let name = format!("t_{}", u64::from_be_bytes(Runtime::system().random_bytes()));
        let url = make_database(&server, &name).await;
        let store = Store::open(&url, keys(), runtime(faults)).await.expect("a new one opens");
        Some(Self { store, url, _folder: None })
    }

    /// Closes the store and removes its database.
    pub(crate) async fn remove(self) {
        self.store.close().await;
        let Ok(server) = std::env::var("PORTOLAN_TEST_POSTGRES_URL") else { return };
        if let Some((_, name)) = self.url.rsplit_once("/t_") {
            administer(&server, format!("DROP DATABASE t_{name} WITH (FORCE)")).await;
        }
    }

    /// Every database there is.
    pub(crate) async fn each(faults: impl Fn() -> FaultPlan) -> Vec<Self> {
        let mut stores = vec![Self::sqlite(faults()).await];
        stores.extend(Self::postgres(faults()).await);
        stores
    }
}

/// A database without a schema. Left behind: its test opens it several times.
pub(crate) async fn fresh_postgres() -> String {
    let server = std::env::var("PORTOLAN_TEST_POSTGRES_URL").expect("a PostgreSQL server");
    let name = format!("t_{}", u64::from_be_bytes(Runtime::system().random_bytes()));
    make_database(&server, &name).await
}

/// Replaces the last part of the server's address by a new database.
async fn make_database(server: &str, name: &str) -> String {
    administer(server, format!("CREATE DATABASE {name}")).await;
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    format!("{base}/{name}")
}

async fn administer(server: &str, sql: String) {
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(server).await.expect("the PostgreSQL server answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.expect("it may do that");
    pool.close().await;
}

/// Declares tests that take a [`TestStore`] and run once per database.
macro_rules! on_each_database {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident) $body:block)*) => {$(
        $(#[$meta])*
        #[tokio::test]
        async fn $name() {
            let plan = portolan_runtime::FaultPlan::none;
            for $store in $crate::tests::TestStore::each(plan).await {
                let dialect = $store.dialect();
                println!("on {dialect:?}");
                $body
                $store.remove().await;
            }
        }
    )*};
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

pub(crate) use {in_tx, on_each_database};
