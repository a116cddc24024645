//! Bringing old schemas with rows up to date. `fixtures/NNNN.jsonl` is a backup at schema version N; the
//! state of each version in between comes from the newest fixture before it. To add one for the newest
//! version, at a release: `PORTOLAN_UPDATE_FIXTURES=1 cargo test -p portolan-store fixture`.

use std::path::PathBuf;

use portolan_model::OrgRole;
use portolan_runtime::FaultPlan;

use super::fixture::fill_everything;
use super::on_each_database;
use super::support::{keys, runtime};
use crate::{Store, StoreError, backup, migrate, organizations, principals};

fn path(version: i64) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{version:04}.jsonl"))
}

/// The newest fixture of at most that version.
fn fixture(version: i64) -> Vec<u8> {
    let paths = (1..=version).rev().map(path);
    let found = paths.into_iter().find_map(|path| std::fs::read(path).ok());
    found.expect("version 1 has a fixture")
}

/// A database at `version`, filled from a fixture.
async fn at_version(url: &str, version: i64) -> Store {
    let store = Store::connect(url, keys(), runtime(FaultPlan::none())).await.expect("connected");
    let bytes = fixture(version);
    backup::load(&store, &bytes[..]).await.expect("loaded");
    step_to(&store, version).await;
    store
}

async fn step_to(store: &Store, version: i64) {
    store
        .migrate_tx(move |tx| Box::pin(migrate::up_to(tx, version)))
        .await
        .expect("brought up to it");
}

async fn still_works(store: &Store) {
    let public_key = "aaaaaaaa";
    let found = store
        .read_tx::<_, StoreError, _>("test.key", |tx| {
            Box::pin(principals::of_public_key(tx, public_key))
        })
        .await
        .expect("a look-up")
        .expect("the key of the fixture");
    assert_eq!(found.ha1.expose(), "ha1 of the key");
    let (org, role) = found.principal.grants.orgs[0];
    assert_eq!(role, OrgRole::Owner);
    let names = store
        .read_tx::<_, StoreError, _>("test.orgs", |tx| {
            let system = super::fixture::system();
            Box::pin(async move {
                organizations::get(tx, &system.in_org(org)).await.map(|found| found.name)
            })
        })
        .await;
    assert_eq!(names.as_deref(), Ok("Org a Ünit_1"));
    assert!(store.check_secrets().await.expect("they open") > 0);
}

on_each_database! {
    async fn every_version_with_rows_is_brought_up_to_date(store) {
        for version in 1..=migrate::newest() {
            let url = store.another_url().await;
            let old = at_version(&url, version).await;
            old.close().await;
            let refused = Store::open_as_is(&url, keys(), runtime(FaultPlan::none())).await;
            assert_eq!(refused.is_err(), version < migrate::newest(), "version {version}");
            let new = Store::open(&url, keys(), runtime(FaultPlan::none())).await.expect("opens");
            still_works(&new).await;
            let mut out = Vec::new();
            new.back_up(&mut out).await.expect("it can be backed up");
            new.close().await;
        }
    }

    async fn a_backup_of_an_old_version_is_restored_and_brought_up_to_date(store) {
        for version in 1..=migrate::newest() {
            let Ok(bytes) = std::fs::read(path(version)) else { continue };
            let url = store.another_url().await;
            let runtime = runtime(FaultPlan::none());
            backup::restore(&url, keys(), runtime.clone(), || Ok(&bytes[..])).await.expect("restored");
            let new = Store::open_as_is(&url, keys(), runtime).await.expect("it is current");
            still_works(&new).await;
            new.close().await;
        }
    }

    async fn an_upgrade_cut_off_starts_again(store) {
        let url = store.another_url().await;
        at_version(&url, 1).await.close().await;
        let faults = FaultPlan::none().with("store.migrate", 1, portolan_runtime::Fate::FailsBefore);
        let cut_off = Store::open(&url, keys(), runtime(faults)).await;
        assert!(matches!(cut_off, Err(StoreError::Unknown { .. })), "{cut_off:?}");
        let new = Store::open(&url, keys(), runtime(FaultPlan::none())).await.expect("opens");
        still_works(&new).await;
        new.close().await;
    }
}

/// Fixtures are whole backups of the version that their name says.
#[tokio::test]
async fn fixtures_are_what_their_names_say() {
    if std::env::var_os("PORTOLAN_UPDATE_FIXTURES").is_some() {
        write_missing().await;
    }
    let mut count = 0;
    for version in 1..=migrate::newest() {
        let Ok(bytes) = std::fs::read(path(version)) else { continue };
        assert_eq!(backup::verify(&bytes[..]).expect("whole").header.schema, version);
        count += 1;
    }
    assert!(count >= 3, "{count} fixtures");
}

async fn write_missing() {
    for version in (1..=migrate::newest()).filter(|version| !path(*version).exists()) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = crate::scratch::sqlite_url(folder.path());
        let store = Store::connect(&url, keys(), runtime(FaultPlan::none())).await.expect("new");
        step_to(&store, version).await;
        fill_everything(&store).await;
        let mut out = Vec::new();
        store.back_up_at(version, &mut out).await;
        std::fs::write(path(version), out).expect("written");
    }
}

#[test]
fn histories_are_compared() {
    let newest = migrate::newest();
    let long = vec![String::new(); 3];
    assert!(matches!(
        migrate::check_history(newest + 1, &long),
        Err(StoreError::NewerDatabase { .. })
    ));
    assert_eq!(migrate::check_history(1, &long), Err(StoreError::MigrationChanged { version: 1 }));
}
