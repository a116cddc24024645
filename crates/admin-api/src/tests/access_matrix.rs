//! The access matrix, generated from the router with no exemptions: each operation × each role and kind of
//! caller × its relation to the tenant (its own, another organization's, absent). The golden file is read
//! by people; what it cannot show is checked beside it: refused calls change nothing and leave one audit
//! row, and what is absent and what is foreign answer alike.

mod cast;

use serde_json::json;

use super::state::State;
use super::world::{Answer, Caller, World};
use crate::{OperationInfo, operations};
use cast::{Cast, Place};

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
            // Replaced by who asks for a place.
            _ if segment == "{groupName}" => segment.to_owned(),
            (Some(start), Some(end)) => {
                format!("{}{ABSENT}{}", &segment[..start], &segment[end + 1..])
            }
            _ => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(world: &World, caller: &Caller, operation: &OperationInfo, target: &str) -> Answer {
    let (body, target) = (json!({}), &target.replace("{groupName}", "Nowhere"));
    let body = (operation.method != "GET" && operation.method != "DELETE").then_some(&body);
    world.call_as(caller, &operation.method, target, body, &accept(operation)).await
}

fn accept(operation: &OperationInfo) -> String {
    let version = operation.versions.last().map_or("2025-03-12", String::as_str);
    let format = if operation.path.ends_with(".gz") { "gzip" } else { "json" };
    format!("application/vnd.atlas.{version}+{format}")
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

/// The golden matrix. A letter per principal, in the order of [`cast::Cast`]:
/// `+` admitted (whatever the operation then says), `r` visible and the role is missing (401 without a
/// challenge), `.` not found, `f` forbidden (403), `c` a challenge.
#[tokio::test]
async fn every_operation_for_every_principal_in_every_relation() {
    let world = World::new().await;
    let cast = Cast::build(&world).await;
    let operations = operations();
    let mut letters: Vec<Vec<String>> = vec![vec![String::new(); 3]; operations.len()];
    for (_, caller) in &cast.principals {
        for (column, place) in [&cast.own, &cast.other, &cast.absent].into_iter().enumerate() {
            let round = round(&world, caller, place, &operations).await;
            for (row, letter) in round.into_iter().enumerate() {
                letters[row][column].push(letter);
            }
        }
    }
    let rows = operations.iter().zip(&letters).map(|(operation, letters)| {
        let action = operation.action.map_or("any", |action| action.as_str());
        let (method, path) = (&operation.method, operation.path);
        format!("{method:6} {path}\n  {action:36} {}", letters.join("  "))
    });
    let names: Vec<&str> = cast.principals.iter().map(|(name, _)| name.as_str()).collect();
    let head = format!("own, other, absent; principals: {}", names.join(", "));
    let table: Vec<String> = std::iter::once(head).chain(rows).collect();
    insta::assert_snapshot!(table.join("\n"));
}

/// One principal at one place: every operation, those first that its roles do not allow. They change
/// nothing, and each that would have changed something leaves one audit row.
async fn round(
    world: &World,
    caller: &Caller,
    place: &Place,
    operations: &[OperationInfo],
) -> Vec<char> {
    let mut letters = vec![' '; operations.len()];
    let before = State::of(world).await;
    let mut admitted = Vec::new();
    let mut refused_changes = 0;
    for (row, operation) in operations.iter().enumerate() {
        if place.allows(caller, operation) {
            admitted.push(row);
            continue;
        }
        letters[row] = letter(&ask_at(world, caller, operation, place).await);
        assert_ne!(letters[row], '+', "{} was not refused", operation.operation_id);
        refused_changes += usize::from(operation.method != "GET" && letters[row] != 'c');
    }
    let after = State::of(world).await;
    assert_eq!(after.tables, before.tables, "a refused call changed something");
    assert_eq!(after.audit.len() - before.audit.len(), refused_changes);
    let new = after.audit.difference(&before.audit);
    assert!(new.into_iter().all(|row| row.contains("\"REFUSED\"")), "refusals are recorded");
    for row in admitted {
        letters[row] = letter(&ask_at(world, caller, &operations[row], place).await);
    }
    letters
}

fn letter(answer: &Answer) -> char {
    match (answer.status, answer.code()) {
        (401, _) if !answer.header("www-authenticate").is_empty() => 'c',
        (401, _) => 'r',
        (403, "ACCESS_FORBIDDEN") => 'f',
        (404, "ORG_NOT_FOUND" | "GROUP_NOT_FOUND" | "GROUP_NAME_NOT_FOUND") => '.',
        (500.., _) => panic!("{} {}", answer.status, answer.text),
        _ => '+',
    }
}

async fn ask_at(
    world: &World,
    caller: &Caller,
    operation: &OperationInfo,
    place: &Place,
) -> Answer {
    let target = target(operation, &place.org, &place.group).replace("{groupName}", place.name);
    let body = place.body(operation);
    let body = (operation.method != "GET" && operation.method != "DELETE").then_some(&body);
    world.call_as(caller, &operation.method, &target, body, &accept(operation)).await
}

/// What is absent and what is another organization's: the same status, the same body but for the id,
/// the same headers but for the request's own.
#[tokio::test]
async fn foreign_and_absent_tenants_look_the_same() {
    let world = World::new().await;
    let cast = Cast::build(&world).await;
    let (other, absent) = (&cast.other, &cast.absent);
    for (name, caller) in cast.principals.iter().filter(|(name, _)| *name != "nobody") {
        for operation in operations() {
            let foreign = ask_at(&world, caller, &operation, other).await;
            let nowhere = ask_at(&world, caller, &operation, absent).await;
            let context = format!("{name} {}", operation.operation_id);
            assert_eq!(foreign.status, nowhere.status, "{context}: {}", foreign.text);
            let text = foreign.text.replace(&other.org, ABSENT).replace(&other.group, ABSENT);
            let text = text.replace(other.name, absent.name);
            assert_eq!(text, nowhere.text, "{context}");
            assert_eq!(headers(&foreign), headers(&nowhere), "{context}");
        }
    }
}

/// Name and value of every header that does not name the request or the moment.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let own = ["x-request-id", "x-java-method", "date", "content-length"];
    let all = answer.headers.iter().filter(|(name, _)| {
        !own.contains(&name.as_str())
            && !name.as_str().starts_with("ratelimit")
            && !name.as_str().starts_with("x-ratelimit")
    });
    let mut all: Vec<_> = all
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    all.sort();
    all
}
