//! The moves of an archive that was attached from its table: what of them the journal has to know again.

use portolan_model::{ClusterId, FoundTable, GuardLevel, JobId};
use portolan_runtime::Runtime;

use super::{Move, MoveState};
use crate::leases::LeaseKey;

/// The last confirmed move, which pins the collection, and the one that is open. Nobody knows what the
/// workers of the open one sent, so that counts as unanswered: it is closed once nothing can be under
/// way any more, and its rows stay unless their documents are seen in the cluster.
#[must_use]
pub fn of_table(
    found: &FoundTable,
    cluster_id: ClusterId,
    level: GuardLevel,
    runtime: &Runtime,
) -> Vec<Move> {
    let blank = |seq: i64, state: MoveState| {
        let id = JobId::new(runtime.object_id());
        let run = (found.archive_id, JobId::new(runtime.object_id()));
        let key = LeaseKey { cluster_id, namespace: found.namespace.clone() };
        Move {
            state,
            criteria_version: found.criteria_version,
            // By the rules of clusters without a fence, whatever the cluster could do.
            level: level.min(GuardLevel::L2),
            collection_uuid: found.collection_uuid,
            ..Move::new(id, run, key, (seq, found.epoch), runtime.now_ms())
        }
    };
    let of_open = found.open.map_or(0, |open| open.documents);
    let confirmed = (found.confirmed > 0).then(|| Move {
        documents: count(found.documents.saturating_sub(of_open)),
        ..blank(found.confirmed, MoveState::Confirmed)
    });
    let open = found.open.map(|open| Move {
        batches: open.batches,
        documents: count(open.documents),
        unanswered_epoch: Some(found.epoch),
        closed_because: Some("the archive was attached from its table".to_owned()),
        ..blank(open.seq, MoveState::Closing)
    });
    confirmed.into_iter().chain(open).collect()
}

fn count(documents: u64) -> i64 {
    i64::try_from(documents).unwrap_or(i64::MAX)
}
