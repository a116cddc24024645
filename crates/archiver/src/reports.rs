//! What can be told about an archive without changing anything: what would expire, what there is.

use std::collections::HashSet;

use portolan_lake::{Table, Version};
use portolan_model::{ArchiveId, ArchiveStatistics, ExpiryPreview, ExpiryRule};
use portolan_store::archives::StoredArchive;

use crate::ArchiverError;
use crate::upkeep::{LEAD_MS, cut, without_quarantined};
use crate::worker::Shared;

/// What would expire now, or as soon as the rule takes effect: the archive's own, or one of `days`.
pub(crate) async fn preview_expiry(
    shared: &Shared,
    id: ArchiveId,
    days: Option<i32>,
) -> Result<ExpiryPreview, ArchiverError> {
    let (stored, table) = open(shared, id).await?;
    let now_ms = shared.runtime.now_ms();
    let own = stored.rules().expiry;
    let rule =
        days.map(|expire_after_days| ExpiryRule { expire_after_days, set_at: now_ms }).or(own);
    let mut preview = ExpiryPreview {
        rule,
        takes_effect_at: rule.map(|rule| rule.set_at.saturating_add(LEAD_MS)),
        hold: stored.hold.clone(),
        ..ExpiryPreview::default()
    };
    let (Some(rule), Some((table, version))) = (rule, table) else { return Ok(preview) };
    let at_ms = now_ms.max(rule.set_at.saturating_add(LEAD_MS));
    let mut rules = stored.rules();
    (rules.expiry, rules.hold) = (Some(rule), None);
    let Some(cut) = cut(&rules, at_ms) else { return Ok(preview) };
    let quarantined = shared.journal.quarantined(id).await?;
    let quarantined = quarantined.into_iter().map(|file| file.path).collect();
    let version = without_quarantined(&version, &quarantined);
    let plan = table.expiry_plan(&version, &cut);
    preview.expired_until = Some(cut.expired_until_ms);
    preview.documents = table.count_expired(&version, &plan, &cut).await?;
    preview.files_removed = plan.whole.len() as u64;
    preview.files_rewritten = plan.mixed.len() as u64;
    preview.bytes_removed = plan.whole.iter().map(|file| file.size_bytes).sum();
    preview.hold = preview.hold.or(version.spec.rules.hold);
    Ok(preview)
}

/// What an archive holds, from its table's log alone.
pub(crate) async fn statistics(
    shared: &Shared,
    id: ArchiveId,
) -> Result<ArchiveStatistics, ArchiverError> {
    let (_, table) = open(shared, id).await?;
    let Some((table, version)) = table else { return Ok(ArchiveStatistics::default()) };
    let quarantined = shared.journal.quarantined(id).await?.len() as u64;
    let files = &version.files;
    let partitions: HashSet<_> = files.iter().map(|file| file.month.as_deref()).collect();
    let dates = || files.iter().filter_map(|file| table.dates(file));
    let undated = files.iter().filter(|file| table.dates(file).is_none());
    Ok(ArchiveStatistics {
        version: Some(version.number),
        documents: files.iter().map(|file| file.rows).sum(),
        bytes_raw: files.iter().map(|file| file.bytes_raw).sum(),
        bytes_stored: files.iter().map(|file| file.size_bytes).sum(),
        files: files.len() as u64,
        quarantined_files: quarantined,
        partitions: partitions.len() as u64,
        documents_without_date: undated.map(|file| file.rows).sum(),
        min_date: dates().map(|(first, _)| first).min(),
        max_date: dates().map(|(_, last)| last).max(),
        confirmed: version.confirmed,
        open_move: version.committed > version.confirmed,
    })
}

async fn open(
    shared: &Shared,
    id: ArchiveId,
) -> Result<(StoredArchive, Option<(Table, Version)>), ArchiverError> {
    let gone = || ArchiverError::Invalid("the archive is gone".to_owned());
    let stored = shared.journal.archive(id).await?.ok_or_else(gone)?;
    let uri = &stored.archive.table_uri;
    let location = shared.outside.location(uri)?;
    let table = match Table::open(&location, uri, &shared.runtime).await? {
        Some(table) => {
            let version = table.load().await?;
            Some((table, version))
        }
        None => None,
    };
    Ok((stored, table))
}
