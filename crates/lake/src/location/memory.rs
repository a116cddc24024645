//! A location in the memory of this process, whose objects carry the time of the runtime that wrote them,
//! as those of a real store carry the store's own: ages are those of a test's clock.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use portolan_runtime::Runtime;

use crate::log::Histories;

/// What a location in memory holds.
#[derive(Debug, Default)]
pub(super) struct Memory {
    objects: InMemory,
    written_ms: Mutex<HashMap<Path, i64>>,
    /// Data files to write until one is altered on its way; 0: none is.
    until_spoiled: AtomicU64,
    /// Objects to write until there is no room for more; 0: there is room.
    until_full: AtomicU64,
    /// Nothing is removed.
    locked: AtomicBool,
    /// What the log entries of its tables say, where they are simulated.
    pub(super) histories: Option<Arc<Histories>>,
}

impl Memory {
    pub(super) fn simulating() -> Self {
        Self { histories: Some(Arc::default()), ..Self::default() }
    }

    /// As one process sees it.
    pub(super) fn store(self: &Arc<Self>, runtime: &Runtime) -> Stamped {
        Stamped { memory: Arc::clone(self), runtime: runtime.clone() }
    }

    pub(super) fn spoil(&self, nth: u64) {
        self.until_spoiled.store(nth, Ordering::Relaxed);
    }

    pub(super) fn set_room(&self, objects: Option<u64>) {
        self.until_full.store(objects.map_or(0, |objects| objects + 1), Ordering::Relaxed);
    }

    pub(super) fn lock(&self, locked: bool) {
        self.locked.store(locked, Ordering::Relaxed);
    }

    fn take_room(&self) -> Result<()> {
        let take = |left: u64| match left {
            0 => Some(0),
            1 => None,
            more => Some(more - 1),
        };
        let taken = self.until_full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| object_store::Error::Generic {
            store: "memory",
            source: "no space left on device".into(),
        })
    }

    /// The payload as it arrives.
    fn arriving(&self, location: &Path, payload: PutPayload) -> PutPayload {
        if !is_data_file(location) {
            return payload;
        }
        let count = |left: u64| left.checked_sub(1);
        match self.until_spoiled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) {
            Ok(1) => altered(payload),
            _ => payload,
        }
    }

    fn stamp(&self, path: Path, now_ms: i64) {
        self.written_ms.lock().unwrap_or_else(PoisonError::into_inner).insert(path, now_ms);
    }

    fn stamped(&self, meta: ObjectMeta) -> ObjectMeta {
        let written_ms = self.written_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(&ms) = written_ms.get(&meta.location) else { return meta };
        let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        ObjectMeta { last_modified: (UNIX_EPOCH + since).into(), ..meta }
    }
}

fn is_data_file(location: &Path) -> bool {
    !location.as_ref().contains("_delta_log")
        && location.filename().is_some_and(|name| !name.starts_with('_'))
}

fn refused(path: &Path) -> object_store::Error {
    let (path, source) = (path.to_string(), "the object is locked".into());
    object_store::Error::PermissionDenied { path, source }
}

/// With one bit in the middle turned.
fn altered(payload: PutPayload) -> PutPayload {
    let mut bytes: Vec<u8> = payload.iter().flat_map(|part| part.iter().copied()).collect();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes.into()
}

/// The store of one process.
pub(super) struct Stamped {
    memory: Arc<Memory>,
    runtime: Runtime,
}

impl fmt::Debug for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamped")
    }
}

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamped")
    }
}

#[async_trait]
impl ObjectStore for Stamped {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.memory.take_room()?;
        let payload = self.memory.arriving(location, payload);
        let put = self.memory.objects.put_opts(location, payload, options).await?;
        self.memory.stamp(location.clone(), self.runtime.now_ms());
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.memory.take_room()?;
        self.memory.stamp(location.clone(), self.runtime.now_ms());
        self.memory.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.memory.objects.get_opts(location, options).await?;
        got.meta = self.memory.stamped(got.meta);
        Ok(got)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        if self.memory.locked.load(Ordering::Relaxed) {
            return locations.and_then(|path| async move { Err(refused(&path)) }).boxed();
        }
        self.memory.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let memory = Arc::clone(&self.memory);
        self.memory.objects.list(prefix).map_ok(move |meta| memory.stamped(meta)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.memory.objects.list_with_delimiter(prefix).await?;
        listed.objects = listed.objects.into_iter().map(|meta| self.memory.stamped(meta)).collect();
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.objects.copy_opts(from, to, options).await?;
        self.memory.stamp(to.clone(), self.runtime.now_ms());
        Ok(())
    }
}
