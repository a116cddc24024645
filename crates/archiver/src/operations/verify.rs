//! verify: reads everything that an archive holds back, recomputes keys, months and bounds, and looks
//! for documents that occur twice, in the archive or beside it in the cluster. Memory does not grow
//! with the archive: files are read row by row, and identities are compared as fingerprints, in as
//! many passes as it takes.
//!
//! Files are read in order of their paths, and the last one is written down, so a process that ends
//! goes on after it. What is answered: every file that was in the table from the beginning to the end
//! was read. Files that leave meanwhile are no mistake.

use std::collections::HashSet;

use bson::RawBson;
use futures::TryStreamExt;
use portolan_cluster::Cluster;
use portolan_lake::{DataFile, Problem, Table, Version};
use portolan_store::archives::StoredArchive;
use serde_json::{Value, json};

use super::Working;
use crate::ArchiverError;
use crate::steps::id_of;

/// Fingerprints held at once: 16 bytes each.
const FINGERPRINTS_MAX: u64 = 4_000_000;
/// Identities looked up in the cluster at once.
const LOOK_UP_MAX: usize = 500;

/// Figures that must be 0 in a sound archive.
pub(super) const WRONG: [&str; 5] =
    ["missingFiles", "brokenFiles", "wrongFiles", "doubles", "alsoInCluster"];

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
) -> Result<(), ArchiverError> {
    let uri = &stored.archive.table_uri;
    let location = working.shared.outside.location(uri)?;
    let Some(table) = Table::open(&location, uri, &working.shared.runtime).await? else {
        working.set("files", 0);
        working.set("sound", true);
        return Ok(());
    };
    let version = table.load().await?;
    contents(working, &table, &version).await?;
    doubles(working, &table, &version).await?;
    if working.asked("againstCluster") {
        against_cluster(working, stored, &table, &version).await?;
    }
    let sound = WRONG.iter().all(|name| working.count(name) == 0);
    working.set("sound", sound);
    working.set("phase", "DONE");
    Ok(())
}

impl Working<'_> {
    fn asked(&self, name: &str) -> bool {
        let request: Value = serde_json::from_str(&self.operation.request).unwrap_or_default();
        request[name].as_bool().unwrap_or(false)
    }
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
    for file in files.into_iter().filter(|file| file.path > after) {
        working.check()?;
        let audit = table.audit_file(file).await?;
        working.add("files", 1);
        working.add("documents", audit.rows);
        working.add("bytesRaw", audit.bytes_raw);
        working.add("bytesStored", file.size_bytes);
        if let Some(problem) = audit.problem
            && still_there(table, file).await?
        {
            note(working, file, &problem);
        }
        working.set("lastFile", file.path.clone());
        working.progress().await?;
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

/// Confirmed rows with one identity, counted by fingerprints in passes over shares of them.
async fn doubles(
    working: &mut Working<'_>,
    table: &Table,
    version: &Version,
) -> Result<(), ArchiverError> {
    working.set("phase", "DOUBLES");
    let files: Vec<&DataFile> =
        version.files.iter().filter(|file| file.seq_max <= version.confirmed).collect();
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let passes = rows.div_ceil(FINGERPRINTS_MAX).clamp(1, 256);
    working.set("passesTotal", passes);
    for pass in working.count("passes")..passes {
        let (first, next) = (pass * 256 / passes, (pass + 1) * 256 / passes);
        let byte = |number: u64| u8::try_from(number.min(255)).unwrap_or(u8::MAX);
        let share = byte(first)..=byte(next.saturating_sub(1));
        let mut seen = HashSet::new();
        let mut doubles = 0;
        for file in &files {
            working.check()?;
            // What cannot be read was told above.
            let Ok(found) = table.fingerprints(file, share.clone()).await else { continue };
            doubles += found.into_iter().filter(|print| !seen.insert(*print)).count() as u64;
        }
        working.add("doubles", doubles);
        working.set("passes", pass + 1);
        working.progress().await?;
    }
    Ok(())
}

/// Archived documents that the cluster holds, too: restored or inserted again, or a mistake.
async fn against_cluster(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    table: &Table,
    version: &Version,
) -> Result<(), ArchiverError> {
    working.set("phase", "CLUSTER");
    // The look-ups start over after a break: only the sum is kept.
    working.set("alsoInCluster", 0);
    let cluster = working.shared.outside.cluster(stored.archive.cluster_id).await?;
    for (index, file) in version.files.iter().enumerate() {
        if file.seq_max > version.confirmed {
            continue;
        }
        working.check()?;
        let mut rows = table.rows_of(version, index);
        let mut group = Vec::new();
        while let Some(row) = rows.try_next().await? {
            group.push(row.doc);
            if group.len() >= LOOK_UP_MAX {
                let full = std::mem::take(&mut group);
                look_up(working, stored, (cluster.as_ref(), table), full).await?;
            }
        }
        look_up(working, stored, (cluster.as_ref(), table), group).await?;
        working.progress().await?;
    }
    Ok(())
}

async fn look_up(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    (cluster, table): (&dyn Cluster, &Table),
    documents: Vec<bson::RawDocumentBuf>,
) -> Result<(), ArchiverError> {
    let ids: Vec<RawBson> = documents.iter().filter_map(|document| id_of(document)).collect();
    let live = cluster.find_by_ids(&stored.archive.namespace, &ids).await?;
    let identity = |document: &bson::RawDocumentBuf| table.spec().identity(document);
    let archived: HashSet<Vec<u8>> = documents.iter().map(identity).collect();
    for document in live.iter().filter(|document| archived.contains(&identity(document))) {
        working.add("alsoInCluster", 1);
        let id = id_of(document).and_then(|id| bson::Bson::try_from(id).ok());
        working.name("inCluster", serde_json::to_value(id).unwrap_or(Value::Null));
    }
    Ok(())
}
