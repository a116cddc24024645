//! verify: compares a table with the journal, reads everything that an archive holds back, recomputes
//! keys, months and bounds, and looks for documents that occur twice: in the archive, in another one of the
//! collection, or beside it in the cluster. Memory does not grow with the archive: files are read row by
//! row, and identities are compared as fingerprints, in as many passes as it takes.
//!
//! Files are read in order of their paths, and the last one is written down, so a process that ends
//! goes on after it. What is answered: every file that was in the table from the beginning to the end
//! was read. Files that leave meanwhile are no mistake. What could not be read for a reason that may pass is
//! read later; nothing is concluded from it.

mod cluster;
mod doubles;

use portolan_lake::{DataFile, LakeError, Leftovers, Problem, Table, Version};
use portolan_store::archives::StoredArchive;
use serde_json::json;

use super::Working;
use crate::run::key_of;
use crate::{ArchiverError, takeover};

/// Figures that must be 0 in a sound archive.
pub(super) const WRONG: [&str; 8] = [
    "differences",
    "missingFiles",
    "brokenFiles",
    "wrongFiles",
    "unreadFiles",
    "doubles",
    "inOtherArchives",
    "extraOverdue",
];

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
) -> Result<(), ArchiverError> {
    if let Some((table, version)) = against_journal(working, stored).await? {
        contents(working, &table, &version).await?;
        Box::pin(doubles::run(working, stored, &table)).await?;
        extra(working, &table).await?;
        if working.asked("againstCluster") {
            Box::pin(cluster::run(working, stored, &table)).await?;
        }
    } else {
        working.set("files", 0);
    }
    let sound = WRONG.iter().all(|name| working.count(name) == 0);
    working.set("sound", sound);
    working.set("phase", "DONE");
    Ok(())
}

/// Opens the table and compares it with the journal: one that is gone although moves reached it, one that
/// is older than the journal and one that somebody else wrote are not sound.
async fn against_journal(
    working: &mut Working<'_>,
    stored: &StoredArchive,
) -> Result<Option<(Table, Version)>, ArchiverError> {
    working.set("phase", "JOURNAL");
    let (shared, id) = (working.shared, stored.archive.id);
    // The journal first: a table may be ahead of what it said, never behind.
    let (_, newest) = shared.journal.moves(&key_of(&stored.archive), &[id]).await?;
    let mut seen = takeover::open_tables(shared, vec![stored.clone()]).await?;
    // And last the archive: its criteria may have travelled with a commit since.
    let now = shared.journal.archive(id).await?;
    for (entry, now) in seen.iter_mut().zip(now) {
        entry.archive = now;
    }
    let difference = match takeover::compare(&shared.options.owner, &seen, &newest) {
        Ok(()) => None,
        Err(ArchiverError::Suspended { reason, detail, .. }) => Some((reason, detail)),
        Err(error) => return Err(error),
    };
    let found = seen.pop().and_then(|entry| entry.table.zip(entry.version));
    if found.is_none() && stored.archive.deleted_at.is_some() {
        return Err(ArchiverError::Invalid(
            "the archive was deleted, and its table with it".into(),
        ));
    }
    working.set("differences", u64::from(difference.is_some()));
    let difference = difference.map(|(reason, detail)| {
        tracing::error!(archive = %id, detail, "verify found a table that is not as the journal says");
        json!({ "reason": reason.as_str(), "problem": detail })
    });
    working.set("difference", difference);
    Ok(found)
}

/// Every file, row by row.
async fn contents(
    working: &mut Working<'_>,
    table: &Table,
    version: &Version,
) -> Result<(), ArchiverError> {
    let after = working.text("lastFile").unwrap_or_default();
    let mut files: Vec<&DataFile> = version.files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    working.set("phase", "CONTENTS");
    working.set("tableVersion", version.number);
    let done = working.count("files");
    let left = files.iter().filter(|file| file.path > after).count() as u64;
    working.set("filesTotal", done + left);
    let id = working.operation.archive_id;
    let noted = working.shared.journal.quarantined(id).await?;
    for file in files.into_iter().filter(|file| file.path > after) {
        working.check()?;
        let audit = table.audit_file(file).await?;
        let is_sound = audit.problem.is_none();
        let problem = match audit.problem {
            Some(problem) if still_there(table, file).await? => Some(problem),
            _ => None,
        };
        working.add("files", 1);
        working.add("documents", audit.rows);
        working.add("bytesRaw", audit.bytes_raw);
        working.add("bytesStored", file.size_bytes);
        let journal = &working.shared.journal;
        if let Some(problem) = &problem {
            journal.quarantine(id, &file.path, &problem.to_string()).await?;
        } else if is_sound && noted.iter().any(|noted| noted.path == file.path) {
            journal.end_quarantine(id, &file.path).await?;
        }
        if let Some(problem) = problem {
            note(working, file, &problem);
        }
        working.set("lastFile", file.path.clone());
        working.advanced().await?;
    }
    Ok(())
}

/// Whether the newest version names a file: one that left the table since may be gone.
async fn still_there(table: &Table, file: &DataFile) -> Result<bool, ArchiverError> {
    let version = table.load().await?;
    Ok(version.files.iter().any(|known| known.path == file.path))
}

fn note(working: &mut Working<'_>, file: &DataFile, problem: &Problem) {
    let (counter, detail) = match problem {
        Problem::Missing => ("missingFiles", "the object is not there".to_owned()),
        Problem::Broken(detail) => ("brokenFiles", detail.clone()),
        Problem::Content(detail) => ("wrongFiles", detail.clone()),
    };
    tracing::error!(file = file.path, detail, "verify found a file that is not sound");
    working.add(counter, 1);
    working.name("problems", json!({ "file": file.path, "problem": detail }));
}

/// What to make of a file that could not be read again: it is damaged, or it left the table since its
/// version was loaded.
///
/// # Errors
/// The error itself when it may pass; [`LakeError::InputGone`], which does, when the file left the table.
async fn unread(table: &Table, file: &DataFile, error: LakeError) -> Result<(), ArchiverError> {
    if !error.tells_of_damage() {
        return Err(error.into());
    }
    if !still_there(table, file).await? {
        return Err(LakeError::InputGone { path: file.path.clone() }.into());
    }
    tracing::error!(file = file.path, %error, "verify could not read a file again");
    Ok(())
}

impl Working<'_> {
    /// Files that a later look could not read; each look meets them again.
    fn unread_files(&mut self, count: u64) {
        let most = self.count("unreadFiles").max(count);
        self.set("unreadFiles", most);
    }
}

/// Objects that nothing names any more. They wait for the next clean-up; those that it should have removed
/// long ago are a mistake.
async fn extra(working: &mut Working<'_>, table: &Table) -> Result<(), ArchiverError> {
    working.set("phase", "EXTRA");
    let (now_ms, options) = (working.shared.runtime.now_ms(), &working.shared.options);
    let patience_ms = options.upkeep_interval_ms.saturating_mul(2);
    let overdue_ms = options.clean_up_after_ms.saturating_add(patience_ms);
    let version = table.load().await?;
    let all = Leftovers::of(&table.leftovers(&version, now_ms, 0).await?);
    working.set("extra", all.objects);
    working.set("extraBytes", all.bytes);
    let overdue = if all.objects == 0 {
        0
    } else {
        Leftovers::of(&table.leftovers(&version, now_ms, overdue_ms).await?).objects
    };
    working.set("extraOverdue", overdue);
    Ok(())
}
