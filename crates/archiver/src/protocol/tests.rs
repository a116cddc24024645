//! Tests of the state machine, over every state.

use portolan_model::{ArchiveId, ClusterId, GuardLevel, JobId, Namespace, SuspendReason};
use portolan_store::leases::LeaseKey;

use super::*;

fn item(state: MoveState, done: i32) -> Move {
    let namespace = Namespace { database: "d".into(), collection: "c".into() };
    let key = LeaseKey { cluster_id: ClusterId::new([4; 12]), namespace };
    let run = (ArchiveId::new([2; 12]), JobId::new([3; 12]));
    Move {
        state,
        criteria_version: 1,
        level: GuardLevel::L1,
        batches: 2,
        done,
        ..Move::new(JobId::new([1; 12]), run, key, (5, 1), 0)
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
fn each_state_has_its_step() {
    let steps = [
        (MoveState::Planned, Step::Stage),
        (MoveState::Staged, Step::Upload),
        (MoveState::Uploaded, Step::Verify),
        (MoveState::Verified, Step::Commit),
        (MoveState::Committed, Step::Publish),
        (MoveState::Closing, Step::Confirm),
        (MoveState::Confirmed, Step::End),
        (MoveState::Abandoned, Step::End),
    ];
    for (state, step) in steps {
        assert_eq!(next_step(&item(state, 1)), step, "{state:?}");
    }
    let delete = [MoveState::Published, MoveState::Deleting];
    assert_eq!(steps.len() + delete.len(), MoveState::ALL.len());
    for state in delete {
        assert_eq!(next_step(&item(state, 0)), Step::Delete { batch: 1 }, "{state:?}");
        assert_eq!(next_step(&item(state, 1)), Step::Close, "{state:?}");
    }
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
    assert_eq!(reconcile(&deleting, open), Verdict::Resume(MoveState::Committed));
    let closing = item(MoveState::Closing, 0);
    assert_eq!(reconcile(&closing, open), Verdict::Resume(MoveState::Closing));
    let confirmed = TableNumbers { committed: 5, confirmed: 5 };
    assert_eq!(reconcile(&item(MoveState::Closing, 1), confirmed), Verdict::Confirmed);
}

#[test]
fn only_an_active_archive_with_the_frozen_criteria_permits_deleting() {
    let move_ = item(MoveState::Published, -1);
    let standing = |state, criteria_version| Some(Standing { state, criteria_version });
    for state in [ArchiveState::Pending, ArchiveState::Archiving, ArchiveState::Idle] {
        assert_eq!(permission(&move_, standing(state, 1)), Ok(()), "{state}");
        assert!(may_begin(state), "{state}");
    }
    assert_eq!(permission(&move_, standing(ArchiveState::Pausing, 1)), Ok(()));
    let reason = |standing| permission(&move_, standing).unwrap_err();
    for criteria_version in [0, 2] {
        let changed = reason(standing(ArchiveState::Archiving, criteria_version));
        assert_eq!(changed, "the criteria changed");
    }
    for state in [
        ArchiveState::Paused,
        ArchiveState::Deleted,
        ArchiveState::Orphaned,
        ArchiveState::Suspended(SuspendReason::TableOlder),
    ] {
        assert_eq!(reason(standing(state, 1)), format!("the archive is {state}"));
        assert!(!may_begin(state));
    }
    assert_eq!(reason(None), "the archive is gone");
    assert!(!may_begin(ArchiveState::Pausing), "the move under way is the last one");
}
