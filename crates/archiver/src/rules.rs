//! Hold and expiration rule of an archive, in its table: written there before a change of them is
//! acknowledged; and how the archive is defined, for the case that only the table is left. The control database has them first, so its copy is never the older one unless it
//! was restored; then nothing is removed until the operator decides.

use portolan_lake::{Change, Table, Version};
use portolan_model::{ArchiveDefinition, ArchiveId, SuspendReason};
use portolan_store::archives::StoredArchive;

use crate::steps::commit::change_under;
use crate::worker::Shared;
use crate::{ArchiverError, effects};

/// Brings the table's copy of rules and definition up to the journal's.
///
/// # Errors
/// [`ArchiverError::Suspended`] when the table's copy is the newer one.
pub(crate) async fn align(
    shared: &Shared,
    stored: &StoredArchive,
    table: &Table,
    version: &Version,
) -> Result<(), ArchiverError> {
    let (ours, theirs) = (stored.rules_version, version.spec.rules.version);
    if theirs > ours {
        let detail = format!("the table knows rules version {theirs}, the control database {ours}");
        let reason = SuspendReason::JournalOlder;
        return Err(ArchiverError::suspended(stored.archive.id, reason, detail));
    }
    if theirs < ours {
        let change = Change::Rules(stored.rules());
        change_under(None, &shared.runtime, table, effects::RULES, &change).await?;
    }
    let definition = ArchiveDefinition::of(&stored.archive);
    if version.spec.definition.as_ref() != Some(&definition) {
        let change = Change::Define(definition);
        change_under(None, &shared.runtime, table, effects::DEFINE, &change).await?;
    }
    Ok(())
}

/// Writes the rules of an archive, as the control database has them now, into its table. An archive
/// without a table gets them when the table is made.
pub(crate) async fn write(shared: &Shared, id: ArchiveId) -> Result<(), ArchiverError> {
    let Some(stored) = shared.journal.archive(id).await? else { return Ok(()) };
    let uri = &stored.archive.table_uri;
    let location = shared.outside.location(uri)?;
    let Some(table) = Table::open(&location, uri, &shared.runtime).await? else { return Ok(()) };
    let version = table.load().await?;
    align(shared, &stored, &table, &version).await
}
