//! The care for a table's log: entries that no reader needs go, below a checkpoint that is as old as they
//! are, and a checkpoint is written where there is none to go below.
//!
//! Commits write a checkpoint now and then, which may fail, and a quiet table has too few of them. So one is
//! due when the last is too many versions ago, or a day old entry lies above it: what an entry says of
//! documents that have left the table is then gone about a day after its time.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::cleanup::{checkpoint_number, delete_objects, entry_number};
use crate::commit::CHECKPOINT_EVERY;
use crate::{LakeError, Table, Version};

/// An entry lies above the last checkpoint for so long at most.
const UNCOVERED_MS: i64 = 24 * 3_600_000;

/// What a table's log wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogCare {
    /// A checkpoint of the newest version.
    pub checkpoint: bool,
    /// Entries and checkpoints that may go.
    pub old: Vec<String>,
}

impl LogCare {
    /// Whether it wants nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.checkpoint && self.old.is_empty()
    }
}

impl Table {
    /// What the log wants as of `store_now_ms` on the store's own clock. Nothing under a hold, and when
    /// another engine changed the table.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn log_care(
        &self,
        version: &Version,
        store_now_ms: i64,
        keep_ms: i64,
    ) -> Result<LogCare, LakeError> {
        if version.spec.rules.hold.is_some() || version.foreign.is_some() {
            return Ok(LogCare::default());
        }
        let objects = self.log_objects().await?;
        let last =
            objects.iter().filter_map(|meta| checkpoint_number(meta.location.as_ref())).max();
        let is_above = |number: u64| last.is_none_or(|last| number > last);
        let entries = objects.iter().filter_map(|meta| {
            let number = entry_number(meta.location.as_ref())?;
            is_above(number).then_some(meta)
        });
        let above: Vec<&ObjectMeta> = entries.collect();
        let uncovered_ms = store_now_ms.saturating_sub(UNCOVERED_MS);
        let checkpoint = above.len() >= usize::try_from(CHECKPOINT_EVERY).unwrap_or(usize::MAX)
            || above.iter().any(|meta| meta.last_modified.timestamp_millis() <= uncovered_ms);
        Ok(LogCare { checkpoint, old: old(&objects, store_now_ms, keep_ms) })
    }

    /// Removes log entries and checkpoints that are older than `keep_ms` and below a checkpoint that
    /// is so, too: every version since then can still be loaded. How many objects went.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn trim_log(&self, store_now_ms: i64, keep_ms: i64) -> Result<u64, LakeError> {
        let gone = old(&self.log_objects().await?, store_now_ms, keep_ms);
        delete_objects(self.objects(), gone.iter().map(String::as_str)).await?;
        Ok(gone.len() as u64)
    }

    async fn log_objects(&self) -> Result<Vec<ObjectMeta>, LakeError> {
        let log = Path::from("_delta_log");
        Ok(self.objects().list(Some(&log)).try_collect().await?)
    }
}

/// What is older than `keep_ms` and below a checkpoint that is so, too.
fn old(objects: &[ObjectMeta], store_now_ms: i64, keep_ms: i64) -> Vec<String> {
    let until_ms = store_now_ms.saturating_sub(keep_ms);
    let is_old = |meta: &&ObjectMeta| meta.last_modified.timestamp_millis() <= until_ms;
    let checkpoints = objects.iter().filter(is_old).map(|meta| meta.location.as_ref());
    let Some(floor) = checkpoints.filter_map(checkpoint_number).max() else { return Vec::new() };
    let is_below = |meta: &&ObjectMeta| {
        let path = meta.location.as_ref();
        let number = entry_number(path).or_else(|| checkpoint_number(path));
        number.is_some_and(|number| number < floor)
    };
    let gone = objects.iter().filter(is_old).filter(is_below);
    gone.map(|meta| meta.location.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use portolan_runtime::{Fate, FaultPlan};

    use super::*;
    use crate::Change;
    use crate::tests::{Fixture, fence, spec, token};

    const DAY_MS: i64 = 86_400_000;

    async fn now_ms(table: &Table) -> i64 {
        let objects = table.log_objects().await.unwrap();
        objects.iter().map(|meta| meta.last_modified.timestamp_millis()).max().unwrap()
    }

    #[tokio::test]
    async fn a_quiet_table_gets_a_checkpoint_after_a_day_and_loses_its_old_entries() {
        let fixture = Fixture::new(spec()).await;
        let table = &fixture.table;
        table.commit(&fence(1)).await.unwrap();
        let version = table.load().await.unwrap();
        let now_ms = now_ms(table).await;
        let care = table.log_care(&version, now_ms, 30 * DAY_MS).await.unwrap();
        assert!(care.is_empty(), "{care:?}");
        let late = table.log_care(&version, now_ms + DAY_MS, 30 * DAY_MS).await.unwrap();
        assert_eq!((late.checkpoint, late.old.len()), (true, 0));
        table.checkpoint().await.unwrap();
        let covered = table.log_care(&version, now_ms + 2 * DAY_MS, 30 * DAY_MS).await.unwrap();
        assert!(covered.is_empty(), "{covered:?}");
        let much_later_ms = now_ms + 40 * DAY_MS;
        let old = table.log_care(&version, much_later_ms, 30 * DAY_MS).await.unwrap();
        assert_eq!((old.checkpoint, old.old.len()), (false, 1), "the entry below the checkpoint");
        assert_eq!(table.trim_log(much_later_ms, 30 * DAY_MS).await.unwrap(), 1);
        assert_eq!(table.load().await.unwrap().number, version.number);
    }

    #[tokio::test]
    async fn a_checkpoint_that_failed_is_wanted_until_it_is_there() {
        let fixture = Fixture::new(spec()).await;
        let faults = FaultPlan::none().with("lake.checkpoint", 1, Fate::FailsBefore);
        let table = fixture.with_faults(faults).await;
        for epoch in 1..=20 {
            table.commit(&Change::Fence { epoch, token: token(epoch) }).await.unwrap();
        }
        let version = table.load().await.unwrap();
        let now_ms = now_ms(&table).await;
        assert!(table.log_care(&version, now_ms, DAY_MS).await.unwrap().checkpoint);
        table.checkpoint().await.unwrap();
        assert!(table.log_care(&version, now_ms, DAY_MS).await.unwrap().is_empty());
    }
}
