//! Clean-up: objects that no version names any more.
//!
//! An object goes only if no version of the last day names it, its epoch is below the fence, it is
//! older than the grace time by the store's own clock, and no hold stands. Who calls this has raised
//! the fence first, so that nobody older can still commit what is removed here. Only names that this
//! program gives are ever touched.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::{LakeError, Table, Version};

/// Versions of this time are kept whole: queries live at most six hours.
const VERSIONS_KEPT_MS: i64 = 24 * 3_600_000;

/// How long objects that no version names stay, and for how long versions count, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grace {
    pub(crate) objects_ms: i64,
    pub(crate) versions_ms: i64,
}

/// Objects removed before the table is looked at again.
const AT_ONCE: usize = 1_000;
/// Such groups in one call; the next clean-up goes on.
const ROUNDS_MAX: usize = 1_000;

/// An object that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Path relative to the table.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
}

/// What a clean-up removed, or would remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Leftovers {
    /// The sum over objects.
    #[must_use]
    pub fn of(objects: &[Leftover]) -> Self {
        let bytes = objects.iter().map(|object| object.size_bytes).sum();
        Self { objects: objects.len() as u64, bytes }
    }
}

impl Table {
    /// Data objects that nothing needs as of `store_now_ms` on the store's own clock. Empty under a
    /// hold, and when another engine changed the table.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn leftovers(
        &self,
        version: &Version,
        store_now_ms: i64,
        grace_ms: i64,
    ) -> Result<Vec<Leftover>, LakeError> {
        let grace = Grace { objects_ms: grace_ms, versions_ms: VERSIONS_KEPT_MS };
        self.unneeded(version, store_now_ms, grace).await
    }

    async fn unneeded(
        &self,
        version: &Version,
        store_now_ms: i64,
        grace: Grace,
    ) -> Result<Vec<Leftover>, LakeError> {
        if version.spec.rules.hold.is_some() || version.foreign.is_some() {
            return Ok(Vec::new());
        }
        let objects: Vec<ObjectMeta> = self.objects().list(None).try_collect().await?;
        let old = |meta: &ObjectMeta, age_ms: i64| {
            meta.last_modified.timestamp_millis() <= store_now_ms.saturating_sub(age_ms)
        };
        let named =
            self.named_lately(version, &objects, |meta| old(meta, grace.versions_ms)).await?;
        let candidates = objects.iter().filter(|meta| {
            let path = meta.location.as_ref();
            epoch_of(path).is_some_and(|epoch| epoch < version.fence)
                && old(meta, grace.objects_ms)
                && !named.contains(path)
        });
        Ok(candidates
            .map(|meta| Leftover { path: meta.location.to_string(), size_bytes: meta.size })
            .collect())
    }

    /// Every file that the newest version names, or that one of the last day named: those are the
    /// newest one's files and whatever a recent entry added or removed.
    async fn named_lately(
        &self,
        version: &Version,
        objects: &[ObjectMeta],
        is_old: impl Fn(&ObjectMeta) -> bool,
    ) -> Result<HashSet<String>, LakeError> {
        let mut named: HashSet<String> =
            version.files.iter().map(|file| file.path.clone()).collect();
        for meta in objects.iter().filter(|meta| !is_old(meta)) {
            if let Some(number) = entry_number(meta.location.as_ref()) {
                named.extend(self.log().files_of_entry(number).await?);
            }
        }
        Ok(named)
    }

    /// Removes what nothing needs, under the fence that `token` raised.
    ///
    /// # Errors
    /// [`LakeError::Fenced`] when the fence is not ours any more, [`LakeError::Held`] when a hold was
    /// placed meanwhile; storage errors. What was removed stays removed.
    pub async fn remove_leftovers(
        &self,
        under: (i64, &str),
        store_now_ms: i64,
        grace_ms: i64,
    ) -> Result<Leftovers, LakeError> {
        let grace = Grace { objects_ms: grace_ms, versions_ms: VERSIONS_KEPT_MS };
        self.remove_unneeded(under, store_now_ms, grace).await
    }

    pub(crate) async fn remove_unneeded(
        &self,
        (epoch, token): (i64, &str),
        store_now_ms: i64,
        grace: Grace,
    ) -> Result<Leftovers, LakeError> {
        let mut removed = Leftovers::default();
        for _ in 0..ROUNDS_MAX {
            let version = self.load().await?;
            let fence = version.fence;
            if fence != epoch || version.fence_token.as_deref() != Some(token) {
                return Err(LakeError::Fenced { fence, epoch });
            }
            if let Some(hold) = &version.spec.rules.hold {
                return Err(LakeError::Held(hold.reason.clone()));
            }
            let mut found = self.unneeded(&version, store_now_ms, grace).await?;
            found.truncate(AT_ONCE);
            if found.is_empty() {
                return Ok(removed);
            }
            let paths = found.iter().map(|object| object.path.as_str());
            delete_objects(self.objects(), paths).await?;
            let sum = Leftovers::of(&found);
            removed.objects += sum.objects;
            removed.bytes += sum.bytes;
        }
        Ok(removed)
    }
}

/// Removes objects; one that is gone already is no error.
pub(crate) async fn delete_objects(
    objects: &Arc<dyn ObjectStore>,
    paths: impl Iterator<Item = &str>,
) -> Result<(), LakeError> {
    let paths: Vec<_> = paths.map(|path| Ok(Path::from(path))).collect();
    let mut removed = objects.delete_stream(futures::stream::iter(paths).boxed());
    while let Some(result) = removed.next().await {
        match result {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The epoch in the name of a data file, `part-<move>-<epoch>-<random>.parquet`; `None` for any other
/// name.
fn epoch_of(path: &str) -> Option<i64> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !(folder.is_empty() || (folder.starts_with("month=") && !folder.contains('/'))) {
        return None;
    }
    let stem = name.strip_prefix("part-")?.strip_suffix(".parquet")?;
    let mut parts = stem.split('-');
    let (seq, epoch, random) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = parts.next().is_none()
        && seq.parse::<i64>().is_ok()
        && random.len() == 16
        && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    if ours { epoch.parse().ok() } else { None }
}

/// The version of a log entry.
pub(crate) fn entry_number(path: &str) -> Option<u64> {
    let name = path.strip_prefix("_delta_log/")?.strip_suffix(".json")?;
    if name.len() == 20 { name.parse().ok() } else { None }
}

/// The version of a checkpoint in one file.
pub(crate) fn checkpoint_number(path: &str) -> Option<u64> {
    let name = path.strip_prefix("_delta_log/")?.strip_suffix(".checkpoint.parquet")?;
    if name.len() == 20 { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
