//! Changes, pauses, restarts, upgrades and loads, over hosts in memory.

use portolan_api_types::cluster::{Form, ProcessArgsChange, parse_tenant_upgrade, parse_update};
use portolan_api_types::flex::{FlexChange, FlexDraft};
use portolan_api_types::{ErrorCode, Paging};
use portolan_model::ClusterState;
use portolan_store::sample_loads::SampleLoadState;
use serde_json::{Value, json};

use super::super::FoundCluster;
use super::super::fixture::{House, fields};
use crate::{ControlError, HostError};

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> ErrorCode {
    result.expect_err("must be refused").code()
}

impl House {
    async fn update(&self, name: &str, body: Value) -> Result<FoundCluster, ControlError> {
        let change = parse_update(fields(&body), Form::PerShard).expect("a right body");
        self.control.update_cluster(&self.owner, self.project_id, name, change).await
    }

    async fn arguments(&self, name: &str, body: Value) -> Result<FoundCluster, ControlError> {
        let change = ProcessArgsChange::read(fields(&body), Form::PerShard).expect("right");
        self.control.update_process_args(&self.owner, self.project_id, name, change).await
    }

    /// Waits until nothing is under way.
    async fn settled(&self, name: &str) -> FoundCluster {
        for _ in 0..300 {
            let found = self.get(name).await.expect("it is there");
            if found.stored.cluster.state == ClusterState::Idle {
                return found;
            }
            self.control.runtime.sleep_ms(10).await;
        }
        panic!("{name} does not settle");
    }

    async fn flex(&self, name: &str) -> FoundCluster {
        let body = json!({ "name": name, "providerSettings": {
            "backingProviderName": "AWS", "regionName": "US_EAST_1",
        } });
        let draft = FlexDraft::read(fields(&body)).expect("a right body");
        self.control.create_flex(&self.owner, self.project_id, draft).await.expect("created");
        self.settled(name).await
    }
}

#[tokio::test]
async fn a_change_is_seen_under_way_and_then_done() {
    let house = House::build().await;
    house.cluster("C").await;
    let tags = json!([{ "key": "a", "value": "b" }]);
    let changed = house.update("C", json!({ "tags": tags })).await.expect("changed");
    assert_eq!(changed.stored.cluster.state, ClusterState::Updating);
    let found = house.settled("C").await;
    assert_eq!(found.stored.cluster.tags.len(), 1);
    let same = house.update("C", json!({ "tags": tags, "name": "C" })).await.expect("nothing");
    assert_eq!(same.stored.cluster.state, ClusterState::Idle, "nothing was changed");
    assert_eq!(same.stored.life.change, found.stored.life.change);
    assert_eq!(code(house.update("C", json!({ "name": "D" })).await), ErrorCode::AttributeReadOnly);
    assert_eq!(code(house.update("X", json!({})).await), ErrorCode::ClusterNotFound);
}

#[tokio::test]
async fn a_paused_cluster_does_not_run_and_changes_nothing() {
    let house = House::build().await;
    let id = house.cluster("C").await.stored.cluster.id;
    let both = json!({ "paused": true, "redactClientLogData": true });
    assert_eq!(code(house.update("C", both).await), ErrorCode::CannotUpdateAndPauseCluster);
    house.update("C", json!({ "paused": true })).await.expect("pausing");
    assert!(house.settled("C").await.stored.life.paused);
    assert!(!house.host.running().contains_key(&id) && !house.host.was_removed(id));
    let again = house.update("C", json!({ "paused": true })).await;
    assert_eq!(code(again), ErrorCode::ClusterAlreadyPaused);
    for refused in [
        code(house.update("C", json!({ "tags": [{ "key": "a", "value": "b" }] })).await),
        code(house.arguments("C", json!({ "noTableScan": true })).await),
        code(house.control.restart_cluster(&house.owner, house.project_id, "C").await),
        code(house.control.request_sample_load(&house.owner, house.project_id, "C").await),
    ] {
        assert_eq!(refused, ErrorCode::CannotUpdatePausedCluster);
    }
    let wakes = house.host.wakes();
    house.update("C", json!({ "paused": false })).await.expect("resuming");
    assert!(!house.settled("C").await.stored.life.paused);
    assert!(house.host.running().contains_key(&id));
    for _ in 0..200 {
        if house.host.wakes() > wakes {
            break;
        }
        house.control.runtime.sleep_ms(10).await;
    }
    assert!(house.host.wakes() > wakes, "archives go on");
    house.update("C", json!({ "paused": false })).await.expect("nothing to resume");
}

#[tokio::test]
async fn process_arguments_reach_the_server() {
    let house = House::build().await;
    let id = house.cluster("C").await.stored.cluster.id;
    let body = json!({ "defaultMaxTimeMS": 50, "minimumEnabledTlsProtocol": "TLS1_3" });
    house.arguments("C", body).await.expect("changed");
    let found = house.settled("C").await;
    assert_eq!(house.host.starts(id), 1, "nothing was restarted");
    let settings = house.host.settings(id).expect("it runs");
    assert!(settings.tls13_only);
    assert_eq!(settings.arguments.default_max_time_ms, Some(50));
    assert!(found.stored.settings_json.contains("TLS1_3"), "the cluster shows it too");
    house.arguments("C", json!({ "oplogSizeMB": 990 })).await.expect("changed");
    house.arguments("C", json!({ "oplogSizeMB": null })).await.expect("taken back");
    let found = house.settled("C").await;
    assert_eq!(found.stored.life.process_args_json, json!({ "defaultMaxTimeMS": 50 }).to_string());
}

#[tokio::test]
async fn a_restart_stops_and_starts_once() {
    let house = House::build().await;
    let id = house.cluster("C").await.stored.cluster.id;
    house.control.restart_cluster(&house.owner, house.project_id, "C").await.expect("submitted");
    let found = house.settled("C").await;
    assert_eq!(house.host.starts(id), 2);
    assert!(!found.stored.life.restart_wanted);
}

#[tokio::test]
async fn a_change_that_was_cut_off_is_finished_at_the_next_start() {
    let house = House::build().await;
    let id = house.cluster("C").await.stored.cluster.id;
    house.host.fail_starts(true);
    house.control.restart_cluster(&house.owner, house.project_id, "C").await.expect("submitted");
    house.control.runtime.sleep_ms(50).await;
    let state = house.get("C").await.expect("it is there").stored.cluster.state;
    assert_eq!(state, ClusterState::Updating);
    house.host.fail_starts(false);
    house.control.resume_clusters().await.expect("resumed");
    house.settled("C").await;
    assert!(house.host.running().contains_key(&id));
}

#[tokio::test]
async fn versions_are_pinned_for_a_while() {
    let house = House::build().await;
    house.cluster("C").await;
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    let now_ms = control.runtime.now_ms();
    for until in [now_ms - 1, now_ms + 29 * 86_400_000] {
        let refused = control.pin_version(owner, project_id, "C", Some(until)).await;
        assert_eq!(code(refused), ErrorCode::ValidationError);
    }
    control.pin_version(owner, project_id, "C", Some(now_ms + 60_000)).await.expect("pinned");
    let pin = house.settled("C").await.stored.life.fcv_pin.expect("a pin");
    assert_eq!((pin.version.as_str(), pin.until), ("7.0", now_ms + 60_000));
    control.unpin_version(owner, project_id, "C").await.expect("unpinned");
    assert_eq!(house.settled("C").await.stored.life.fcv_pin, None);
    control.unpin_version(owner, project_id, "C").await.expect("nothing to unpin");
    control.pin_version(owner, project_id, "C", Some(now_ms + 300)).await.expect("pinned");
    control.runtime.sleep_ms(400).await;
    assert_eq!(house.settled("C").await.stored.life.fcv_pin, None, "its time is over");
}

#[tokio::test]
async fn flex_clusters_have_an_api_of_their_own() {
    let house = House::build().await;
    let id = house.flex("F").await.stored.cluster.id;
    house.cluster("C").await;
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    assert!(house.host.running().contains_key(&id), "a sandbox stands behind it");
    for refused in [
        code(control.get_dedicated(owner, project_id, "F").await),
        code(house.update("F", json!({})).await),
        code(control.delete_cluster(owner, project_id, "F").await),
        code(control.list_archives(owner, project_id, "F", Paging::default()).await),
    ] {
        assert_eq!(refused, ErrorCode::CannotUseFlexCluster);
    }
    for refused in [
        code(control.get_flex(owner, project_id, "C").await),
        code(control.update_flex(owner, project_id, "C", FlexChange::default()).await),
        code(control.delete_flex(owner, project_id, "C").await),
    ] {
        assert_eq!(refused, ErrorCode::CannotUseNonFlexCluster);
    }
    let listed = |flex| control.list_clusters_of_kind(owner, project_id, flex, Paging::default());
    assert_eq!(listed(true).await.expect("a list").total, 1);
    assert_eq!(listed(false).await.expect("a list").total, 1);
    let protect = FlexChange { tags: None, termination_protection_enabled: Some(true) };
    control.update_flex(owner, project_id, "F", protect).await.expect("changed");
    let kept = control.delete_flex(owner, project_id, "F").await;
    assert_eq!(code(kept), ErrorCode::CannotTerminateProtectedCluster);
}

#[tokio::test]
async fn upgrades_keep_the_data_and_change_the_api() {
    let house = House::build().await;
    let id = house.flex("F").await.stored.cluster.id;
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    let hardware = json!({ "name": "F", "providerSettings": {
        "providerName": "AWS", "instanceSizeName": "M10", "regionName": "US_EAST_1",
    } });
    let upgrade = || parse_tenant_upgrade(fields(&hardware)).expect("a right body").1;
    let refused = control.upgrade_cluster(owner, project_id, "F", upgrade(), false).await;
    assert_eq!(code(refused), ErrorCode::CannotUseFlexCluster);
    control.upgrade_cluster(owner, project_id, "F", upgrade(), true).await.expect("submitted");
    let found = house.settled("F").await;
    assert_eq!((found.stored.cluster.id, found.stored.life.flex), (id, false));
    assert!(control.get_dedicated(owner, project_id, "F").await.is_ok());
    assert_eq!(house.host.starts(id), 1);
    let again = control.upgrade_cluster(owner, project_id, "F", upgrade(), false).await;
    assert_eq!(code(again), ErrorCode::ValidationError);
}

#[tokio::test]
async fn shared_clusters_are_only_upgraded() {
    let house = House::build().await;
    let shared = json!({ "name": "T", "replicationSpecs": [{ "regionConfigs": [{
        "providerName": "TENANT", "backingProviderName": "AWS", "regionName": "US_EAST_1",
        "priority": 7, "electableSpecs": { "instanceSize": "M0" },
    }] }] });
    house.create(shared.clone()).await.expect("created");
    house.settled("T").await;
    let paused = house.update("T", json!({ "paused": true })).await;
    assert_eq!(code(paused), ErrorCode::TenantClusterUpdateUnsupported);
    house.update("T", json!({ "terminationProtectionEnabled": true })).await.expect("changed");
    house.cluster("C").await;
    let mut smaller = shared;
    smaller["name"] = json!("C");
    assert_eq!(code(house.update("C", smaller).await), ErrorCode::FeatureUnsupported);
}

async fn ended(house: &House, id: portolan_model::JobId) -> (SampleLoadState, Option<String>) {
    for _ in 0..500 {
        let load = house.control.get_sample_load(&house.owner, house.project_id, id).await;
        let load = load.expect("it is there");
        if load.state != SampleLoadState::Working {
            assert!(load.ended_at.is_some());
            return (load.state, load.error);
        }
        house.control.runtime.sleep_ms(10).await;
    }
    panic!("the load does not end");
}

#[tokio::test]
async fn sample_data_is_loaded_or_the_reason_is_told() {
    let house = House::build().await;
    let id = house.cluster("C").await.stored.cluster.id;
    let request = || house.control.request_sample_load(&house.owner, house.project_id, "C");
    let load = request().await.expect("submitted");
    assert_eq!(load.state, SampleLoadState::Working);
    assert_eq!(ended(&house, load.id).await, (SampleLoadState::Completed, None));
    assert_eq!(house.host.samples(id), 1);
    house.host.answer_sample(Some(HostError::Refused("Something is in the way.".into())));
    let load = request().await.expect("submitted");
    let failed = (SampleLoadState::Failed, Some("Something is in the way.".to_owned()));
    assert_eq!(ended(&house, load.id).await, failed);
    house.host.answer_sample(Some(HostError::Failed("the disk is full".into())));
    let load = request().await.expect("submitted");
    house.control.runtime.sleep_ms(50).await;
    house.host.answer_sample(None);
    assert_eq!(ended(&house, load.id).await.0, SampleLoadState::Completed);
    let absent = portolan_model::JobId::new([1; 12]);
    let missing = house.control.get_sample_load(&house.owner, house.project_id, absent).await;
    assert_eq!(code(missing), ErrorCode::ResourceNotFound);
}

#[tokio::test]
async fn attached_clusters_keep_their_hardware() {
    let house = House::build().await;
    let uri = "mongodb://db1:27017/";
    house.attach(json!({ "name": "L", "connectionString": uri })).await.expect("attached");
    house.update("L", json!({ "terminationProtectionEnabled": true })).await.expect("changed");
    house.settled("L").await;
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    for refused in [
        code(house.update("L", json!({ "paused": true })).await),
        code(house.arguments("L", json!({ "noTableScan": true })).await),
        code(control.restart_cluster(owner, project_id, "L").await),
        code(control.pin_version(owner, project_id, "L", None).await),
        code(control.request_sample_load(owner, project_id, "L").await),
    ] {
        assert_eq!(refused, ErrorCode::FeatureUnsupported);
    }
}
