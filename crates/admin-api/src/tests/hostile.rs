//! Bodies that mean harm: the right refusal, nothing changed, nothing broken. That the same holds at every
//! operation is shown where bad input is ([`super::bad_input`]).

use serde_json::json;

use super::world::{Caller, NEWEST, World};

async fn owner_token(world: &World) -> String {
    let (caller, _) = super::oauth::token(world).await;
    let Caller::Token(token) = caller else { panic!("a token") };
    token
}

/// Bodies that are no JSON, or JSON that says something twice.
pub(super) fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("cut short", b"{\"name\": \"a".to_vec()),
        ("two texts", b"{} {}".to_vec()),
        ("a trailing comma", b"{\"name\": \"a\",}".to_vec()),
        ("a comment", b"{/* */}".to_vec()),
        ("single quotes", b"{'name': 'a'}".to_vec()),
        ("no number", b"{\"name\": NaN}".to_vec()),
        ("a name that occurs twice", b"{\"name\": \"a\", \"name\": \"b\"}".to_vec()),
        ("an escaped twin", b"{\"name\": \"a\", \"n\\u0061me\": \"b\"}".to_vec()),
        ("a twin further down", b"{\"a\": [{\"x\": 1, \"x\": 2}]}".to_vec()),
        ("broken UTF-8", b"{\"name\": \"\xff\xfe\"}".to_vec()),
        ("half a surrogate", b"{\"name\": \"\\ud800\"}".to_vec()),
        ("UTF-16", b"\xff\xfe{\x00}\x00".to_vec()),
        ("a NUL", b"{\"name\": \"a\x00b\"}".to_vec()),
        ("arrays in arrays", vec![b'['; 1_000_000]),
        ("objects in objects", b"{\"a\":".repeat(200_000)),
        ("a number without end", [b"{\"a\": ".as_slice(), &b"9".repeat(100_000), b"e}"].concat()),
        ("a number too large", b"{\"a\": 1e999}".to_vec()),
    ]
}

#[tokio::test]
async fn each_malformed_body_is_malformed_json() {
    let world = World::with(|settings| settings.body_bytes_max = 5 << 20).await;
    let token = owner_token(&world).await;
    for (what, body) in malformed() {
        let headers = [
            ("accept", NEWEST.to_owned()),
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/json".to_owned()),
        ];
        let answer = world.send("POST", "/api/atlas/v2/groups", &headers, body).await;
        assert_eq!(answer.refusal(), (400, "MALFORMED_JSON"), "{what}");
    }
}

#[tokio::test]
async fn nesting_ends_where_the_documentation_says() {
    let world = World::new().await;
    let owner = world.owner();
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let at_most = world.post(&owner, "/groups", nested(127)).await;
    assert_eq!(at_most.refusal(), (400, "INVALID_JSON"));
    let deeper = world.post(&owner, "/groups", nested(128)).await;
    assert_eq!(deeper.refusal(), (400, "MALFORMED_JSON"));
}

#[tokio::test]
async fn numbers_beyond_their_type_are_refused_by_name() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let path = format!("/groups/{group}/limits/atlas.project.deployment.clusters");
    let before = world.get(&owner, &path).await.expect(200).json;
    for value in ["9223372036854775808", "-9223372036854775809", "1e30", "1.5", "-1", "1e400"] {
        let token = owner_token(&world).await;
        let headers = [
            ("accept", NEWEST.to_owned()),
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/json".to_owned()),
        ];
        let body = format!("{{\"value\": {value}}}").into_bytes();
        let target = format!("/api/atlas/v2{path}");
        let answer = world.send("PATCH", &target, &headers, body).await.expect(400);
        let codes = ["INVALID_JSON_ATTRIBUTE", "VALIDATION_ERROR", "MALFORMED_JSON"];
        assert!(codes.contains(&answer.code()), "{value}: {}", answer.text);
    }
    assert_eq!(world.get(&owner, &path).await.expect(200).json, before);
}

#[tokio::test]
async fn arrays_that_are_too_long_are_refused_before_anything_is_done() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let entries: Vec<_> =
        (0..201).map(|at| json!({ "ipAddress": format!("192.0.2.{at}") })).collect();
    let path = format!("/groups/{group}/accessList");
    let answer = world.post(&owner, &path, json!(entries)).await;
    assert_eq!(answer.refusal(), (400, "VALIDATION_ERROR"));
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    let accounts = format!("/orgs/{}/serviceAccounts/{}", world.org(), world.founded.client_id);
    let list = format!("{accounts}/accessList");
    let answer = world.post(&owner, &list, json!(entries)).await;
    assert_eq!(answer.refusal(), (400, "VALIDATION_ERROR"));
    world.post(&owner, &list, json!(entries[..200])).await.expect(200);
    let one_more = json!([{ "ipAddress": "192.0.2.250" }]);
    let answer = world.post(&owner, &list, one_more).await;
    assert_eq!(answer.refusal(), (400, "VALIDATION_ERROR"));
    let page = world.get(&owner, &format!("{list}?itemsPerPage=500")).await.expect(200);
    assert_eq!(page.json["results"].as_array().map(Vec::len), Some(200));
}
