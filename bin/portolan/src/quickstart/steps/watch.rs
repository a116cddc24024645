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
/// A run that failed so often in a row will not get well by itself.
const FAILURES_MAX: usize = 5;

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
    let started_ms = runtime.boot_ms();
    let mut run = wait(runtime, "the archive run", TIMEOUT_S, async || {
        let runs = api.get(&path).await?;
        finished(runs["results"].as_array().map_or(&[][..], Vec::as_slice), &bar)
    })
    .await?;
    run.seconds = seconds(runtime.boot_ms().saturating_sub(started_ms));
    bar.finish_and_clear();
    say.line(format_args!("Archived {} documents in {:.1} s.", run.documents, run.seconds));
    Ok(run)
}

/// All runs as one, when the newest has ended well: a process that was killed leaves a run that was
/// stopped, and the next one finishes its work. A run that failed is tried again; one that keeps
/// failing is not waited for.
fn finished(runs: &[Value], bar: &ProgressBar) -> Result<Option<Run>> {
    let Some(newest) = runs.first() else { return Ok(None) };
    let number = |key: &str| newest[key].as_u64().unwrap_or(0);
    bar.set_length(number("documentsRead"));
    bar.set_position(number("documentsDeleted"));
    bar.set_message(newest["phase"].as_str().unwrap_or_default().to_lowercase());
    let failed = runs.iter().take_while(|run| run["phase"] == "FAILED").count();
    if failed >= FAILURES_MAX {
        bail!("the archive run keeps failing: {}", newest["error"].as_str().unwrap_or("no reason"));
    }
    if newest["phase"] != "DONE" {
        return Ok(None);
    }
    let sum = |key: &str| runs.iter().filter_map(|run| run[key].as_u64()).sum();
    Ok(Some(Run {
        documents: sum("documentsMoved"),
        bytes_read: sum("bytesRead"),
        bytes_stored: sum("bytesStored"),
        files: sum("files"),
        seconds: 0.0,
        deleted: Some(sum("documentsDeleted")),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "a run lasts less than 2^52 ms")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
