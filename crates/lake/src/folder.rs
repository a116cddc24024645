//! A local folder as an object store that survives power loss.
//!
//! `object_store`'s own local backend never calls fsync, so an acknowledged commit may be gone
//! after a crash. Here a write goes to a temporary file, the file is synced, it gets its name by a
//! hard link (put-if-absent) or a rename (overwrite), and the folders that changed are synced.
//! Reading is left to `object_store`. Paths cannot leave the folder: its path type has no `..`.

mod syncs;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, UploadPart,
};
use portolan_runtime::Runtime;

pub(crate) use syncs::Syncs;

const NAME: &str = "DurableFolder";

/// A local folder that syncs what it writes.
pub(crate) struct DurableFolder {
    root: PathBuf,
    inner: LocalFileSystem,
    runtime: Runtime,
    syncs: Arc<Syncs>,
    /// Files get the runtime's time.
    stamps: bool,
}

impl DurableFolder {
    pub(crate) fn new(root: &FsPath, runtime: Runtime, syncs: Arc<Syncs>) -> Result<Self> {
        let inner = LocalFileSystem::new_with_prefix(root)?;
        Ok(Self { root: root.to_owned(), inner, runtime, syncs, stamps: false })
    }

    /// The same folder, whose files get the runtime's time.
    pub(crate) fn stamping(self) -> Self {
        Self { stamps: true, ..self }
    }

    /// The time that a file written now gets; `None`: that of the file system.
    fn stamp(&self) -> Option<SystemTime> {
        let now_ms = u64::try_from(self.runtime.now_ms()).unwrap_or(0);
        self.stamps.then(|| UNIX_EPOCH + Duration::from_millis(now_ms))
    }

    /// Makes an object that was found, not written by us, as durable as if we had written it.
    pub(crate) async fn settle(&self, location: &Path) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        let home = self.home();
        self.blocking(move || {
            home.syncs.sync_file(&File::open(&path)?, &path)?;
            home.sync_parents(&path)
        })
        .await
    }

    fn home(&self) -> Home {
        Home { root: self.root.clone(), syncs: Arc::clone(&self.syncs) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.runtime.spawn_blocking(work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(store_error(error)),
            Err(error) => Err(Error::Generic { store: NAME, source: error.into() }),
        }
    }

    /// Name of a temporary file beside `path`; listings leave out names that end in `#` and digits.
    fn staging_path(&self, path: &FsPath) -> PathBuf {
        let number = u64::from_le_bytes(self.runtime.random_bytes());
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        PathBuf::from(name)
    }

    async fn written(&self, location: &Path) -> Result<PutResult> {
        let meta = self.inner.head(location).await?;
        Ok(PutResult { e_tag: meta.e_tag, version: meta.version })
    }
}

fn store_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Error::AlreadyExists { path: error.to_string(), source: error.into() }
        }
        io::ErrorKind::NotFound => {
            Error::NotFound { path: error.to_string(), source: error.into() }
        }
        _ => Error::Generic { store: NAME, source: error.into() },
    }
}

/// Where a file is written, for work that takes its time elsewhere.
struct Home {
    root: PathBuf,
    syncs: Arc<Syncs>,
}

impl Home {
    /// Syncs the folders from that of `path` up to the root, so that new names in them last.
    fn sync_parents(&self, path: &FsPath) -> io::Result<()> {
        for folder in path.ancestors().skip(1) {
            self.syncs.sync_folder(folder)?;
            if folder == self.root {
                break;
            }
        }
        Ok(())
    }

    /// Gives a synced temporary file its name. The temporary name is gone afterwards, whatever
    /// happened.
    fn publish(&self, staging: &FsPath, path: &FsPath, create: bool) -> io::Result<()> {
        let named =
            if create { std::fs::hard_link(staging, path) } else { std::fs::rename(staging, path) };
        if create || named.is_err() {
            // Left behind it would be garbage under a name that no listing shows; never wrong data.
            let _ = std::fs::remove_file(staging);
        }
        named?;
        self.syncs.named(staging, path);
        self.sync_parents(path)
    }

    fn write_durably(
        &self,
        staging: &FsPath,
        path: &FsPath,
        payload: &PutPayload,
        (create, stamp): (bool, Option<SystemTime>),
    ) -> io::Result<()> {
        let mut file = create_staging(staging)?;
        let written = payload.iter().try_for_each(|part| file.write_all(part));
        let written = written.and_then(|()| stamp.map_or(Ok(()), |time| file.set_modified(time)));
        if let Err(error) = written.and_then(|()| self.syncs.sync_file(&file, staging)) {
            let _ = std::fs::remove_file(staging);
            return Err(error);
        }
        drop(file);
        self.publish(staging, path, create)
    }
}

/// Creates the staging file, and the folders above it where they are missing.
fn create_staging(staging: &FsPath) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(staging);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = staging.parent() {
                std::fs::create_dir_all(parent)?;
            }
            create()
        }
        result => result,
    }
}

impl fmt::Debug for DurableFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}({})", self.root.display())
    }
}

impl fmt::Display for DurableFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for DurableFolder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return Err(unsupported("put with PutMode::Update")),
        };
        let path = self.inner.path_to_filesystem(location)?;
        let (home, staging) = (self.home(), self.staging_path(&path));
        let how = (create, self.stamp());
        self.blocking(move || home.write_durably(&staging, &path, &payload, how)).await?;
        self.written(location).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let staging = self.staging_path(&path);
        let opened = staging.clone();
        let file = self.blocking(move || create_staging(&opened)).await?;
        Ok(Box::new(DurableUpload {
            home: Arc::new(self.home()),
            staging,
            path,
            file: Arc::new(file),
            length: 0,
            stamp: self.stamp(),
            runtime: self.runtime.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let payload = self.inner.get(from).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        self.put_opts(to, payload.into(), mode.into()).await?;
        Ok(())
    }
}

/// Readers of the log rely on names in order, as object stores list them.
fn sorted(list: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
    futures::stream::once(async move {
        let mut all: Vec<ObjectMeta> = list.try_collect().await?;
        all.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok::<_, Error>(futures::stream::iter(all.into_iter().map(Ok)))
    })
    .try_flatten()
    .boxed()
}

fn unsupported(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: NAME.to_owned() }
}

/// An upload in parts: they are written in place into one temporary file.
struct DurableUpload {
    home: Arc<Home>,
    staging: PathBuf,
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    stamp: Option<SystemTime>,
    runtime: Runtime,
}

impl fmt::Debug for DurableUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableUpload({})", self.path.display())
    }
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (file, runtime) = (Arc::clone(&self.file), self.runtime.clone());
        let mut offset = self.length;
        self.length += data.content_length() as u64;
        Box::pin(async move {
            let write = runtime.spawn_blocking(move || {
                data.iter().try_for_each(|part| {
                    let at = offset;
                    offset += part.len() as u64;
                    write_at(&file, part, at)
                })
            });
            flatten(write.await)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let file = Arc::clone(&self.file);
        let (home, staging) = (Arc::clone(&self.home), self.staging.clone());
        let (path, stamp) = (self.path.clone(), self.stamp);
        let done = self.runtime.spawn_blocking(move || {
            stamp.map_or(Ok(()), |time| file.set_modified(time))?;
            home.syncs.sync_file(&file, &staging)?;
            home.publish(&staging, &path, false)
        });
        flatten(done.await)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let staging = self.staging.clone();
        flatten(self.runtime.spawn_blocking(move || std::fs::remove_file(staging)).await)
    }
}

fn flatten<T>(joined: std::result::Result<io::Result<T>, tokio::task::JoinError>) -> Result<T> {
    match joined {
        Ok(result) => result.map_err(store_error),
        Err(error) => Err(Error::Generic { store: NAME, source: error.into() }),
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests;
