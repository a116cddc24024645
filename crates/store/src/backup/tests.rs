//! Tests of backups.

use portolan_runtime::FaultPlan;
use portolan_security::{KeyRing, SecurityError, Sha256};

use super::*;
use crate::tests::fixture::{House, fill_everything};
use crate::tests::support::{keys, runtime};
use crate::tests::{TestStore, in_tx, on_each_database, on_each_lasting_database};
use crate::{args, principals, version_of};

async fn back_up(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    store.back_up(&mut out).await.expect("a backup");
    out
}

async fn restore_into(url: &str, bytes: &[u8]) -> Result<BackupSummary, StoreError> {
    restore(url, keys(), runtime(FaultPlan::none()), || Ok(bytes)).await
}

async fn is_untouched(url: &str) -> bool {
    version_of(url, &runtime(FaultPlan::none())).await == Ok(None)
}

/// The tables, without the header and the end.
fn body(bytes: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    lines[1..lines.len() - 1].to_vec()
}

/// The same backup with another header, its checksum right.
fn with_header(bytes: &[u8], change: impl Fn(&mut BackupHeader)) -> Vec<u8> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut header: BackupHeader = serde_json::from_slice(lines[0]).expect("a header");
    change(&mut header);
    let mut changed = serde_json::to_vec(&header).expect("JSON");
    changed.push(b'\n');
    changed.extend(lines[1..lines.len() - 1].concat());
    let mut end: EndLine = serde_json::from_slice(lines[lines.len() - 1]).expect("an end");
    let mut hash = Sha256::new();
    hash.update(&changed);
    end.sha256 = hex::encode(hash.finish());
    changed.extend(serde_json::to_vec(&end).expect("JSON"));
    changed.push(b'\n');
    changed
}

on_each_database! {
    async fn what_was_backed_up_is_restored_alike(store) {
        let (house, _) = &fill_everything(&store).await;
        let bytes = back_up(&store).await;
        let summary = verify(&bytes[..]).expect("whole");
        assert_eq!(summary.rows, body(&bytes).iter().filter(|line| line[0] == b'[').count() as u64);
        let url = store.another_url().await;
        assert_eq!(restore_into(&url, &bytes).await, Ok(summary));
        let restored = Store::open(&url, keys(), runtime(FaultPlan::none())).await.expect("opens");
        assert_eq!(body(&back_up(&restored).await), body(&bytes));
        let key = in_tx!(restored, tx => principals::of_public_key(tx, &house.public_key).await);
        let key = key.expect("a look-up").expect("a key");
        assert_eq!(key.ha1.expose(), "ha1 of the key");
        assert!(key.principal.owns(house.org_id));
        restored.close().await;
    }

    async fn secrets_stay_sealed(store) {
        fill_everything(&store).await;
        let text = String::from_utf8(back_up(&store).await).expect("text");
        for secret in ["ha1 of the key", "made up"] {
            assert!(!text.contains(secret) && !text.contains(&hex::encode(secret)), "{secret}");
        }
    }

    async fn a_damaged_backup_touches_nothing(store) {
        House::build(&store, 'a').await;
        let (bytes, url) = (back_up(&store).await, store.another_url().await);
        for length in [0, 1, bytes.len() / 3, bytes.len() - 2] {
            let refused = restore_into(&url, &bytes[..length]).await;
            assert!(matches!(refused, Err(StoreError::Backup { .. })), "{length}: {refused:?}");
        }
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(restore_into(&url, &damaged).await.is_err(), "byte {at}");
        }
        let mut longer = bytes.clone();
        longer.extend(b"[]\n");
        assert!(matches!(restore_into(&url, &longer).await, Err(StoreError::Backup { .. })));
        assert!(is_untouched(&url).await);
        assert!(restore_into(&url, &bytes).await.is_ok());
    }
}

on_each_lasting_database! {
    async fn what_does_not_fit_is_refused_by_name(store) {
        House::build(&store, 'a').await;
        let (bytes, url) = (back_up(&store).await, store.another_url().await);
        let other_key = KeyRing::new(&[8; 32], &[]);
        let refused = restore(&url, other_key, runtime(FaultPlan::none()), || Ok(&bytes[..])).await;
        let unknown = matches!(refused, Err(StoreError::Secret(SecurityError::UnknownKey { .. })));
        assert!(unknown, "{refused:?}");
        let newer = with_header(&bytes, |header| header.schema += 1);
        let refused = restore_into(&url, &newer).await;
        assert!(matches!(refused, Err(StoreError::NewerDatabase { .. })), "{refused:?}");
        let changed = with_header(&bytes, |header| header.migrations[0] = "0".into());
        let refused = restore_into(&url, &changed).await;
        assert_eq!(refused, Err(StoreError::MigrationChanged { version: 1 }));
        let other = with_header(&bytes, |header| header.portolan_backup = 2);
        assert!(matches!(restore_into(&url, &other).await, Err(StoreError::Backup { .. })));
        assert!(is_untouched(&url).await);
        let here = store.url.clone();
        let refused = restore_into(&here, &bytes).await;
        assert!(matches!(refused, Err(StoreError::NotEmpty { .. })), "{refused:?}");
        assert_eq!(body(&back_up(&store).await), body(&bytes));
    }

    async fn a_backup_is_of_one_moment(store) {
        // Two rows that every transaction changes together, while backups are taken.
        let insert = "INSERT INTO instance_secrets (name, secret, created_at) VALUES ($1, $2, 0)";
        let place = |name| portolan_security::Place { table: "instance_secrets", row: name, column: "secret" };
        in_tx!(store, tx => {
            for name in ["x", "y"] {
                let sealed = tx.seal(&place(name), b"s");
                tx.execute(insert, args![name, sealed]).await?;
            }
            Ok(())
        })
        .expect("two rows");
        let writer = store.store.clone();
        let runtime = store.runtime().clone();
        let writing = runtime.clone().spawn("writer", async move {
            for n in 1..=60_i64 {
                in_tx!(writer, tx => {
                    for name in ["y", "x"] {
                        let sql = "UPDATE instance_secrets SET created_at = $1 WHERE name = $2";
                        tx.execute(sql, args![n, name]).await?;
                    }
                    Ok(())
                })
                .expect("written");
            }
        });
        for _ in 0..20 {
            let bytes = back_up(&store).await;
            let rows: Vec<serde_json::Value> = body(&bytes)
                .into_iter()
                .map(|line| serde_json::from_slice(line).expect("JSON"))
                .filter(|row: &serde_json::Value| row[0] == "x" || row[0] == "y")
                .collect();
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0][2], rows[1][2], "half of a transaction");
        }
        writing.await.expect("no panic");
    }

    async fn only_this_programs_schema_is_backed_up(store) {
        let newer = "INSERT INTO schema_migrations VALUES (99999, 'future', '', 0)";
        in_tx!(store, tx => tx.execute(newer, args![]).await).expect("a row");
        let refused = store.back_up(&mut Vec::new()).await;
        assert!(matches!(refused, Err(StoreError::NewerDatabase { .. })), "{refused:?}");
        let older = "DELETE FROM schema_migrations WHERE version > 2";
        in_tx!(store, tx => tx.execute(older, args![]).await).expect("rows");
        let refused = store.back_up(&mut Vec::new()).await;
        assert!(matches!(refused, Err(StoreError::OlderDatabase { found: 2, .. })), "{refused:?}");
        let refused = Store::open_as_is(&store.url, keys(), runtime(FaultPlan::none())).await;
        assert!(matches!(refused, Err(StoreError::OlderDatabase { found: 2, .. })), "{refused:?}");
    }
}

/// From either database into the other.
#[tokio::test]
#[ignore = "needs a PostgreSQL server: cargo xtask conformance --only postgres"]
async fn a_backup_changes_databases_on_postgres() {
    let plan = FaultPlan::none;
    let (sqlite, postgres) = (TestStore::sqlite(plan()).await, TestStore::postgres(plan()).await);
    for (from, to) in [(&sqlite, &postgres), (&postgres, &sqlite)] {
        fill_everything(from).await;
        let (bytes, url) = (back_up(from).await, to.another_url().await);
        restore_into(&url, &bytes).await.expect("restored");
        let restored = Store::open_as_is(&url, keys(), runtime(plan())).await.expect("opens");
        assert_eq!(body(&back_up(&restored).await), body(&bytes));
        restored.close().await;
    }
}
