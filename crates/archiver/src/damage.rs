//! A damaged file in the way of a run: which one it is, so that the run's error says it. Care for files
//! outside runs is in `upkeep`.
//!
//! A run reads older files for rows that its own took the place of. What it cannot read it does not pass
//! over: the file may be whole again one day, and would then hold a document twice.

use crate::ArchiverError;
use crate::scene::{Scene, TableOf};
use crate::upkeep::quarantine;
use crate::worker::Shared;

/// The error of a run, with the damaged file named that stopped it, if it was one. Tables are read for it
/// after the first failure of a row only; later ones know it from quarantine.
pub(crate) async fn named(
    shared: &Shared,
    scene: &Scene,
    failures: i64,
    error: ArchiverError,
) -> ArchiverError {
    if !error.tells_of_damage() {
        return error;
    }
    for entry in &scene.tables {
        match Box::pin(find(shared, scene, entry, failures == 0)).await {
            Ok(None) => {}
            Ok(Some(path)) => {
                tracing::warn!(archive = %entry.archive_id, path, %error, "a run needs a damaged file");
                return ArchiverError::Damaged { archive_id: entry.archive_id, path };
            }
            Err(why) => {
                tracing::warn!(archive = %entry.archive_id, %why, "damaged files were not looked for");
                return error;
            }
        }
    }
    error
}

/// A damaged file of a table.
async fn find(
    shared: &Shared,
    scene: &Scene,
    TableOf { archive_id, table }: &TableOf,
    anew: bool,
) -> Result<Option<String>, ArchiverError> {
    let version = table.load().await?;
    let known = quarantine::of(shared, *archive_id, &version).await?;
    if let Some(path) = known.into_iter().min() {
        return Ok(Some(path));
    }
    for file in version.files.iter().filter(|_| anew) {
        scene.check()?;
        if quarantine::is_damaged(shared, (table, *archive_id), file).await? {
            return Ok(Some(file.path.clone()));
        }
    }
    Ok(None)
}
