//! Tests of archive runs.

use super::*;
use crate::ErrorKind;
use crate::tests::{in_tx, on_each_database};

const ARCHIVE: ArchiveId = ArchiveId::new([5; 12]);
const OTHER: ArchiveId = ArchiveId::new([6; 12]);

fn id(byte: u8) -> JobId {
    JobId::new([byte; 12])
}

fn named(kind: DocumentKind, count: usize) -> Vec<RunDocument> {
    let one =
        RunDocument { kind, document: "{\"$oid\":\"…\"}".into(), reason: "too long".into() };
    vec![one; count]
}

on_each_database! {
    async fn runs_are_read_back_as_written(store) {
        let first = &ArchiveRun::begin(id(1), ARCHIVE, GuardLevel::L0, 10);
        in_tx!(store, tx => save(tx, first).await).expect("begun");
        let done = &ArchiveRun {
            level: GuardLevel::L2,
            phase: "DONE".into(),
            moves: 1,
            documents_read: 2,
            documents_moved: 3,
            documents_deleted: 4,
            documents_kept: 5,
            documents_vanished: 6,
            documents_skipped: 7,
            bytes_read: i64::MAX,
            bytes_stored: 9,
            files: 10,
            error: Some("none, in fact".into()),
            ended_at: Some(11),
            phases: [("READ".to_owned(), 5), ("STARTING".to_owned(), 1)].into(),
            phase_since: 16,
            ..first.clone()
        };
        in_tx!(store, tx => save(tx, done).await).expect("ended");
        assert_eq!(in_tx!(store, tx => get(tx, ARCHIVE, id(1)).await), Ok(done.clone()));
        let foreign = in_tx!(store, tx => get(tx, OTHER, id(1)).await);
        assert_eq!(foreign.expect_err("another archive's").kind(), ErrorKind::Missing);
    }

    async fn the_newest_comes_first(store) {
        for (byte, at) in [(1, 10), (2, 30), (3, 20), (4, 30)] {
            let run = &ArchiveRun::begin(id(byte), ARCHIVE, GuardLevel::L1, at);
            in_tx!(store, tx => save(tx, run).await).expect("begun");
        }
        let page = in_tx!(store, tx => list(tx, ARCHIVE, Page::new(3, 0)).await).expect("a page");
        let ids: Vec<JobId> = page.items.iter().map(|run| run.id).collect();
        assert_eq!((ids, page.total), (vec![id(4), id(2), id(3)], 4));
        let first = in_tx!(store, tx => newest(tx, ARCHIVE).await).expect("read");
        assert_eq!(first.map(|run| run.id), Some(id(4)));
        assert_eq!(in_tx!(store, tx => newest(tx, OTHER).await), Ok(None));
    }

    async fn interrupted_runs_are_ended_and_others_are_not(store) {
        let ended = &ArchiveRun {
            ended_at: Some(5),
            ..ArchiveRun::begin(id(1), ARCHIVE, GuardLevel::L1, 1)
        };
        let cut_short = &ArchiveRun::begin(id(2), ARCHIVE, GuardLevel::L1, 2);
        let current = &ArchiveRun::begin(id(3), ARCHIVE, GuardLevel::L1, 3);
        let foreign = &ArchiveRun::begin(id(4), OTHER, GuardLevel::L1, 4);
        in_tx!(store, tx => {
            for run in [ended, cut_short, current, foreign] {
                save(tx, run).await?;
            }
            end_interrupted(tx, ARCHIVE, id(3)).await
        })
        .expect("ended");
        for untouched in [ended, current, foreign] {
            let now = in_tx!(store, tx => get(tx, untouched.archive_id, untouched.id).await);
            assert_eq!(now, Ok(untouched.clone()));
        }
        let stopped = in_tx!(store, tx => get(tx, ARCHIVE, id(2)).await).expect("read");
        assert_eq!(stopped.phase, "STOPPED");
        assert!(stopped.ended_at.is_some() && stopped.error.is_some());
    }

    async fn documents_are_named_in_order_up_to_a_limit(store) {
        let (skipped, kept) = (&named(DocumentKind::Skipped, 2), &named(DocumentKind::Kept, 1_000));
        in_tx!(store, tx => {
            name_documents(tx, id(1), &[]).await?;
            name_documents(tx, id(1), skipped).await?;
            name_documents(tx, id(1), kept).await?;
            name_documents(tx, id(1), skipped).await
        })
        .expect("named");
        let listed = in_tx!(store, tx => documents(tx, id(1), Page::ALL).await).expect("read");
        assert_eq!(listed.total, RUN_DOCUMENTS_MAX);
        assert_eq!(listed.items[..2], skipped[..]);
        assert_eq!(listed.items[2..], kept[..998]);
        let second = Page { offset: 2, limit: 3 };
        let part = in_tx!(store, tx => documents(tx, id(1), second).await).expect("read");
        assert_eq!((part.total, &part.items[..]), (RUN_DOCUMENTS_MAX, &kept[..3]));
        let none = in_tx!(store, tx => documents(tx, id(2), Page::ALL).await).expect("read");
        assert_eq!((none.total, none.items.len()), (0, 0));
    }
}
