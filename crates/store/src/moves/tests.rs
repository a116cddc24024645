//! Tests of the journal of moves.

use super::*;
use crate::tests::{in_tx, on_each_database};

const ARCHIVE: ArchiveId = ArchiveId::new([5; 12]);
const OTHER: ArchiveId = ArchiveId::new([6; 12]);

fn key(collection: &str) -> LeaseKey {
    let namespace = Namespace::new("sales", collection).expect("a right name");
    LeaseKey { cluster_id: ClusterId::new([9; 12]), namespace }
}

fn planned(seq: u8) -> Move {
    let (id, run) = (JobId::new([seq; 12]), (ARCHIVE, JobId::new([100; 12])));
    let number = i64::from(seq);
    Move {
        criteria_version: 3,
        cutoff_ms: Some(-1),
        level: GuardLevel::L1,
        collection_uuid: Some([0xab; 16]),
        ..Move::new(id, run, key("orders"), (number, 7), number)
    }
}

fn kept_row(byte: u8, batch: i32, firm: bool) -> KeptRow {
    KeptRow { identity: vec![byte, 0, 255], batch, firm }
}

on_each_database! {
    async fn moves_are_read_back_as_written(store) {
        let first = &planned(1);
        in_tx!(store, tx => save(tx, first).await).expect("planned");
        let deleting = &Move {
            state: MoveState::Deleting,
            files: r#"[{"name":"é"}]"#.into(),
            batches: 3,
            done: 1,
            documents: 12,
            bytes_raw: i64::MAX,
            bytes_stored: 1 << 40,
            deleted: 7,
            kept: 1,
            vanished: 2,
            unanswered_epoch: Some(7),
            quiet_at_ms: Some(99),
            closed_because: Some("paused".into()),
            ..first.clone()
        };
        let custom = &Move {
            cutoff_ms: None,
            collection_uuid: None,
            archive_id: OTHER,
            ..planned(2)
        };
        in_tx!(store, tx => {
            save(tx, deleting).await?;
            save(tx, custom).await
        })
        .expect("two moves");
        let key = &key("orders");
        let found = in_tx!(store, tx => unfinished(tx, key).await);
        assert_eq!(found, Ok(vec![deleting.clone(), custom.clone()]));
        let newest = in_tx!(store, tx => newest_committed(tx, ARCHIVE).await);
        assert_eq!(newest, Ok(Some(deleting.clone())));
        assert_eq!(in_tx!(store, tx => position(tx, ARCHIVE).await), Ok(Some((1, 1))));
        assert_eq!(in_tx!(store, tx => newest_committed(tx, OTHER).await), Ok(None));
    }

    async fn each_state_counts_for_what_it_is(store) {
        let key = &key("orders");
        for state in MoveState::ALL {
            let item = &Move { state, ..planned(1) };
            in_tx!(store, tx => save(tx, item).await).expect("saved");
            let open = in_tx!(store, tx => unfinished(tx, key).await).expect("read");
            assert_eq!(open.is_empty(), state.is_final(), "{state:?}");
            let unfinished = in_tx!(store, tx => has_unfinished(tx, ARCHIVE).await);
            assert_eq!(unfinished, Ok(!state.is_final()), "{state:?}");
            let in_table = (MoveState::Committed..=MoveState::Closing).contains(&state);
            assert_eq!(in_tx!(store, tx => has_open(tx, ARCHIVE).await), Ok(in_table), "{state:?}");
            let newest = in_tx!(store, tx => newest_committed(tx, ARCHIVE).await).expect("read");
            let committed = in_table || state == MoveState::Confirmed;
            assert_eq!(newest.is_some(), committed, "{state:?}");
        }
    }

    async fn collections_have_moves_of_their_own(store) {
        let (item, other) = (&planned(1), &key("other"));
        in_tx!(store, tx => save(tx, item).await).expect("saved");
        assert_eq!(in_tx!(store, tx => unfinished(tx, other).await), Ok(Vec::new()));
    }

    async fn kept_rows_stay_as_first_recorded_until_confirmed(store) {
        let rows = &[kept_row(1, 0, false), kept_row(2, 1, true)];
        let again = &[kept_row(1, 4, true)];
        in_tx!(store, tx => {
            add_kept(tx, ARCHIVE, 1, rows).await?;
            add_kept(tx, ARCHIVE, 1, again).await?;
            add_kept(tx, ARCHIVE, 2, again).await?;
            add_kept(tx, OTHER, 1, again).await
        })
        .expect("recorded");
        let mut of_one = in_tx!(store, tx => kept_of(tx, ARCHIVE, 1).await).expect("read");
        of_one.sort_by(|a, b| a.identity.cmp(&b.identity));
        assert_eq!(of_one, rows);
        let all = in_tx!(store, tx => kept(tx, ARCHIVE).await).expect("read");
        assert_eq!(all.len(), 3);
        assert!(all.contains(&(2, vec![1, 0, 255])));
        in_tx!(store, tx => clear_kept(tx, ARCHIVE, 1).await).expect("cleared");
        assert_eq!(in_tx!(store, tx => kept(tx, ARCHIVE).await).expect("read").len(), 1);
        assert_eq!(in_tx!(store, tx => kept(tx, OTHER).await).expect("read").len(), 1);
    }
}
