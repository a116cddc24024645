//! Opening the file: made under another name and renamed when complete, locked against a second
//! process, and checked page by page before it is trusted.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use portolan_runtime::Runtime;
use redb::{Database, DatabaseError, StorageError};
use tokio::sync::watch;

use super::{
    CATALOG, LAYOUT, META, META_LAYOUT, META_LOG_START, META_TICK, SESSIONS, SIZES, Store,
    StoreOptions, definition, history::History, log, tick,
};
use crate::error::{Failure, SandboxError};

/// Where a store's bytes are.
pub(super) enum Medium {
    File,
    #[cfg(test)]
    Disk(super::Disk),
}

const FILE_NAME: &str = "cluster.redb";

impl Store {
    /// Opens the store in `folder`, making both if there is none.
    pub(crate) fn open(
        folder: &Path,
        options: StoreOptions,
        runtime: Runtime,
    ) -> Result<Self, SandboxError> {
        fs::create_dir_all(folder).map_err(|error| SandboxError::io(folder, error))?;
        let path = folder.join(FILE_NAME);
        if !path.try_exists().map_err(|error| SandboxError::io(&path, error))? {
            create(folder, &path, runtime.now_ms())?;
        }
        Self::open_medium(path, Medium::File, options, runtime)
    }

    /// Opens the store on a disk of a test, making it if there is none.
    #[cfg(test)]
    pub(crate) fn open_disk(
        disk: &super::Disk,
        options: StoreOptions,
        runtime: Runtime,
    ) -> Result<Self, SandboxError> {
        let path = PathBuf::from("disk");
        if disk.len_bytes() == 0 {
            let database = redb::Builder::new().create_with_backend(disk.clone());
            let database = database.map_err(|error| open_error(&path, error))?;
            write_layout(&database, runtime.now_ms())?;
        }
        Self::open_medium(path, Medium::Disk(disk.clone()), options, runtime)
    }

    fn open_medium(
        path: PathBuf,
        medium: Medium,
        options: StoreOptions,
        runtime: Runtime,
    ) -> Result<Self, SandboxError> {
        let database = open_checked(&path, &medium, options.cache_bytes)?;
        let newest = check_layout(&path, &database)?;
        prepare_log(&path, &database, newest)?;
        Ok(Self {
            path,
            medium,
            database: RwLock::new(Some(database)),
            options,
            tick: watch::Sender::new(newest),
            history: History::default(),
            runtime,
        })
    }

    /// Runs `work` with the open file, opening it again first if an I/O error had closed it.
    pub(super) fn with_database<R>(
        &self,
        work: impl FnOnce(&Database) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let database = self.database.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match database.as_ref() {
            Some(database) => work(database),
            None => Err(Failure::Storage(Box::new(redb::Error::DatabaseClosed))),
        }
    }

    /// After a failed commit: closes the file and opens it again, and returns the tick of the
    /// commit that is durable. redb refuses all work after an I/O error until that is done.
    pub(super) fn reopen(&self) -> Result<u64, SandboxError> {
        self.history.clear();
        let mut database = self.database.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(old) = database.take()
            && let Err(error) = old.close()
        {
            tracing::warn!(path = %self.path.display(), %error, "closing after a failed commit");
        }
        let opened = open_checked(&self.path, &self.medium, self.options.cache_bytes)?;
        let newest = check_layout(&self.path, &opened)?;
        *database = Some(opened);
        self.tick.send_replace(newest);
        Ok(newest)
    }
}

/// Makes the file complete under another name first: an empty or half-made file is never opened.
fn create(folder: &Path, path: &Path, now_ms: i64) -> Result<(), SandboxError> {
    let draft = draft_path(path);
    if let Err(error) = fs::remove_file(&draft)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(SandboxError::io(&draft, error));
    }
    let database = Database::create(&draft).map_err(|error| open_error(&draft, error))?;
    write_layout(&database, now_ms).map_err(SandboxError::from)?;
    database.close().map_err(|error| open_error(&draft, error))?;
    fs::rename(&draft, path).map_err(|error| SandboxError::io(path, error))?;
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| SandboxError::io(folder, error))
}

fn draft_path(path: &Path) -> PathBuf {
    path.with_extension("redb.new")
}

fn write_layout(database: &Database, now_ms: i64) -> Result<(), Failure> {
    let tx = database.begin_write()?;
    let first = tick::next(0, now_ms);
    {
        for name in [CATALOG, SIZES, SESSIONS] {
            tx.open_table(definition(name))?;
        }
        let mut meta = tx.open_table(definition(META))?;
        meta.insert(META_LAYOUT, LAYOUT.to_be_bytes().as_slice())?;
        meta.insert(META_TICK, first.to_be_bytes().as_slice())?;
    }
    log::prepare(&tx, first)?;
    tx.commit()?;
    Ok(())
}

fn open_checked(
    path: &Path,
    medium: &Medium,
    cache_bytes: usize,
) -> Result<Database, SandboxError> {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(cache_bytes).set_check_integrity_on_open(true);
    // On some damage redb's checks panic instead of returning an error.
    let open = || match medium {
        Medium::File => open_file(&builder, path),
        #[cfg(test)]
        Medium::Disk(disk) => {
            let opened = builder.create_with_backend(disk.clone());
            opened.map_err(|error| open_error(path, error))
        }
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened,
        Err(_) => Err(damaged(path, "its pages do not fit together")),
    }
}

fn open_file(builder: &redb::Builder, path: &Path) -> Result<Database, SandboxError> {
    let length = fs::metadata(path).map_err(|error| SandboxError::io(path, error))?.len();
    if length == 0 {
        // redb would take an empty file for a new database.
        return Err(damaged(path, "the file is empty"));
    }
    builder.open(path).map_err(|error| open_error(path, error))
}

fn damaged(path: &Path, reason: impl Into<String>) -> SandboxError {
    SandboxError::Damaged { path: path.to_owned(), reason: reason.into() }
}

fn open_error(path: &Path, error: DatabaseError) -> SandboxError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        DatabaseError::DatabaseAlreadyOpen => SandboxError::InUse { path: path.to_owned() },
        DatabaseError::Storage(StorageError::Corrupted(reason)) => damaged(path, reason),
        DatabaseError::Storage(StorageError::Io(io))
            if matches!(io.kind(), InvalidData | UnexpectedEof) =>
        {
            damaged(path, io.to_string())
        }
        DatabaseError::Storage(StorageError::Io(io)) => SandboxError::io(path, io),
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => {
            damaged(path, error.to_string())
        }
        other => SandboxError::Storage(other.to_string()),
    }
}

/// A file from before there was a change log gets one that begins now.
fn prepare_log(path: &Path, database: &Database, newest: u64) -> Result<(), SandboxError> {
    let prepare = || -> Result<(), Failure> {
        use redb::ReadableDatabase;
        let meta = database.begin_read()?.open_table(definition(META))?;
        if meta.get(META_LOG_START)?.is_some() {
            return Ok(());
        }
        let tx = database.begin_write()?;
        log::prepare(&tx, newest)?;
        tx.commit()?;
        Ok(())
    };
    match prepare() {
        Err(Failure::Storage(error)) => Err(damaged(path, error.to_string())),
        done => Ok(done?),
    }
}

/// Refuses another layout; returns the tick of the newest commit.
fn check_layout(path: &Path, database: &Database) -> Result<u64, SandboxError> {
    let read = || -> Result<(u64, u64), Failure> {
        use redb::ReadableDatabase;
        let meta = database.begin_read()?.open_table(definition(META))?;
        let number = |key: &[u8]| -> Result<u64, Failure> {
            let bytes = meta.get(key)?;
            Ok(bytes.and_then(|bytes| bytes.value().try_into().ok()).map_or(0, u64::from_be_bytes))
        };
        Ok((number(META_LAYOUT)?, number(META_TICK)?))
    };
    let (found, newest) = match read() {
        Ok(numbers) => numbers,
        Err(Failure::Storage(error)) => return Err(damaged(path, error.to_string())),
        Err(failure) => return Err(failure.into()),
    };
    if found != LAYOUT {
        return Err(SandboxError::Layout { path: path.to_owned(), found, expected: LAYOUT });
    }
    Ok(newest)
}
