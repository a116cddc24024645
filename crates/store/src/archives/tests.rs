//! Tests of archives.

use portolan_model::{
    ArchiveEvent, CollectionType, DataProcessRegion, DateFormat, PartitionField,
    PartitionFieldType, ProjectId, Schedule, SuspendReason, TimeOfDay, Window,
};

use super::*;
use crate::events::{self, EventFilter};
use crate::tests::fixture::{House, system};
use crate::tests::{in_tx, on_each_database};
use crate::{ErrorKind, jobs};

const CLUSTER: ClusterId = ClusterId::new([9; 12]);

pub(crate) fn archive(id: u8, project_id: ProjectId) -> StoredArchive {
    let field = |name: &str, order| PartitionField { name: name.into(), order, field_type: None };
    let archive = OnlineArchive {
        id: ArchiveId::new([id; 12]),
        project_id,
        cluster_id: CLUSTER,
        cluster_name: "Cluster0".into(),
        namespace: Namespace::new("sales", "orders").expect("a right name"),
        collection_type: CollectionType::Standard,
        criteria: Criteria::Date {
            field: "at".into(),
            format: DateFormat::EpochNanos,
            expire_after_days: i32::MAX,
        },
        criteria_version: 1,
        partition_fields: vec![field("at", 0), field("a.\"b", 3)],
        expire_after_days: Some(9215),
        region: DataProcessRegion::default(),
        schedule: Schedule::Default,
        state: ArchiveState::Pending,
        table_uri: format!("file:///archives/{id}"),
        created_at: i64::from(id),
        deleted_at: None,
    };
    let hold = None;
    let (level, expiry_set_at) = (GuardLevel::L1, Some(3));
    StoredArchive { archive, level, expiry_set_at, rules_version: 1, hold, purging_at: None }
}

fn window() -> Window {
    let time = |hour, minute| TimeOfDay { hour, minute };
    Window::new(time(22, 30), time(3, 0)).expect("long enough")
}

on_each_database! {
    async fn archives_are_read_back_as_written(store) {
        let house = &House::build(&store, 'a').await;
        let mut custom = archive(2, house.project_id);
        custom.archive.criteria = Criteria::Custom { query: "{\"a\":1}".into() };
        custom.archive.collection_type = CollectionType::TimeSeries;
        custom.archive.schedule = Schedule::Monthly(window(), 31);
        custom.archive.state = ArchiveState::Suspended(SuspendReason::SourceOlder);
        custom.archive.expire_after_days = None;
        let (date, custom) = (&archive(1, house.project_id), &custom);
        in_tx!(store, tx => {
            insert(tx, &house.project(), date).await?;
            insert(tx, &house.project(), custom).await
        })
        .expect("two archives");
        let listed = in_tx!(store, tx => list(tx, &house.project(), CLUSTER, Page::ALL).await);
        assert_eq!(listed.expect("a list").items, vec![date.clone(), custom.clone()]);
        let newest = in_tx!(store, tx => work::list_of_cluster(tx, &system(), CLUSTER).await);
        assert_eq!(newest.expect("a list")[0], *custom);
    }

    async fn an_archive_is_due_from_its_beginning_and_while_it_may_run(store) {
        let house = &House::build(&store, 'a').await;
        let stored = &archive(1, house.project_id);
        let id = stored.archive.id;
        in_tx!(store, tx => insert(tx, &house.project(), stored).await).expect("an archive");
        let now_ms = store.runtime().now_ms();
        let due = async || in_tx!(store, tx => jobs::due(tx, &system(), now_ms, now_ms).await);
        assert_eq!(due().await, Ok(vec![id]));
        let later = &jobs::ArchiveJob {
            due_at: now_ms + 1,
            ..in_tx!(store, tx => jobs::get(tx, id).await).expect("read").expect("a job")
        };
        in_tx!(store, tx => jobs::save(tx, later).await).expect("later");
        assert_eq!(due().await, Ok(vec![]));
        in_tx!(store, tx => jobs::wake(tx, id).await).expect("woken");
        for (event, wanted) in [
            (ArchiveEvent::RunStarted, true),
            (ArchiveEvent::PauseRequested, true),
            // Paused: it is noticed when its collection goes.
            (ArchiveEvent::RunEnded, true),
            (ArchiveEvent::Resumed, true),
            (ArchiveEvent::Suspended(SuspendReason::SourceOlder), false),
        ] {
            in_tx!(store, tx => work::advance(tx, &system(), id, event).await)
                .expect("read")
                .expect("allowed");
            assert_eq!(due().await.expect("read").contains(&id), wanted, "{event:?}");
        }
        in_tx!(store, tx => work::advance(tx, &system(), id, ArchiveEvent::Deleted).await)
            .expect("read")
            .expect("allowed");
        let end = store.runtime().now_ms();
        let purge = in_tx!(store, tx => jobs::due(tx, &system(), end, end).await);
        assert_eq!(purge, Ok(vec![id]));
        in_tx!(store, tx => work::forget(tx, &system(), id).await).expect("forgotten");
        assert_eq!(in_tx!(store, tx => jobs::get(tx, id).await), Ok(None));
    }

    async fn updates_keep_what_is_fixed(store) {
        let house = &House::build(&store, 'a').await;
        let before = &archive(1, house.project_id);
        let mut after = before.clone();
        after.archive.criteria = Criteria::Date {
            field: "at".into(),
            format: DateFormat::EpochNanos,
            expire_after_days: 0,
        };
        after.archive.criteria_version = 2;
        after.archive.schedule = Schedule::Weekly(window(), 7);
        after.archive.state = ArchiveState::Paused;
        after.archive.expire_after_days = None;
        after.expiry_set_at = None;
        let after = &after;
        in_tx!(store, tx => {
            insert(tx, &house.project(), before).await?;
            update(tx, &house.project(), after).await
        })
        .expect("changed");
        let id = before.archive.id;
        let found = in_tx!(store, tx => fetch(tx, &house.project(), CLUSTER, id).await);
        assert_eq!(found, Ok(Some(after.clone())));
    }

    async fn deleted_archives_are_for_workers_alone(store) {
        let (a, b) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let stored = &archive(1, a.project_id);
        let id = stored.archive.id;
        in_tx!(store, tx => insert(tx, &a.project(), stored).await).expect("new");
        let foreign = in_tx!(store, tx => delete(tx, &b.project(), id).await);
        assert_eq!(foreign.expect_err("not theirs").kind(), ErrorKind::Missing);
        let name = &stored.archive.namespace;
        let there = in_tx!(store, tx => on_namespace(tx, &a.project(), CLUSTER, name).await);
        assert_eq!(there.expect("a list").len(), 1);
        in_tx!(store, tx => delete(tx, &a.project(), id).await).expect("deleted");
        assert_eq!(in_tx!(store, tx => count_of_project(tx, &a.project()).await), Ok(0));
        let hidden = in_tx!(store, tx => fetch(tx, &a.project(), CLUSTER, id).await);
        assert_eq!(hidden, Ok(None));
        let seen = in_tx!(store, tx => work::fetch(tx, &system(), id).await);
        let seen = seen.expect("a look-up").expect("kept").archive;
        assert_eq!(seen.state, ArchiveState::Deleted);
        assert!(seen.deleted_at.is_some());
        let siblings =
            in_tx!(store, tx => work::list_of_collection(tx, &system(), CLUSTER, name).await);
        assert_eq!(siblings.expect("a list").len(), 1);
        assert_eq!(in_tx!(store, tx => work::begin_purge(tx, &system(), id).await), Ok(true));
        let siblings =
            in_tx!(store, tx => work::list_of_collection(tx, &system(), CLUSTER, name).await);
        assert_eq!(siblings, Ok(Vec::new()));
        in_tx!(store, tx => work::forget(tx, &system(), id).await).expect("forgotten");
        assert_eq!(in_tx!(store, tx => work::fetch(tx, &system(), id).await), Ok(None));
    }

    async fn states_advance_by_the_table(store) {
        let house = &House::build(&store, 'a').await;
        let stored = &archive(1, house.project_id);
        let id = stored.archive.id;
        in_tx!(store, tx => insert(tx, &house.project(), stored).await).expect("new");
        let next = in_tx!(store, tx => {
            work::advance(tx, &system(), id, ArchiveEvent::RunStarted).await
        });
        assert_eq!(next, Ok(Ok(ArchiveState::Archiving)));
        let refused = in_tx!(store, tx => {
            work::advance(tx, &system(), id, ArchiveEvent::Resumed).await
        });
        assert!(refused.expect("an answer").is_err());
        let reason = SuspendReason::TableOlder;
        let next = in_tx!(store, tx => {
            work::advance(tx, &system(), id, ArchiveEvent::Suspended(reason)).await
        });
        assert_eq!(next, Ok(Ok(ArchiveState::Suspended(reason))));
        let filter = &EventFilter::default();
        let events = in_tx!(store, tx => {
            events::list_of_project(tx, &house.project(), filter, Page::ALL).await
        });
        let mut told: Vec<_> = events.expect("a list").items;
        told.sort_by_key(|event| event.id);
        let names: Vec<_> = told.iter().map(|event| event.type_name.as_str()).collect();
        assert_eq!(names, ["ONLINE_ARCHIVE_ACTIVE", "ONLINE_ARCHIVE_PAUSED"]);
        assert_eq!(told[1].target["reason"], "TABLE_OLDER");
        assert_eq!(told[1].actor_kind, "SYSTEM");
        let seen = in_tx!(store, tx => work::fetch(tx, &system(), id).await);
        let state = seen.expect("a look-up").expect("kept").archive.state;
        assert_eq!(state, ArchiveState::Suspended(reason));
    }

    async fn alerts_are_events(store) {
        use work::ArchiveAlert::{IndexFound, IndexMissing, UpToDate, WindowsFull};
        let house = &House::build(&store, 'a').await;
        let stored = &archive(1, house.project_id);
        let id = stored.archive.id;
        in_tx!(store, tx => insert(tx, &house.project(), stored).await).expect("new");
        in_tx!(store, tx => {
            for alert in [IndexMissing("make it"), IndexFound, WindowsFull(3), UpToDate] {
                work::alert(tx, &system(), id, alert).await?;
            }
            Ok::<_, StoreError>(())
        })
        .expect("told");
        let filter = &EventFilter::default();
        let events = in_tx!(store, tx => {
            events::list_of_project(tx, &house.project(), filter, Page::ALL).await
        });
        let mut told: Vec<_> = events.expect("a list").items;
        told.sort_by_key(|event| event.id);
        let names: Vec<_> = told.iter().map(|event| event.type_name.as_str()).collect();
        let expected = [
            "ONLINE_ARCHIVE_INSUFFICIENT_INDEXES_CHECK",
            "ONLINE_ARCHIVE_INSUFFICIENT_INDEXES_RESOLVED",
            "ONLINE_ARCHIVE_MAX_CONSECUTIVE_OFFLOAD_WINDOWS_CHECK",
            "ONLINE_ARCHIVE_UP_TO_DATE",
        ];
        assert_eq!(names, expected);
        assert_eq!((&told[0].target["createIndex"], &told[2].target["windows"]), (&"make it".into(), &"3".into()));
        assert_eq!(told[1].target["archiveId"], id.to_string());
    }

    async fn partition_types_are_found_once(store) {
        let house = &House::build(&store, 'a').await;
        let stored = &archive(1, house.project_id);
        let id = stored.archive.id;
        in_tx!(store, tx => insert(tx, &house.project(), stored).await).expect("new");
        for kind in [PartitionFieldType::Date, PartitionFieldType::String] {
            let found = &[("at".to_owned(), kind)];
            in_tx!(store, tx => work::set_partition_types(tx, &system(), id, found).await)
                .expect("recorded");
        }
        let seen = in_tx!(store, tx => work::fetch(tx, &system(), id).await);
        let fields = seen.expect("a look-up").expect("kept").archive.partition_fields;
        let types: Vec<_> = fields.iter().map(|field| field.field_type).collect();
        assert_eq!(types, [Some(PartitionFieldType::Date), None]);
    }

    async fn a_cluster_takes_its_archives_along(store) {
        let house = &House::build(&store, 'a').await;
        for id in [1, 2] {
            let stored = &archive(id, house.project_id);
            in_tx!(store, tx => insert(tx, &house.project(), stored).await).expect("new");
        }
        let gone = in_tx!(store, tx => delete_of_cluster(tx, &house.project(), CLUSTER).await);
        assert_eq!(gone, Ok(2));
        assert_eq!(in_tx!(store, tx => count_of_project(tx, &house.project()).await), Ok(0));
    }
}
