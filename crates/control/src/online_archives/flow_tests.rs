//! Archives on a store: creation, clashes, limits, deletion, ports, jobs, events.

use portolan_api_types::online_archive::{parse_create, parse_update};
use portolan_api_types::{ErrorCode, Paging};
use portolan_cluster::{CollectionInfo, CollectionKind, Probe};
use portolan_model::{
    ArchiveEvent, ArchiveId, ArchiveState, JobId, Limits, Namespace, OnlineArchive,
};
use portolan_store::archives::work;
use portolan_store::{StoreError, jobs, runs};
use serde_json::{Value, json};

use crate::clusters::SYSTEM;
use crate::clusters::fixture::{House, fields};
use crate::hosts::fake::sandbox_probe;
use crate::{Caller, ControlError};

fn body(collection: &str) -> Value {
    json!({
        "dbName": "sales",
        "collName": collection,
        "criteria": { "dateField": "at", "expireAfterDays": 30 },
    })
}

async fn create_on(
    house: &House,
    cluster: &str,
    body: &Value,
) -> Result<OnlineArchive, ControlError> {
    let draft = parse_create(fields(body)).expect("a right body");
    house.control.create_archive(&house.owner, house.project_id, cluster, draft).await
}

async fn create(house: &House, body: &Value) -> Result<OnlineArchive, ControlError> {
    create_on(house, "C", body).await
}

async fn update(house: &House, id: ArchiveId, body: Value) -> Result<OnlineArchive, ControlError> {
    let patch = parse_update(fields(&body)).expect("a right body");
    house.control.update_archive(&house.owner, house.project_id, "C", id, patch).await
}

async fn advance(house: &House, id: ArchiveId, events: &[ArchiveEvent]) {
    for event in events {
        house.happen(id, *event).await;
    }
}

async fn run_once(house: &House, id: ArchiveId) {
    advance(house, id, &[ArchiveEvent::RunStarted, ArchiveEvent::RunEnded]).await;
}

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> ErrorCode {
    result.expect_err("must be refused").code()
}

async fn event_types(house: &House) -> Vec<String> {
    house.events().await.into_iter().map(|event| event.type_name).collect()
}

#[tokio::test]
async fn creation_writes_archive_job_ports_and_event() {
    let house = House::build().await;
    house.cluster("C").await;
    let wakes = house.host.wakes();
    let archive = create(&house, &body("orders")).await.expect("created");
    assert_eq!(archive.state, ArchiveState::Pending);
    assert_eq!(archive.table_uri, format!("memory:///archives/{}", archive.id));
    assert!(house.host.wakes() > wakes && house.host.endpoint_changes() > 0);
    let id = archive.id;
    let job: Result<_, StoreError> =
        house.control.store.read_tx("test.job", |tx| Box::pin(jobs::get(tx, id))).await;
    let job = job.expect("a look-up").expect("a first job");
    assert!(job.due_at <= house.control.runtime.now_ms());
    let (control, owner) = (&house.control, &house.owner);
    let strings = control.connection_strings(owner, house.project_id, "C").await.expect("strings");
    let (archive_string, union) = (strings.archive.unwrap(), strings.cluster_and_archive.unwrap());
    assert!(archive_string.starts_with("mongodb://<db_username>:<db_password>@localhost:"));
    assert_ne!(archive_string, union);
    assert_eq!(event_types(&house).await[0], "ONLINE_ARCHIVE_CREATED");
    create(&house, &body("others")).await.expect("a second one");
    let again = control.connection_strings(owner, house.project_id, "C").await.expect("strings");
    assert_eq!(again.archive, Some(archive_string), "a port is for life");
}

#[tokio::test]
async fn one_active_archive_per_collection() {
    let house = House::build().await;
    house.cluster("C").await;
    let first = create(&house, &body("orders")).await.expect("created");
    let same = create(&house, &body("orders")).await;
    assert_eq!(code(same), ErrorCode::OnlineArchiveAlreadyExists);
    let mut other = body("orders");
    other["criteria"]["expireAfterDays"] = json!(31);
    assert_eq!(code(create(&house, &other).await), ErrorCode::NamespaceHasOnlineArchive);
    run_once(&house, first.id).await;
    let paused = update(&house, first.id, json!({ "paused": true })).await.expect("paused");
    assert_eq!(paused.state, ArchiveState::Paused);
    let second = create(&house, &body("orders")).await.expect("the first one is paused");
    let resumed = update(&house, first.id, json!({ "state": "ACTIVE" })).await;
    assert_eq!(code(resumed), ErrorCode::NamespaceHasOnlineArchive);
    let (control, owner) = (&house.control, &house.owner);
    control.delete_archive(owner, house.project_id, "C", second.id).await.expect("deleted");
    let resumed = update(&house, first.id, json!({ "paused": false })).await.expect("resumed");
    assert_eq!(resumed.state, ArchiveState::Idle);
}

#[tokio::test]
async fn an_archive_may_start_paused() {
    let house = House::build().await;
    house.cluster("C").await;
    let mut paused = body("orders");
    paused["paused"] = json!(true);
    let archive = create(&house, &paused).await.expect("created");
    assert_eq!(archive.state, ArchiveState::Paused);
}

#[tokio::test]
async fn limits_count_active_and_all() {
    let limits =
        Limits { archives_per_cluster: 3, active_archives_per_cluster: 2, ..Limits::default() };
    let house = House::with_limits(limits).await;
    house.cluster("C").await;
    for name in ["a", "b"] {
        create(&house, &body(name)).await.expect("created");
    }
    let third = create(&house, &body("c")).await.expect_err("two are active");
    assert!(third.problem().detail.contains("2 active online archives"), "{third}");
    let mut paused = body("c");
    paused["paused"] = json!(true);
    let waiting = create(&house, &paused).await.expect("paused ones do not count");
    assert!(update(&house, waiting.id, json!({ "paused": false })).await.is_err());
    paused["collName"] = json!("d");
    let fourth = create(&house, &paused).await.expect_err("three in all");
    assert!(fourth.problem().detail.contains("3 online archives"), "{fourth}");
}

fn add_collection(house: &House, name: &str, kind: CollectionKind, capped: bool) {
    let info = CollectionInfo { name: name.into(), uuid: None, kind, capped, shard_key: None };
    house.host.add_collection(Namespace::new("sales", name).unwrap(), info);
}

#[tokio::test]
async fn what_the_cluster_cannot_have_is_refused() {
    let house = House::build().await;
    house.cluster("C").await;
    let field = |result: Result<OnlineArchive, ControlError>| {
        result.expect_err("must be refused").problem().fields[0].field.clone()
    };
    let mut series = body("orders");
    series["collectionType"] = json!("TIMESERIES");
    assert_eq!(field(create(&house, &series).await), "collectionType");
    let mut azure = body("orders");
    azure["dataProcessRegion"] = json!({ "cloudProvider": "AZURE", "region": "US_EAST_2" });
    assert_eq!(field(create(&house, &azure).await), "dataProcessRegion.cloudProvider");
    let mut filter = body("orders");
    filter["criteria"] = json!({ "type": "CUSTOM", "query": "{\"a\":{\"$bogus\":1}}" });
    assert_eq!(field(create(&house, &filter).await), "criteria.query");
    for (name, kind, capped) in
        [("log", CollectionKind::Collection, true), ("view", CollectionKind::View, false)]
    {
        add_collection(&house, name, kind, capped);
        assert_eq!(field(create(&house, &body(name)).await), "collName");
    }
    let list = house.control.list_archives(&house.owner, house.project_id, "C", Paging::default());
    assert_eq!(list.await.expect("a list").total, 0, "a refusal writes nothing");
}

#[tokio::test]
async fn time_series_are_refused_by_name() {
    let house = House::build().await;
    house.cluster("C").await;
    add_collection(&house, "weather", CollectionKind::TimeSeries, false);
    let refused = create(&house, &body("weather")).await.expect_err("a time-series collection");
    assert_eq!(refused.problem().code, ErrorCode::FeatureUnsupported);
    let probe = Probe { time_series: true, ..sandbox_probe() };
    house.host.answer_probe(Ok(probe));
    let live = json!({ "name": "Measuring", "connectionString": "mongodb://u:secret@db1/" });
    house.attach(live).await.expect("attached");
    let mut series = body("weather");
    series["collectionType"] = json!("TIMESERIES");
    let refused = create_on(&house, "Measuring", &series).await.expect_err("time series");
    assert_eq!(refused.problem().code, ErrorCode::FeatureUnsupported);
}

#[tokio::test]
async fn a_provider_without_storage_is_refused() {
    let house = House::build().await;
    let specs = json!([{ "regionConfigs": [
        { "providerName": "GCP", "regionName": "CENTRAL_US" }
    ] }]);
    house.create(json!({ "name": "G", "replicationSpecs": specs })).await.expect("created");
    let mut gcp = body("orders");
    gcp["dataProcessRegion"] = json!({ "cloudProvider": "GCP", "region": "CENTRAL_US" });
    let refused = create_on(&house, "G", &gcp).await.expect_err("no location");
    assert_eq!(refused.problem().fields[0].field, "dataProcessRegion");
}

#[tokio::test]
async fn deletion_is_final_for_clients() {
    let house = House::build().await;
    house.cluster("C").await;
    let id = create(&house, &body("orders")).await.expect("created").id;
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    control.delete_archive(owner, project_id, "C", id).await.expect("deleted");
    let again = control.delete_archive(owner, project_id, "C", id).await;
    let problem = again.expect_err("gone").problem().clone();
    assert_eq!(problem.code, ErrorCode::ResourceNotFound);
    assert_eq!(problem.detail, format!("Cannot find resource Online archive with id {id}."));
    let list = control.list_archives(owner, project_id, "C", Paging::default()).await;
    assert_eq!(list.expect("a list").total, 0);
    create(&house, &body("orders")).await.expect("the collection is free again");
}

#[tokio::test]
async fn roles_are_checked() {
    let house = House::build().await;
    house.cluster("C").await;
    let id = create(&house, &body("orders")).await.expect("created").id;
    let stranger: Caller = house.stranger();
    let seen = house.control.get_archive(&stranger, house.project_id, "C", id).await;
    assert_eq!(code(seen), ErrorCode::GroupNotFound);
    let mut reader = house.stranger();
    let role = portolan_model::ProjectRole::ReadOnly;
    reader.principal.grants.projects = vec![(house.project_id, role)];
    assert!(house.control.get_archive(&reader, house.project_id, "C", id).await.is_ok());
    let deleted = house.control.delete_archive(&reader, house.project_id, "C", id).await;
    assert_eq!(code(deleted), ErrorCode::UserUnauthorized);
}

#[tokio::test]
async fn a_cluster_takes_its_archives_with_it() {
    let house = House::build().await;
    house.cluster("C").await;
    let archive = create(&house, &body("orders")).await.expect("created");
    house.control.delete_cluster(&house.owner, house.project_id, "C").await.expect("submitted");
    let id = archive.id;
    let seen: Result<_, StoreError> = house
        .control
        .store
        .read_tx("test.fetch", |tx| Box::pin(work::fetch(tx, &SYSTEM, id)))
        .await;
    let seen = seen.expect("a look-up").expect("kept for the purge");
    assert_eq!(seen.archive.state, ArchiveState::Deleted);
}

#[tokio::test]
async fn runs_are_summed_and_listed() {
    let house = House::build().await;
    house.cluster("C").await;
    let archive = create(&house, &body("orders")).await.expect("created");
    let (id, level) = (archive.id, portolan_model::GuardLevel::L1);
    for number in 1..=2 {
        let mut run = runs::ArchiveRun::begin(JobId::new([number; 12]), id, level, 1_000);
        run.documents_moved = 10;
        run.enter("READ", 1_200);
        run.enter("DONE", 2_000);
        run.ended_at = Some(2_000);
        save(&house, &run).await;
    }
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    let details = control.archive_details(owner, project_id, "C", id).await.expect("details");
    assert_eq!((details.totals.documents, details.totals.runs), (20, 2));
    assert!(details.next_look_at.is_some());
    let listed = control.list_runs(owner, project_id, "C", id, Paging::default()).await;
    let listed = listed.expect("a list");
    assert_eq!((listed.total, listed.items[0].rates.0), (2, 10.0));
    let phases = [("DONE".to_owned(), 0), ("READ".to_owned(), 800), ("STARTING".to_owned(), 200)];
    assert_eq!(listed.items[0].phases, phases.into_iter().filter(|(_, ms)| *ms > 0).collect());
    // Three documents in pages of two.
    let paging = Paging { page_num: 2, items_per_page: 2, include_count: true };
    let one = control.get_run(owner, project_id, "C", id, (JobId::new([1; 12]), paging)).await;
    let (_, named) = one.expect("a run");
    assert_eq!((named.total, named.items.len()), (3, 1));
    assert_eq!(named.items[0].reason, "reason 2");
    let missing = (JobId::new([7; 12]), paging);
    let missing = control.get_run(owner, project_id, "C", id, missing).await;
    assert_eq!(code(missing.map(|_| ())), ErrorCode::ResourceNotFound);
}

/// Writes a run and three documents that it skipped.
async fn save(house: &House, run: &runs::ArchiveRun) {
    let named: Vec<runs::RunDocument> = (0..3)
        .map(|n| runs::RunDocument {
            kind: runs::DocumentKind::Skipped,
            document: n.to_string(),
            reason: format!("reason {n}"),
        })
        .collect();
    let named = &named;
    let saved: Result<(), StoreError> = house
        .control
        .store
        .run_tx("test.run", |tx| {
            Box::pin(async move {
                runs::save(tx, run).await?;
                runs::name_documents(tx, run.id, named).await
            })
        })
        .await;
    saved.expect("saved");
}
