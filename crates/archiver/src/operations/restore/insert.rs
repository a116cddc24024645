//! One batch of a restore: sent until it was answered, and what the cluster refused of it. Which documents are
//! a batch, and what is written down before, is in `restore`.

use std::collections::HashMap;

use bson::{RawBson, RawDocumentBuf};
use portolan_cluster::{ClusterError, FencedStep, Inserted, NotInserted};
use serde_json::{Value, json};

use super::{Restoring, Working};
use crate::lease::Held;
use crate::steps::id_of;
use crate::{ArchiverError, effects, source_fence};

/// Server error for an `_id`, or another unique key, that is there already.
const DUPLICATE_KEY: i32 = 11_000;
/// Attempts to insert one batch before the operation is left to the next look.
const ATTEMPTS_MAX: u32 = 5;
const BACKOFF_MS: u64 = 200;

/// Sends a batch until it was answered.
pub(super) async fn run(
    working: &Working<'_>,
    restoring: &Restoring<'_>,
    held: &Held,
    documents: &[RawDocumentBuf],
) -> Result<Inserted, ArchiverError> {
    let runtime = &working.shared.runtime;
    let mut attempt = 1;
    loop {
        held.check()?;
        let began_ms = runtime.boot_ms();
        let inserted = send(working, restoring, held, documents).await;
        restoring.load.burdened("insert", runtime, began_ms, documents);
        match inserted {
            Ok(done) => return Ok(done),
            Err(ClusterError::Fenced) => {
                return done_before(working, restoring, held, documents).await;
            }
            Err(
                ClusterError::Unknown(_) | ClusterError::Unavailable(_) | ClusterError::Aborted(_),
            ) if attempt < ATTEMPTS_MAX => {
                runtime.sleep_ms(BACKOFF_MS << attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn send(
    working: &Working<'_>,
    restoring: &Restoring<'_>,
    held: &Held,
    documents: &[RawDocumentBuf],
) -> Result<Inserted, ClusterError> {
    let (runtime, cluster) = (&working.shared.runtime, &restoring.cluster);
    let target = &restoring.request.target;
    let Some(uuid) = restoring.fence else {
        return runtime.effect(effects::RESTORE, cluster.insert(target, documents)).await;
    };
    let job = working.operation.id.to_string();
    let holder = source_fence::holder(&working.shared.options.owner, held, uuid);
    let (shard_key, step) = (restoring.shard_key.as_ref(), step_of(working));
    let step = FencedStep { holder, shard_key, job: &job, step };
    runtime.effect(effects::RESTORE, cluster.insert_fenced(target, documents, &step)).await
}

/// The number of the batch in hand: one more than those that the journal knows.
fn step_of(working: &Working<'_>) -> i64 {
    i64::try_from(working.count("steps")).unwrap_or(i64::MAX).saturating_add(1)
}

/// The fence refused: either somebody else holds it, or this step took effect and its answer was lost.
async fn done_before(
    working: &Working<'_>,
    restoring: &Restoring<'_>,
    held: &Held,
    documents: &[RawDocumentBuf],
) -> Result<Inserted, ArchiverError> {
    let Some(uuid) = restoring.fence else { return Err(ArchiverError::LeaseLost) };
    let fence = restoring.cluster.fence(uuid).await?;
    let ours = fence.filter(|fence| fence.epoch == held.epoch && fence.token == held.token);
    let job = working.operation.id.to_string();
    let done = ours.and_then(|fence| fence.job).filter(|(of, _)| *of == job);
    match done {
        Some((_, done)) if done >= step_of(working) => what_came(restoring, documents).await,
        _ => Err(ArchiverError::LeaseLost),
    }
}

/// What a batch did whose answer was lost, as far as the cluster still shows it.
async fn what_came(
    restoring: &Restoring<'_>,
    documents: &[RawDocumentBuf],
) -> Result<Inserted, ArchiverError> {
    let ids: Vec<RawBson> = documents.iter().filter_map(|document| id_of(document)).collect();
    let live = restoring.cluster.find_by_ids(&restoring.request.target, &ids).await?;
    let is_there = |document: &RawDocumentBuf| {
        live.iter().any(|there| there.as_bytes() == document.as_bytes())
    };
    let missing = documents.iter().enumerate().filter(|(_, document)| !is_there(document));
    let message = "the answer of the cluster was lost: it refused the document, or lost it since";
    let refused: Vec<NotInserted> = missing
        .map(|(index, _)| NotInserted { index, code: 0, message: message.to_owned() })
        .collect();
    Ok(Inserted { n: (documents.len() - refused.len()) as u64, refused })
}

/// What the cluster refused: there already and equal, in conflict, or refused for another reason.
pub(super) async fn refusals(
    working: &mut Working<'_>,
    restoring: &Restoring<'_>,
    documents: &[RawDocumentBuf],
    done: &Inserted,
) -> Result<(), ArchiverError> {
    let refused: Vec<(&RawDocumentBuf, &str, i32)> = done
        .refused
        .iter()
        .filter_map(|it| Some((documents.get(it.index)?, it.message.as_str(), it.code)))
        .collect();
    let ids: Vec<RawBson> = refused.iter().filter_map(|(document, ..)| id_of(document)).collect();
    let live = restoring.cluster.find_by_ids(&restoring.request.target, &ids).await?;
    let live: HashMap<Vec<u8>, RawDocumentBuf> =
        live.into_iter().map(|document| (restoring.identity(&document), document)).collect();
    for (document, message, code) in refused {
        let (list, why) = match live.get(&restoring.identity(document)) {
            Some(there) if there.as_bytes() == document.as_bytes() => {
                working.add("alreadyThere", 1);
                continue;
            }
            Some(_) => ("conflicts", "the cluster holds another document with its _id"),
            None if code == DUPLICATE_KEY => ("conflicts", message),
            None => ("refusals", message),
        };
        working.add(list, 1);
        let id = id_of(document).and_then(|id| bson::Bson::try_from(id).ok());
        let id = serde_json::to_value(id).unwrap_or(Value::Null);
        working.name("notRestored", json!({ "_id": id, "reason": why }));
        if restoring.request.stop_at_conflict {
            return Err(ArchiverError::Denied(format!("stopped at a conflict: {why}")));
        }
    }
    Ok(())
}
