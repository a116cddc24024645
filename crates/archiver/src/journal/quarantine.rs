//! The journal of files that are not sound.

use portolan_model::ArchiveId;
use portolan_store::archives::work::{self, ArchiveAlert};
use portolan_store::quarantine::{self, Quarantined};

use super::Journal;
use crate::{ArchiverError, effects};

impl Journal {
    /// The files of an archive in quarantine.
    pub(crate) async fn quarantined(
        &self,
        id: ArchiveId,
    ) -> Result<Vec<Quarantined>, ArchiverError> {
        self.store
            .read_tx("archiver.quarantined", |tx| {
                Box::pin(async move { Ok(quarantine::list(tx, id).await?) })
            })
            .await
    }

    /// How many files of all archives are in quarantine.
    pub(crate) async fn quarantined_everywhere(&self) -> Result<i64, ArchiverError> {
        self.store
            .read_tx("archiver.quarantined_everywhere", |tx| {
                Box::pin(async move { Ok(quarantine::count(tx, &self.system).await?) })
            })
            .await
    }

    /// Puts a file into quarantine, and tells it once.
    pub(crate) async fn quarantine(
        &self,
        id: ArchiveId,
        path: &str,
        problem: &str,
    ) -> Result<(), ArchiverError> {
        tracing::error!(archive = %id, path, problem, "a file is not sound and is left alone");
        self.store
            .run_tx(effects::QUARANTINE, |tx| {
                Box::pin(async move {
                    if quarantine::add(tx, id, path, problem).await? {
                        let alert = ArchiveAlert::FileQuarantined(path);
                        work::alert(tx, &self.system, id, alert).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Lets a file out of quarantine that was found sound.
    pub(crate) async fn end_quarantine(
        &self,
        id: ArchiveId,
        path: &str,
    ) -> Result<(), ArchiverError> {
        tracing::info!(archive = %id, path, "a file is sound again");
        self.store
            .run_tx(effects::QUARANTINE, |tx| {
                Box::pin(async move {
                    quarantine::remove(tx, id, path).await?;
                    Ok(work::alert(tx, &self.system, id, ArchiveAlert::FileSound(path)).await?)
                })
            })
            .await
    }

    /// Forgets a file in quarantine that left its table.
    pub(crate) async fn forget_quarantined(
        &self,
        id: ArchiveId,
        path: &str,
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::QUARANTINE, |tx| {
                Box::pin(async move { Ok(quarantine::remove(tx, id, path).await?) })
            })
            .await
    }
}
