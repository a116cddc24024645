//! Tests of the traces of single documents.

use portolan_model::GuardLevel;

use super::*;
use crate::archives::tests::archive;
use crate::moves::{self, KeptRow, Move, MoveState};
use crate::operations::{OperationKind, OperationState};
use crate::runs::{self, ArchiveRun, DocumentKind, RunDocument};
use crate::tests::fixture::House;
use crate::tests::{TestStore, in_tx, on_each_database};
use crate::{archives, restore_holds};

const CANARY: &str = "canary-7f3a";
const RUN: JobId = JobId::new([8; 12]);

/// An archive, and a canary in everything that is said of its documents.
async fn with_a_canary(store: &TestStore) -> (ArchiveId, LeaseKey) {
    let house = &House::build(store, 'a').await;
    let stored = &archive(1, house.project_id);
    let id = stored.archive.id;
    let namespace = stored.archive.namespace.clone();
    let key = LeaseKey { cluster_id: stored.archive.cluster_id, namespace };
    let collection = &key;
    let operation = &Operation {
        state: OperationState::Failed,
        progress: format!("{{\"inCluster\":[\"{CANARY}\"]}}"),
        error: Some(CANARY.to_owned()),
        ..Operation::new(JobId::new([1; 12]), id, OperationKind::Verify, CANARY.to_owned(), 1)
    };
    let upkeep = &Operation::new(JobId::new([2; 12]), id, OperationKind::Expiry, "{}".into(), 2);
    let run = &ArchiveRun::begin(RUN, id, GuardLevel::L1, 1);
    let listed = &[RunDocument {
        kind: DocumentKind::Kept,
        document: format!("\"{CANARY}\""),
        reason: "changed".into(),
    }];
    let open = &Move {
        state: MoveState::Verified,
        files: format!("[{{\"stats\":\"{CANARY}\"}}]"),
        ..Move::new(JobId::new([3; 12]), (id, RUN), key.clone(), (1, 1), 1)
    };
    let kept = &[KeptRow { identity: CANARY.into(), batch: 0, firm: true }];
    in_tx!(store, tx => {
        archives::insert(tx, &house.project(), stored).await?;
        operations::save(tx, operation).await?;
        operations::save(tx, upkeep).await?;
        runs::save(tx, run).await?;
        runs::name_documents(tx, RUN, listed).await?;
        moves::save(tx, open).await?;
        moves::add_kept(tx, id, 1, kept).await?;
        restore_holds::add(tx, collection, &[CANARY.into()], i64::MAX).await
    })
    .expect("written");
    (id, key)
}

/// How often the canary stands in any table, as text or as the digits of its bytes.
async fn sightings(store: &TestStore) -> usize {
    let mut copy = Vec::new();
    store.back_up(&mut copy).await.expect("a copy of everything");
    let copy = String::from_utf8(copy).expect("text");
    copy.matches(CANARY).count() + copy.matches(&hex::encode(CANARY)).count()
}

on_each_database! {
    async fn what_is_said_of_a_document_is_found_and_removed(store) {
        let (_, key) = &with_a_canary(&store).await;
        assert!(sightings(&store).await >= 7);
        let (asked, listed, known) = in_tx!(store, tx => {
            let asked = asked_for(tx, key).await?;
            Ok::<_, StoreError>((asked, named(tx, key).await?, identities(tx, key).await?))
        })
        .expect("read");
        assert_eq!(asked.iter().map(|it| it.kind).collect::<Vec<_>>(), [OperationKind::Verify]);
        assert_eq!(listed[0].document, format!("\"{CANARY}\""));
        assert_eq!(known, [CANARY.as_bytes()], "held and kept, told once");
        let silent = &Operation {
            request: "{}".into(),
            progress: "{}".into(),
            error: None,
            ..asked[0].clone()
        };
        let (first, identity) = (&listed[0], &known[0]);
        in_tx!(store, tx => {
            rewrite(tx, silent).await?;
            forget_named(tx, first).await?;
            forget_identity(tx, key, identity).await?;
            forget_bounds(tx, key).await
        })
        .expect("forgotten");
        assert_eq!(sightings(&store).await, 1, "the files of a move that is not over");
        let again = in_tx!(store, tx => asked_for(tx, key).await).expect("read");
        assert_eq!(again, std::slice::from_ref(silent), "nothing else of it changed");
    }

    async fn a_move_that_ended_names_no_files(store) {
        let (id, key) = &with_a_canary(&store).await;
        let open = in_tx!(store, tx => moves::unfinished(tx, key).await).expect("read");
        for state in [MoveState::Confirmed, MoveState::Abandoned] {
            let ended = &Move { state, ..open[0].clone() };
            assert!(ended.files.contains(CANARY));
            let files = in_tx!(store, tx => {
                moves::save(tx, ended).await?;
                let sql = "SELECT files FROM moves WHERE archive_id = $1";
                tx.fetch_one::<String>(sql, args![*id], "files").await
            });
            assert_eq!(files.as_deref(), Ok("[]"), "{state:?}");
        }
    }

    async fn bounds_that_older_programs_kept_go(store) {
        let (id, key) = &with_a_canary(&store).await;
        let files = in_tx!(store, tx => {
            let sql = "UPDATE moves SET state = 'CONFIRMED' WHERE archive_id = $1";
            tx.execute(sql, args![*id]).await?;
            forget_bounds(tx, key).await?;
            Ok::<_, StoreError>(moves::newest_committed(tx, *id).await?.map(|item| item.files))
        });
        assert_eq!(files, Ok(Some("[]".to_owned())));
    }

    async fn a_forgotten_archive_takes_its_moves_and_runs_along(store) {
        let (id, key) = &with_a_canary(&store).await;
        let left = in_tx!(store, tx => {
            forget_archive(tx, *id).await?;
            let runs = runs::list(tx, *id, crate::Page::ALL).await?;
            Ok::<_, StoreError>((moves::has_unfinished(tx, *id).await?, runs.items.len()))
        });
        assert_eq!(left, Ok((false, 0)));
        let listed = in_tx!(store, tx => named(tx, key).await).expect("read");
        assert!(listed.is_empty());
    }
}
