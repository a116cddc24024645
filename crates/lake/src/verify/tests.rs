//! Tests of the verifier: each kind of damage is caught.

use super::*;
use crate::row::{FileRow, Place};
use crate::tests::{Fixture, orders, spec};
use crate::{StageRequest, hash};

async fn staged(fixture: &Fixture) -> Staged {
    let request = StageRequest::new(1, 1, 1_700_000_000_000);
    let staged = fixture.table.stage(request, orders(0, 200)).await.unwrap();
    fixture.table.verify(&staged).await.unwrap();
    staged
}

async fn caught(fixture: &Fixture, staged: &Staged) -> bool {
    matches!(fixture.table.verify(staged).await, Err(LakeError::Unverified(_)))
}

#[tokio::test]
async fn a_flipped_byte_is_caught_anywhere() {
    let fixture = Fixture::new(spec()).await;
    let mut staged = staged(&fixture).await;
    staged.files.iter_mut().for_each(|file| file.etag = None);
    let path = fixture.path(&staged.files[0].path);
    let good = std::fs::read(&path).unwrap();
    // Pages and page index hold the rows; the footer behind them is looked at by other tests.
    let footer = u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().unwrap());
    let positions: Vec<_> = (4..good.len() - footer as usize - 8).step_by(97).collect();
    let mut caught = 0;
    for &position in &positions {
        let mut bad = good.clone();
        bad[position] ^= 0x40;
        std::fs::write(&path, &bad).unwrap();
        assert!(fixture.table.verify(&staged).await.is_err(), "byte {position}");
        // Had it been sent like this, what our reader reads would still be compared.
        let mut sent = staged.clone();
        sent.files[0].checksum = blake3::hash(&bad).to_hex().to_string();
        caught += usize::from(fixture.table.verify(&sent).await.is_err());
    }
    assert!(caught * 4 > positions.len() * 3, "{caught} of {} flips", positions.len());
}

#[tokio::test]
async fn another_object_under_the_name_is_caught() {
    let fixture = Fixture::new(spec()).await;
    let staged = staged(&fixture).await;
    let path = fixture.path(&staged.files[0].path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    assert!(caught(&fixture, &staged).await, "the tag differs");
}

#[tokio::test]
async fn wrong_statistics_are_caught() {
    for fixture in Fixture::everywhere(spec()).await {
        let staged = staged(&fixture).await;
        for (from, to) in [
            ("\"numRecords\":", "\"numRecords\":1"),
            ("\"_seq\":1", "\"_seq\":2"),
            ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.001Z"),
            ("\"_superseded_by\":", "\"_superseded_by\":0,\"x\":"),
        ] {
            let mut bad = staged.clone();
            bad.files[0].stats = bad.files[0].stats.replace(from, to);
            assert_ne!(bad.files[0].stats, staged.files[0].stats, "{from}");
            assert!(caught(&fixture, &bad).await, "{from}");
        }
    }
}

#[tokio::test]
async fn other_rows_than_declared_are_caught() {
    for fixture in Fixture::everywhere(spec()).await {
        let staged = staged(&fixture).await;
        let row = staged.declared.rows().next().unwrap().clone();
        let mut fewer = staged.clone();
        fewer.declared.rows.remove(&row);
        assert!(caught(&fixture, &fewer).await);
        let mut more = staged.clone();
        more.declared.add(DeclaredRow { identity: vec![1], ..row.clone() });
        assert!(caught(&fixture, &more).await);
        let mut twice = staged.clone();
        twice.declared.add(row);
        assert!(caught(&fixture, &twice).await);
        let mut doubled = staged.clone();
        doubled.files.push(staged.files[0].clone());
        assert!(caught(&fixture, &doubled).await);
        let mut month = staged.clone();
        month.files[0].month = Some("2023-01".into());
        assert!(caught(&fixture, &month).await);
    }
}

/// Writes rows whose derived values were tampered with, declared truthfully.
async fn tampered(fixture: &Fixture, change: impl Fn(&mut FileRow)) -> Staged {
    let mut staged = Staged::default();
    let mut rows = Vec::new();
    for doc in orders(0, 20) {
        let derived = derive(&doc, fixture.table.spec()).unwrap();
        let place = Place { seq: 1, ..Place::default() };
        let mut row = FileRow { hash: hash(&doc), doc, derived, place };
        change(&mut row);
        staged.declared.add(DeclaredRow {
            identity: crate::identity(&row.doc),
            hash: row.hash,
            seq: 1,
            batch: 0,
        });
        rows.push(row);
    }
    staged.files = vec![fixture.table.write_file(1, 1, rows).await.unwrap()];
    staged
}

#[tokio::test]
async fn values_that_do_not_follow_from_the_document_are_caught() {
    for fixture in Fixture::everywhere(spec()).await {
        fixture.table.verify(&tampered(&fixture, |_| {}).await).await.unwrap();
        for cell in 0..6 {
            let bad = tampered(&fixture, |row| {
                if row.doc.get_i32("_id").ok() == Some(7) {
                    row.derived.cells[cell] = Cell::Null;
                }
            });
            assert!(caught(&fixture, &bad.await).await, "cell {cell}");
        }
        let bad = tampered(&fixture, |row| row.hash[0] ^= 1).await;
        assert!(fixture.table.verify(&bad).await.is_err());
    }
}

#[tokio::test]
async fn two_versions_of_one_document_are_caught() {
    for fixture in Fixture::everywhere(spec()).await {
        let bad = tampered(&fixture, |row| {
            if row.doc.get_i32("_id").ok() == Some(8) {
                let mut doc = orders(7, 1).remove(0);
                doc.append(bson::cstr!("v"), 2);
                row.hash = hash(&doc);
                row.derived = derive(&doc, fixture.table.spec()).unwrap();
                row.doc = doc;
            }
        });
        assert!(caught(&fixture, &bad.await).await);
    }
}
