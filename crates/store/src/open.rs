//! Opening the database and keeping its connections.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use portolan_runtime::Runtime;
use portolan_security::KeyRing;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection as _};

use crate::connection::{Connection, DriverError};
use crate::error::{Phase, classify};
use crate::in_memory::Database;
use crate::memory::{Memory, Tables};
use crate::transactions::Kind;
use crate::writers::Writers;
use crate::{Dialect, StoreError, catalog, migrate};

const SQLITE_CONNECTIONS_MAX: u32 = 8;
const POSTGRES_CONNECTIONS_MAX: u32 = 16;

/// How long a transaction waits for a connection, new ones included.
const CONNECTION_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// SQLite as a durable store: a log beside the file, synced at each commit.
/// The log is folded into the file when it has so many pages of 4 KiB: who commits then waits for it, so
/// it is done more seldom than SQLite would by itself.
const SQLITE_PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000;";
/// The same, but a commit does not wait for the disk: the next one of another connection, which syncs the
/// log as a whole, makes it durable.
const SQLITE_PRAGMAS_LIGHT: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0;";

/// Reads the master keys again; `None` when they cannot be read.
pub type KeySource = Box<dyn Fn() -> Option<KeyRing> + Send + Sync>;

/// The control state. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    home: Home,
    dialect: Dialect,
    keys: RwLock<Arc<KeyRing>>,
    key_source: OnceLock<KeySource>,
    runtime: Runtime,
    memory: OnceLock<Arc<Memory>>,
}

/// Where connections come from.
#[derive(Clone)]
enum Home {
    /// A server.
    Server(AnyPool),
    /// A file, with the queue for the one writer that SQLite allows, and its connection for light commits.
    File { pool: AnyPool, light: AnyPool, writers: Writers },
    /// Memory.
    Memory(Database),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dialect", &self.inner.dialect).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `sqlite:PATH` (made when absent, readable by its owner alone) or `postgres://…`, and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::InvalidUrl`], [`StoreError::NewerDatabase`], [`StoreError::Retry`] when the
    /// database cannot be reached.
    pub async fn open(url: &str, keys: KeyRing, runtime: Runtime) -> Result<Self, StoreError> {
        let store = Self::connect(url, keys, runtime).await?;
        migrate::run(&store).await?;
        Ok(store)
    }

    /// Opens a database whose schema must be this program's already; changes nothing.
    ///
    /// # Errors
    /// [`StoreError::OlderDatabase`], [`StoreError::NewerDatabase`] and as [`Store::open`].
    pub async fn open_as_is(
        url: &str,
        keys: KeyRing,
        runtime: Runtime,
    ) -> Result<Self, StoreError> {
        if version_of(url, &runtime).await?.is_none() {
            return Err(StoreError::OlderDatabase { found: 0, known: migrate::newest() });
        }
        let store = Self::connect(url, keys, runtime).await?;
        store
            .read_tx("store.history", |tx| Box::pin(migrate::current_history(tx)))
            .await
            .map(|_| store)
    }

    /// Opens a database and leaves its schema alone.
    pub(crate) async fn connect(
        url: &str,
        keys: KeyRing,
        runtime: Runtime,
    ) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of_url(url)?;
        let options = match dialect {
            Dialect::Sqlite => sqlite_options(&sqlite_path(url)?)?,
            Dialect::Postgres => parse_options(url)?,
        };
        let options = options.disable_statement_logging();
        let failed = |error: sqlx::Error| classify(error, dialect, "store.open", Phase::Work);
        // The pool tries until its time is up and tells no reason; the first connection does.
        probe(dialect, &options).await.map_err(failed)?;
        let light = pool_options(dialect, SQLITE_PRAGMAS_LIGHT).max_connections(1);
        let light = light.connect_lazy_with(options.clone());
        let pool = pool_options(dialect, SQLITE_PRAGMAS).connect_with(options).await;
        let pool = pool.map_err(failed)?;
        let home = match dialect {
            Dialect::Sqlite => Home::File { pool, light, writers: Writers::default() },
            Dialect::Postgres => Home::Server(pool),
        };
        Ok(Self::at(home, dialect, Arc::new(keys), runtime))
    }

    /// An empty control state in SQLite in the memory of this process, gone with its last [`Store`]. Its
    /// transactions run one after the other: one that waits for another of its own task waits for ever.
    ///
    /// # Errors
    /// The database's.
    pub async fn in_memory(keys: KeyRing, runtime: Runtime) -> Result<Self, StoreError> {
        let failed =
            |error: rusqlite::Error| classify(error, Dialect::Sqlite, "store.open", Phase::Work);
        let (keys, dialect) = (Arc::new(keys), Dialect::Sqlite);
        if let Some(database) = Database::newest().map_err(failed)? {
            return Ok(Self::at(Home::Memory(database), dialect, keys, runtime));
        }
        let database = Database::empty().map_err(failed)?;
        let store = Self::at(Home::Memory(database.clone()), dialect, keys, runtime);
        migrate::run(&store).await?;
        database.keep_as_newest().await.map_err(failed)?;
        Ok(store)
    }

    fn at(home: Home, dialect: Dialect, keys: Arc<KeyRing>, runtime: Runtime) -> Self {
        let (keys, key_source, memory) = (RwLock::new(keys), OnceLock::new(), OnceLock::new());
        let inner = Inner { home, dialect, keys, key_source, runtime, memory };
        Self { inner: Arc::new(inner) }
    }

    /// The same database for another runtime, which has a clock or faults of its own: simulated
    /// processes share one database and die one by one. Closing one store closes all.
    #[must_use]
    pub fn with_runtime(&self, runtime: Runtime) -> Self {
        Self::at(self.inner.home.clone(), self.dialect(), self.keys(), runtime)
    }

    /// Remembers what was read from a SQLite file until it changes. For a process that alone writes to
    /// it; on PostgreSQL, where others do, nothing is remembered.
    ///
    /// # Errors
    /// The database's.
    pub async fn remember_reads(&self) -> Result<(), StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(());
        }
        let found = self.read_tx("store.tables", |tx| Box::pin(catalog::names_and_references(tx)));
        let (names, references) = found.await?;
        if names.len() <= crate::memory::TABLES_MAX {
            // A store gets one memory, at start.
            self.inner.memory.set(Arc::new(Memory::new(Tables::new(names, &references)))).ok();
        }
        Ok(())
    }

    /// Opens a SQLite file.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_file(
        path: &Path,
        keys: KeyRing,
        runtime: Runtime,
    ) -> Result<Self, StoreError> {
        Self::open(&sqlite_url(path)?, keys, runtime).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Retry`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let failed = |error| classify(error, self.dialect(), "store.ping", Phase::Work);
        let mut connection = self.acquire(Kind::Read).await.map_err(failed)?;
        connection.run("SELECT 1").await.map_err(failed)
    }

    /// Closes all connections; SQLite folds its log into the file.
    pub async fn close(&self) {
        match &self.inner.home {
            Home::Server(pool) => pool.close().await,
            Home::File { pool, light, .. } => {
                light.close().await;
                pool.close().await;
            }
            Home::Memory(_) => {}
        }
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Time, randomness and ids.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// Says where the master keys are read again when a secret was sealed under one that is not known
    /// here: somebody changed the master key while this process ran.
    pub fn set_key_source(&self, source: KeySource) {
        // A store gets one source, at start.
        self.inner.key_source.set(source).ok();
    }

    /// Takes the master keys from their source; whether there is one and it answered.
    pub fn read_keys_again(&self) -> bool {
        let Some(keys) = self.inner.key_source.get().and_then(|source| source()) else {
            return false;
        };
        *self.inner.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        // Who changed the keys seals the secrets anew.
        if let Some(memory) = self.memory() {
            memory.forget();
        }
        true
    }

    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection for a transaction; for a light one where there is such, that whose commits do not
    /// wait for the disk.
    pub(crate) async fn acquire(&self, kind: Kind) -> Result<Connection, DriverError> {
        let pool = match &self.inner.home {
            Home::Memory(database) => return Ok(Connection::InMemory(database.acquire().await)),
            Home::File { light, .. } if kind == Kind::Light => light,
            Home::Server(pool) | Home::File { pool, .. } => pool,
        };
        Ok(Connection::Pooled(pool.acquire().await?))
    }

    pub(crate) fn writers(&self) -> Option<&Writers> {
        match &self.inner.home {
            Home::File { writers, .. } => Some(writers),
            Home::Server(_) | Home::Memory(_) => None,
        }
    }

    pub(crate) fn memory(&self) -> Option<&Arc<Memory>> {
        self.inner.memory.get()
    }
}

/// The version of a database's schema; `None` when it has none, or is not there yet. Changes nothing.
///
/// # Errors
/// [`StoreError::InvalidUrl`], and [`StoreError::Retry`] when the database cannot be reached.
pub async fn version_of(url: &str, runtime: &Runtime) -> Result<Option<i64>, StoreError> {
    if Dialect::of_url(url)? == Dialect::Sqlite && !sqlite_path(url)?.exists() {
        return Ok(None);
    }
    // No secret is read on the way.
    let store = Store::connect(url, KeyRing::new(&[0; 32], &[]), runtime.clone()).await?;
    let version = store.read_tx("store.version", |tx| Box::pin(migrate::version(tx))).await;
    store.close().await;
    version
}

async fn probe(dialect: Dialect, options: &AnyConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    if dialect == Dialect::Sqlite {
        sqlx::raw_sql(SQLITE_PRAGMAS).execute(&mut connection).await?;
    }
    connection.close().await
}

fn pool_options(dialect: Dialect, pragmas: &'static str) -> AnyPoolOptions {
    let options = AnyPoolOptions::new().acquire_timeout(CONNECTION_WAIT);
    match dialect {
        Dialect::Postgres => options.max_connections(POSTGRES_CONNECTIONS_MAX),
        Dialect::Sqlite => options
            .max_connections(SQLITE_CONNECTIONS_MAX)
            .test_before_acquire(false)
            .after_connect(move |connection: &mut AnyConnection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(pragmas).execute(connection).await?;
                    Ok(())
                })
            }),
    }
}

/// Never repeats the address in the error: it may hold a password.
fn parse_options(url: &str) -> Result<AnyConnectOptions, StoreError> {
    url.parse().map_err(|_| StoreError::InvalidUrl { reason: "it is not a valid URL".to_owned() })
}

fn sqlite_path(url: &str) -> Result<PathBuf, StoreError> {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
        let reason = "sqlite: must be followed by the path of a file, without options";
        return Err(StoreError::InvalidUrl { reason: reason.to_owned() });
    }
    percent_decode(path).map(PathBuf::from).ok_or_else(|| StoreError::InvalidUrl {
        reason: "the path of the SQLite file is not percent-encoded UTF-8".to_owned(),
    })
}

fn sqlite_options(path: &Path) -> Result<AnyConnectOptions, StoreError> {
    let made = create_private(path);
    made.map_err(|error| StoreError::InvalidUrl {
        reason: format!("{} cannot be made: {error}", path.display()),
    })?;
    parse_options(&sqlite_url(path)?)
}

/// Makes the file before SQLite does, so that nobody else can read it; its companions inherit that.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn sqlite_url(path: &Path) -> Result<String, StoreError> {
    let invalid = |reason: String| StoreError::InvalidUrl { reason };
    let path = std::path::absolute(path).map_err(|error| invalid(error.to_string()))?;
    let text = path.to_str().ok_or_else(|| invalid("the path is not UTF-8".to_owned()))?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(url)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            bytes.push(*hex::decode(after.get(..2)?).ok()?.first()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
