//! Tests of the state machine, over every state.

use portolan_model::{ArchiveId, ClusterId, GuardLevel, JobId, Namespace, SuspendReason};
use portolan_store::leases::LeaseKey;

use super::*;

fn item(state: MoveState, done: i32) -> Move {
    Move {
        id: JobId::new([1; 12]),
        archive_id: ArchiveId::new([2; 12]),
        run_id: JobId::new([3; 12]),
        key: LeaseKey {
            cluster_id: ClusterId::new([4; 12]),
            namespace: Namespace { database: "d".into(), collection: "c".into() },
        },
        seq: 5,
        epoch: 1,
        state,
        criteria_version: 1,
        cutoff_ms: None,
        level: GuardLevel::L1,
        collection_uuid: None,
        files: "[]".into(),
        batches: 2,
        done,
        documents: 0,
        bytes_raw: 0,
        bytes_stored: 0,
        deleted: 0,
        kept: 0,
        vanished: 0,
        unanswered_epoch: None,
        quiet_at_ms: None,
        closed_because: None,
        created_at: 0,
    }
}

#[test]
fn batches_are_deleted_in_order_and_then_the_move_closes() {
    assert_eq!(next_step(&item(MoveState::Published, -1)), Step::Delete { batch: 0 });
    assert_eq!(next_step(&item(MoveState::Deleting, 0)), Step::Delete { batch: 1 });
    assert_eq!(next_step(&item(MoveState::Deleting, 1)), Step::Close);
    assert_eq!(next_step(&item(MoveState::Closing, -1)), Step::Confirm);
}

#[test]
fn nothing_is_resumed_before_the_commit() {
    let table = TableNumbers { committed: 4, confirmed: 4 };
    for state in MoveState::ALL.into_iter().filter(|state| !state.is_final()) {
        let expected =
            if state >= MoveState::Committed { Verdict::TableOlder } else { Verdict::Abandon };
        assert_eq!(reconcile(&item(state, -1), table), expected, "{state:?}");
    }
}

#[test]
fn the_table_decides_what_is_committed_and_confirmed() {
    let open = TableNumbers { committed: 5, confirmed: 4 };
    let verified = item(MoveState::Verified, -1);
    assert_eq!(reconcile(&verified, open), Verdict::Resume(MoveState::Committed));
    let deleting = item(MoveState::Deleting, 0);
    assert_eq!(reconcile(&deleting, open), Verdict::Resume(MoveState::Deleting));
    let confirmed = TableNumbers { committed: 5, confirmed: 5 };
    assert_eq!(reconcile(&item(MoveState::Closing, 1), confirmed), Verdict::Confirmed);
}

#[test]
fn only_an_active_archive_with_the_frozen_criteria_permits_deleting() {
    let move_ = item(MoveState::Published, -1);
    let standing = |state, criteria_version| Some(Standing { state, criteria_version });
    assert!(permission(&move_, standing(ArchiveState::Archiving, 1)).is_ok());
    assert!(permission(&move_, standing(ArchiveState::Pausing, 1)).is_ok());
    assert!(permission(&move_, standing(ArchiveState::Archiving, 2)).is_err());
    for state in [
        ArchiveState::Paused,
        ArchiveState::Deleted,
        ArchiveState::Orphaned,
        ArchiveState::Suspended(SuspendReason::TableOlder),
    ] {
        assert!(permission(&move_, standing(state, 1)).is_err(), "{state}");
        assert!(!may_begin(state));
    }
    assert!(permission(&move_, None).is_err());
    assert!(!may_begin(ArchiveState::Pausing), "the move under way is the last one");
}
