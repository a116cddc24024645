//! A table's life: created once, moved into, confirmed, rewritten, dropped.

use std::collections::HashSet;

use super::*;

#[tokio::test]
async fn creating_is_idempotent_for_the_owner_only() {
    for fixture in Fixture::everywhere(spec()).await {
        let (location, uri) = (&fixture.location, fixture.table.uri());
        let runtime = Runtime::system();
        let again = Table::create(location, uri, &spec(), &runtime).await.unwrap();
        assert_eq!(again.spec(), &spec());
        let foreign = TableSpec { owner: "another".into(), ..spec() };
        let refused = Table::create(location, uri, &foreign, &runtime).await;
        assert!(matches!(refused, Err(LakeError::Conflict(_))));
        let version = again.load().await.unwrap();
        assert_eq!(
            (version.number, version.fence, version.committed, version.confirmed),
            (0, 0, 0, 0)
        );
        assert_eq!((version.fence_token, version.foreign, version.config_version), (None, None, 3));
    }
}

#[tokio::test]
async fn creating_survives_a_lost_reply() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location::folder(dir.path()).unwrap();
    let runtime =
        Runtime::system().with_faults(FaultPlan::parse("lake.create=reply_lost").unwrap());
    let uri = location.table_uri(NAME);
    Table::create(&location, &uri, &spec(), &runtime).await.unwrap();
    assert!(Table::open(&location, &uri, &runtime).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_creates_an_object_once_and_keeps_no_probe() {
    let fixture = Fixture::new(spec()).await;
    fixture.location.probe(&Runtime::system()).await.unwrap();
    assert_eq!(std::fs::read_dir(fixture.dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn only_names_of_tables_are_opened() {
    for fixture in Fixture::everywhere(spec()).await {
        let root = fixture.location.table_uri("");
        for bad in ["", "..", "../x", "a/b", "a%2fb", "_delta_log"] {
            let opened =
                Table::open(&fixture.location, &format!("{root}{bad}"), &Runtime::system()).await;
            assert!(matches!(opened, Err(LakeError::Invalid(_))), "{bad}");
        }
        let absent = fixture.location.table_uri("absent");
        assert!(
            Table::open(&fixture.location, &absent, &Runtime::system()).await.unwrap().is_none()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirm_drops_kept_and_superseded_rows_and_keeps_places() {
    for fixture in Fixture::everywhere(spec()).await {
        let table = &fixture.table;
        table.commit(&fence(1)).await.unwrap();
        fixture.archive(1, orders(0, 100)).await;
        // Move 2 has newer versions of documents 0 to 9; documents 100 to 104 stay in the cluster.
        let mut newer = orders(0, 10);
        newer.iter_mut().for_each(|doc| doc.append(bson::cstr!("v"), 2));
        newer.extend(orders(100, 20));
        fixture.append(2, newer.clone()).await;
        let version = table.load().await.unwrap();
        let moved: HashSet<Vec<u8>> = newer[..10].iter().map(|doc| identity(doc)).collect();
        let older = table.find_identities(&version, (&moved, None), 2).await.unwrap();
        assert_eq!(older.len(), 10);
        assert!(older.iter().all(|row| row.seq == 1 && moved.contains(&row.identity)));
        let kept = newer[10..15].iter().map(|doc| (2, identity(doc)));
        let drop: HashSet<_> =
            older.iter().map(|row| (row.seq, row.identity.clone())).chain(kept).collect();

        let staged = table.rewrite_without(&version, &version.files, &drop).await.unwrap();
        table.verify(&staged).await.unwrap();
        let change = confirm(2, 1, version.files.clone(), staged.files.clone());
        table.commit(&change).await.unwrap();
        let rows = fixture.rows().await;
        assert_eq!(rows.len(), 100 - 10 + 10 + 15);
        let identities: HashSet<_> = rows.iter().map(|row| identity(&row.doc)).collect();
        assert_eq!(identities.len(), rows.len(), "each document once");
        assert_eq!(rows.iter().filter(|row| row.seq == 2).count(), 25);
        let version = table.load().await.unwrap();
        assert_eq!((version.committed, version.confirmed, version.config_version), (2, 2, 4));
        let again = table.rewrite_without(&version, &[older_file()], &drop).await;
        assert!(matches!(again, Err(LakeError::InputGone { .. })));
    }
}

fn older_file() -> DataFile {
    DataFile::new("month=2024-01/gone.parquet".into(), 1, None, 0, stats::FileStats::default())
}

#[tokio::test]
async fn a_file_that_loses_all_rows_gets_no_successor() {
    for fixture in Fixture::everywhere(spec()).await {
        let table = &fixture.table;
        table.commit(&fence(1)).await.unwrap();
        let docs = orders(0, 60);
        fixture.append(1, docs.clone()).await;
        let version = table.load().await.unwrap();
        let drop = docs.iter().map(|doc| (1, identity(doc))).collect();
        let staged = table.rewrite_without(&version, &version.files, &drop).await.unwrap();
        assert!(staged.files.is_empty());
        table.verify(&staged).await.unwrap();
        table.commit(&confirm(1, 1, version.files, vec![])).await.unwrap();
        let version = table.load().await.unwrap();
        assert!(version.files.is_empty());
        assert_eq!(table.batches(&version, 1).await.unwrap(), 0);
        assert!(fixture.rows().await.is_empty());
    }
}

#[tokio::test]
async fn an_upload_whose_fate_is_unknown_gets_another_name() {
    let fixture = Fixture::new(TableSpec { month: None, ..spec() }).await;
    let table = fixture.with_faults(FaultPlan::parse("lake.upload=reply_lost").unwrap()).await;
    let staged = table.stage(StageRequest::new(1, 1, 0), orders(0, 5)).await.unwrap();
    let objects = std::fs::read_dir(fixture.path("")).unwrap();
    let names: Vec<_> =
        objects.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let parts: Vec<_> = names.iter().filter(|name| name.starts_with("part-")).collect();
    assert_eq!((staged.files.len(), parts.len()), (1, 2));
    table.verify(&staged).await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_keeps_files_and_numbers() {
    let fixture = Fixture::new(spec()).await;
    let table = &fixture.table;
    table.commit(&fence(1)).await.unwrap();
    for seq in 1..=11 {
        fixture.archive(seq, orders(seq as i32 * 100, 5)).await;
    }
    assert!(fixture.path("_delta_log/_last_checkpoint").exists());
    let fresh = fixture.with_faults(FaultPlan::none()).await.load().await.unwrap();
    assert_eq!((fresh.number, fresh.fence, fresh.committed, fresh.confirmed), (23, 1, 11, 11));
    assert_eq!(fresh.fence_token, Some(token(1)));
    assert_eq!(fresh.files.iter().map(|file| file.rows).sum::<u64>(), 55);
    assert!(fresh.files.iter().all(|file| file.id_range.is_some() && file.seq_min == file.seq_max));
    assert_eq!(fixture.rows().await.len(), 55);
}

#[tokio::test]
async fn a_purged_table_is_neither_opened_nor_made_again_until_it_was_swept() {
    let fixture = Fixture::new(spec()).await;
    let (location, uri, runtime) = (&fixture.location, fixture.table.uri(), Runtime::system());
    fixture.table.commit(&fence(1)).await.unwrap();
    fixture.append(1, orders(0, 100)).await;
    assert!(matches!(location.sweep_table(uri, &runtime).await, Err(LakeError::Conflict(_))));
    assert!(location.drop_table(uri, &runtime).await.unwrap() >= 4);
    assert!(Table::open(location, uri, &runtime).await.unwrap().is_none());
    let again = Table::create(location, uri, &spec(), &runtime).await;
    assert!(matches!(again, Err(LakeError::Conflict(_))));
    // A worker that slept since then writes into the empty folder.
    std::fs::create_dir_all(fixture.path("_delta_log")).unwrap();
    std::fs::write(fixture.path("_delta_log/00000000000000000011.json"), "{}").unwrap();
    assert!(Table::open(location, uri, &runtime).await.unwrap().is_none());
    assert_eq!(location.drop_table(uri, &runtime).await.unwrap(), 1, "repeated");
    assert_eq!(location.sweep_table(uri, &runtime).await.unwrap(), 0);
    assert!(!location.is_purged(uri, &runtime).await.unwrap());
}
