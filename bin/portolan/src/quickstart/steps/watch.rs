//! Watching the archive run through the API, with a progress bar.

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use portolan_runtime::Runtime;
use serde_json::Value;

use super::{CLUSTER, wait};
use crate::client::ApiClient;
use crate::quickstart::report::Say;
use crate::quickstart::summary::Run;

/// How long the run may take.
const TIMEOUT_S: u64 = 3_600;

/// Waits until a run that moved documents has ended; what it moved.
pub(super) async fn until_moved(
    api: &ApiClient,
    group: &str,
    archive: &str,
    runtime: &Runtime,
    say: &Say,
) -> Result<Run> {
    let path =
        format!("/api/portolan/v1/groups/{group}/clusters/{CLUSTER}/onlineArchives/{archive}/runs");
    let bar = say.bar("Archiving", 0);
    let run = wait(runtime, "the archive run", TIMEOUT_S, async || {
        let runs = api.get(&path).await?;
        finished(runs["results"].as_array().map_or(&[][..], Vec::as_slice), &bar)
    })
    .await?;
    bar.finish_and_clear();
    say.line(format_args!("Archived {} documents in {:.1} s.", run.documents, run.seconds));
    Ok(run)
}

/// All runs as one, when the newest has ended well: a process that was killed leaves a run that never
/// ends, and the next one finishes its work.
fn finished(runs: &[Value], bar: &ProgressBar) -> Result<Option<Run>> {
    let Some(newest) = runs.first() else { return Ok(None) };
    let number = |key: &str| newest[key].as_u64().unwrap_or(0);
    bar.set_length(number("documentsRead"));
    bar.set_position(number("documentsDeleted"));
    bar.set_message(newest["phase"].as_str().unwrap_or_default().to_lowercase());
    if let Some(error) = newest["error"].as_str() {
        bail!("the archive run failed: {error}");
    }
    if newest["endedAt"].is_null() {
        return Ok(None);
    }
    let sum = |key: &str| runs.iter().filter_map(|run| run[key].as_u64()).sum();
    Ok(Some(Run {
        documents: sum("documentsMoved"),
        bytes_read: sum("bytesRead"),
        bytes_stored: sum("bytesStored"),
        files: sum("files"),
        seconds: runs.iter().filter_map(|run| run["seconds"].as_f64()).sum(),
    }))
}
