//! Quarantine: a file that cannot be read, or is not what the log says, is noted and left alone, so that one
//! broken file does not end the care for all the others. Nothing is deleted on its account: it stays in the
//! table and in the storage until a verification finds it sound, an operator brings its object back, or the
//! archive is purged.

use std::collections::HashSet;

use portolan_lake::{DataFile, Table, Version};
use portolan_model::ArchiveId;

use crate::ArchiverError;
use crate::lease::Held;
use crate::worker::Shared;

/// A version without the files that are left alone.
pub(crate) fn without(version: &Version, quarantined: &HashSet<String>) -> Version {
    let sound = version.files.iter().filter(|file| !quarantined.contains(&file.path));
    Version { files: sound.cloned().collect(), ..version.clone() }
}

/// The files of an archive that are left alone. Those that left the table are forgotten.
pub(crate) async fn of(
    shared: &Shared,
    id: ArchiveId,
    version: &Version,
) -> Result<HashSet<String>, ArchiverError> {
    let noted = shared.journal.quarantined(id).await?;
    let (there, gone): (Vec<String>, Vec<String>) = noted
        .into_iter()
        .map(|file| file.path)
        .partition(|path| version.files.iter().any(|file| file.path == *path));
    for path in gone {
        shared.journal.forget_quarantined(id, &path).await?;
    }
    Ok(there.into_iter().collect())
}

/// Writing these files again did not go well: finds out which of them are to blame, and puts them into
/// quarantine.
///
/// # Errors
/// The error itself, when none of them is.
pub(super) async fn blame(
    shared: &Shared,
    held: &Held,
    (table, id): (&Table, ArchiveId),
    files: &[DataFile],
    error: ArchiverError,
) -> Result<(), ArchiverError> {
    if !error.tells_of_damage() {
        return Err(error);
    }
    let mut found = false;
    for file in files {
        held.check()?;
        found |= is_damaged(shared, (table, id), file).await?;
    }
    if found { Ok(()) } else { Err(error) }
}

/// Reads a file back; one that is not sound goes into quarantine.
pub(crate) async fn is_damaged(
    shared: &Shared,
    (table, id): (&Table, ArchiveId),
    file: &DataFile,
) -> Result<bool, ArchiverError> {
    let Some(problem) = table.audit_file(file).await?.problem else { return Ok(false) };
    shared.journal.quarantine(id, &file.path, &problem.to_string()).await?;
    Ok(true)
}
