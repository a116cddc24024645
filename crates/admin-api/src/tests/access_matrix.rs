//! The access matrix, generated from the router with no exemptions: each operation × each kind of
//! caller × its relation to the tenant. What is absent and what is foreign answer alike.

use serde_json::json;

use super::world::{Answer, Caller, World};
use crate::{OperationInfo, operations};

const ABSENT: &str = "0123456789abcdef01234567";

fn target(operation: &OperationInfo, org: &str, group: &str) -> String {
    operation
        .path
        .replace("{orgId}", org)
        .replace("{groupId}", group)
        .replace("{clientId}", &format!("mdb_sa_id_{ABSENT}"))
        .replace("{clusterName}", "Cluster9")
        .split('/')
        .map(|segment| match (segment.find('{'), segment.find('}')) {
            (Some(start), Some(end)) => {
                format!("{}{ABSENT}{}", &segment[..start], &segment[end + 1..])
            }
            _ => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(world: &World, caller: &Caller, operation: &OperationInfo, target: &str) -> Answer {
    let body = json!({});
    let body = (operation.method != "GET" && operation.method != "DELETE").then_some(&body);
    let version = operation.versions.last().map_or("2025-03-12", String::as_str);
    let accept = if operation.path.ends_with(".gz") {
        format!("application/vnd.atlas.{version}+gzip")
    } else {
        format!("application/vnd.atlas.{version}+json")
    };
    world.call_as(caller, &operation.method, target, body, &accept).await
}

#[tokio::test]
async fn operations_have_names_and_paths_of_their_own() {
    let all = operations();
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            assert_ne!(one.operation_id, other.operation_id);
            assert!(one.path != other.path || one.method != other.method, "{}", one.path);
        }
    }
}

#[tokio::test]
async fn nobody_gets_a_challenge_everywhere_but_where_nobody_is_asked() {
    let world = World::new().await;
    for operation in operations() {
        let target = target(&operation, &world.org(), ABSENT);
        let answer = ask(&world, &Caller::Nobody, &operation, &target).await;
        if operation.public {
            assert_eq!(answer.status, 200, "{} {target}", operation.method);
            continue;
        }
        assert_eq!(answer.status, 401, "{} {target}", operation.method);
        assert!(answer.header("www-authenticate").starts_with("Digest "));
    }
}

#[tokio::test]
async fn foreign_and_absent_tenants_look_the_same() {
    let world = World::new().await;
    let group = world.project("P").await;
    let (_, stranger) = world.second_org().await;
    for operation in operations().into_iter().filter(|one| one.action.is_some()) {
        let there = target(&operation, &world.org(), &group);
        let foreign = ask(&world, &stranger, &operation, &there).await;
        let nowhere = target(&operation, ABSENT, ABSENT);
        let absent = ask(&world, &stranger, &operation, &nowhere).await;
        assert_eq!(foreign.status, 404, "{} {}", operation.operation_id, foreign.text);
        let id = if operation.path.contains("{orgId}") { world.org() } else { group.clone() };
        assert_eq!(foreign.text.replace(&id, ABSENT), absent.text, "{}", operation.operation_id);
    }
}

#[tokio::test]
async fn who_sees_it_without_the_role_gets_401_or_an_answer_of_the_operation() {
    let world = World::new().await;
    let group = world.project("P").await;
    let reader = world.key(&world.owner(), &world.org(), &["ORG_READ_ONLY"]).await;
    let mut table = Vec::new();
    for operation in operations() {
        let Some(action) = operation.action else { continue };
        let target = target(&operation, &world.org(), &group);
        let answer = ask(&world, &reader, &operation, &target).await;
        let reads =
            action.as_str().ends_with(".read") && action.as_str() != "project.query_logs.read";
        if reads {
            assert_ne!(answer.status, 401, "{} {}", operation.operation_id, answer.text);
        } else {
            assert_eq!(answer.status, 401, "{} {}", operation.operation_id, answer.text);
            assert_eq!(answer.header("www-authenticate"), "");
            assert!(!answer.code().is_empty());
        }
        table.push(format!(
            "{:6} {:75} {:32} reader {}",
            operation.method,
            operation.path,
            action.as_str(),
            answer.status
        ));
    }
    insta::assert_snapshot!(table.join("\n"));
}
