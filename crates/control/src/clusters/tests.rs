//! Sandbox clusters from creation to removal, and attached ones.

use portolan_api_types::{ErrorCode, Paging};
use portolan_cluster::Probe;
use portolan_model::{ClusterState, GuardLevel, Limits};
use serde_json::{Value, json};

use super::fixture::House;
use crate::hosts::fake::sandbox_probe;
use crate::{ControlError, HostError};

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> ErrorCode {
    result.expect_err("must be refused").code()
}

async fn gone(house: &House, name: &str) {
    for _ in 0..200 {
        if house.get(name).await.is_err() {
            return;
        }
        house.control.runtime.sleep_ms(10).await;
    }
    panic!("{name} does not go away");
}

#[tokio::test]
async fn a_sandbox_cluster_comes_and_goes() {
    let house = House::build().await;
    let made = house.create(json!({ "name": "C" })).await.expect("created");
    assert_eq!(made.stored.cluster.state, ClusterState::Creating);
    assert_eq!(made.connection_strings.standard, None, "nothing listens yet");
    let found = house.cluster("D").await;
    let standard = found.connection_strings.standard.expect("it listens");
    assert!(standard.starts_with("mongodb://localhost:471"), "{standard}");
    assert_eq!(found.connection_strings.standard_srv, None);
    assert_eq!(found.stored.cluster.version.expect("probed").0, "7.0.0");
    let id = found.stored.cluster.id;
    assert!(house.host.running().contains_key(&id));
    let (control, owner, project_id) = (&house.control, &house.owner, house.project_id);
    control.delete_cluster(owner, project_id, "D").await.expect("submitted");
    gone(&house, "D").await;
    assert!(house.host.was_removed(id) && !house.host.running().contains_key(&id));
    let listed = control.list_clusters(owner, project_id, Paging::default()).await.expect("a list");
    assert_eq!(listed.total, 1);
    house.cluster("D").await;
}

#[tokio::test]
async fn names_limits_and_roles() {
    let limits = Limits { clusters_per_project: 1, ..Limits::default() };
    let house = House::with_limits(limits).await;
    house.cluster("C").await;
    let twin = house.create(json!({ "name": "C" })).await;
    assert_eq!(code(twin), ErrorCode::DuplicateClusterName);
    let second = house.create(json!({ "name": "D" })).await;
    assert_eq!(code(second), ErrorCode::ValidationError);
    let stranger = house.stranger();
    let seen = house.control.get_cluster(&stranger, house.project_id, "C").await;
    assert_eq!(code(seen), ErrorCode::GroupNotFound);
    assert_eq!(code(house.get("X").await), ErrorCode::ClusterNotFound);
}

#[tokio::test]
async fn protection_and_a_second_deletion_are_refused() {
    let house = House::build().await;
    let body = json!({ "name": "C", "terminationProtectionEnabled": true });
    house.create(body).await.expect("created");
    let delete = |name| house.control.delete_cluster(&house.owner, house.project_id, name);
    assert_eq!(code(delete("C").await), ErrorCode::CannotTerminateProtectedCluster);
    assert!(house.get("C").await.is_ok());
    house.cluster("D").await;
    delete("D").await.expect("submitted");
    let again = code(delete("D").await);
    let known = [ErrorCode::ClusterAlreadyRequestedDeletion, ErrorCode::ClusterNotFound];
    assert!(known.contains(&again), "{again:?}");
}

#[tokio::test]
async fn a_start_that_fails_is_tried_again() {
    let house = House::build().await;
    house.host.fail_starts(true);
    house.create(json!({ "name": "C" })).await.expect("created");
    house.control.runtime.sleep_ms(50).await;
    let state = house.get("C").await.expect("it is there").stored.cluster.state;
    assert_eq!(state, ClusterState::Creating);
    house.host.fail_starts(false);
    for _ in 0..300 {
        if house.get("C").await.expect("it is there").stored.cluster.state == ClusterState::Idle {
            return;
        }
        house.control.runtime.sleep_ms(10).await;
    }
    panic!("the cluster did not start");
}

#[tokio::test]
async fn busy_ports_are_left_out() {
    let house = House::build().await;
    house.host.occupy_port(47_100);
    let found = house.cluster("C").await;
    let standard = found.connection_strings.standard.expect("it listens");
    assert!(standard.contains(":47101/"), "{standard}");
    for port in 47_100..=47_299 {
        house.host.occupy_port(port);
    }
    let refused = house.create(json!({ "name": "D" })).await;
    assert_eq!(code(refused), ErrorCode::ServiceUnavailable);
}

fn unguarded() -> Probe {
    let reasons = vec!["no guard works".to_owned()];
    Probe { level: GuardLevel::L0, reasons, version: "7.0.42".into(), ..sandbox_probe() }
}

#[tokio::test]
async fn a_live_cluster_is_probed_before_it_is_kept() {
    let house = House::build().await;
    let uri = "mongodb://user:secret@db1:27017,db2:27018/?replicaSet=rs";
    let body = json!({ "name": "Live", "connectionString": uri });
    house.host.answer_probe(Ok(unguarded()));
    let refused = house.attach(body.clone()).await.expect_err("unguarded");
    assert_eq!(refused.problem().fields[0].field, "writesQuiesced");
    assert_eq!(code(house.get("Live").await), ErrorCode::ClusterNotFound);
    let mut quiet = body.clone();
    quiet["writesQuiesced"] = json!(true);
    let found = house.attach(quiet).await.expect("attached");
    assert_eq!(found.stored.cluster.level, GuardLevel::L0);
    let standard = found.connection_strings.standard.expect("a string");
    assert_eq!(standard, "mongodb://db1:27017,db2:27018/");
    assert_eq!(code(house.attach(body).await), ErrorCode::DuplicateClusterName);
}

#[tokio::test]
async fn a_sharded_cluster_shows_what_it_is() {
    let house = House::build().await;
    house.host.answer_probe(Ok(Probe { sharded: true, level: GuardLevel::L3, ..sandbox_probe() }));
    let body = json!({ "name": "Live", "connectionString": "mongodb://u:secret@router1:27017/" });
    let found = house.attach(body).await.expect("attached");
    let settings: Value = serde_json::from_str(&found.stored.settings_json).expect("JSON");
    assert_eq!(settings["clusterType"], "SHARDED");
}

#[tokio::test]
async fn a_cluster_that_cannot_be_dialled_is_not_attached() {
    let house = House::build().await;
    for (uri, answer) in [
        ("http://db1/", None),
        ("mongodb://db1/?tlsCAFile=/etc/passwd", None),
        ("mongodb://u:secret@db1/", Some(HostError::Unreachable("timed out".into()))),
        ("mongodb://u:secret@db1/", Some(HostError::Refused("169.254.169.254".into()))),
    ] {
        if let Some(error) = answer {
            house.host.answer_probe(Err(error));
        }
        let refused = house.attach(json!({ "name": "L", "connectionString": uri })).await;
        let error = refused.expect_err("must be refused");
        assert_eq!(error.problem().fields[0].field, "connectionString");
        assert!(!error.problem().body().to_string().contains("secret"));
    }
    assert_eq!(code(house.get("L").await), ErrorCode::ClusterNotFound);
}

#[tokio::test]
async fn srv_names_give_srv_strings() {
    let house = House::build().await;
    let uri = "mongodb+srv://u:p@cluster.example.org/";
    let found = house.attach(json!({ "name": "L", "connectionString": uri })).await;
    let strings = found.expect("attached").connection_strings;
    assert_eq!(strings.standard, None);
    assert_eq!(strings.standard_srv.as_deref(), Some("mongodb+srv://cluster.example.org/"));
}
