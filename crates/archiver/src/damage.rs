//! A damaged file in the way of a run: which one it is, so that the run's error says it. Care for files
//! outside runs is in `upkeep`.
//!
//! A run reads older files when it confirms, for rows that its own took the place of. What it cannot read it
//! does not pass over: the file may be whole again one day, and would then hold a document twice.

use crate::ArchiverError;
use crate::scene::{Scene, TableOf};
use crate::steps::confirm;
use crate::upkeep::quarantine;
use crate::worker::Shared;

/// The error of a run, with the damaged file named that stopped it, if it was one. Tables are read for it
/// once for an error, and not again while runs end with the same.
pub(crate) async fn named(
    shared: &Shared,
    scene: &Scene,
    last_error: Option<&str>,
    error: ArchiverError,
) -> ArchiverError {
    // Before, it reads files of its own alone, which are not worth looking through all others for.
    if scene.run.phase != confirm::PHASE || !error.tells_of_damage() {
        return error;
    }
    let anew = last_error != Some(error.to_string().as_str());
    for entry in &scene.tables {
        match Box::pin(find(shared, scene, entry, anew)).await {
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
