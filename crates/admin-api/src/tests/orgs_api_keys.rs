//! `/orgs/{orgId}/apiKeys`.

use serde_json::json;

use super::world::{Caller, World};

#[tokio::test]
async fn a_key_is_shown_once_and_masked_later() {
    let world = World::new().await;
    let (owner, path) = (world.owner(), format!("/orgs/{}/apiKeys", world.org()));
    let body = json!({ "desc": "d", "roles": ["ORG_MEMBER", "ORG_READ_ONLY"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    let private = made.str("/privateKey");
    assert_eq!(private.len(), 36);
    let one = format!("{path}/{}", made.str("/id"));
    assert_eq!(made.str("/links/0/href"), format!("http://portolan.test/api/atlas/v2{one}"));
    let read = world.get(&owner, &one).await.expect(200);
    assert_eq!(read.str("/privateKey"), format!("********-****-****-{}", &private[24..]));
    assert_eq!(read.json["roles"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn keys_change_and_stop_at_once() {
    let world = World::new().await;
    let (owner, path) = (world.owner(), format!("/orgs/{}/apiKeys", world.org()));
    let body = json!({ "desc": "d", "roles": ["ORG_OWNER"] });
    let made = world.post(&owner, &path, body).await.expect(200);
    let key = Caller::Key(made.str("/publicKey"), made.str("/privateKey"));
    let one = format!("{path}/{}", made.str("/id"));
    let body = json!({ "desc": "e", "roles": ["ORG_MEMBER"] });
    let changed = world.patch(&owner, &one, body).await.expect(200);
    assert_eq!(changed.json["desc"], "e");
    let refused = world.patch(&key, &one, json!({ "desc": "f" })).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_OWNER"));
    world.delete(&owner, &one).await.expect(204);
    assert_eq!(world.get(&key, "/orgs").await.status, 401);
    let gone = world.get(&owner, &one).await;
    assert_eq!(gone.refusal(), (400, "API_KEY_NOT_FOUND"));
    assert!(gone.str("/detail").starts_with("No API key with ID "));
}

#[tokio::test]
async fn bodies_are_checked() {
    let world = World::new().await;
    let (owner, path) = (world.owner(), format!("/orgs/{}/apiKeys", world.org()));
    for (body, code) in [
        (json!({ "roles": ["ORG_MEMBER"] }), "MISSING_ATTRIBUTE"),
        (json!({ "desc": "", "roles": ["ORG_MEMBER"] }), "VALIDATION_ERROR"),
        (json!({ "desc": "d" }), "MISSING_API_KEY_ROLES"),
        (json!({ "desc": "d", "roles": [] }), "MISSING_API_KEY_ROLES"),
        (json!({ "desc": "d", "roles": ["GROUP_OWNER"] }), "INVALID_ROLE_FOR_ORG"),
        (json!({ "desc": "d", "roles": ["ORG_OWNER"], "x": 1 }), "INVALID_ATTRIBUTE"),
    ] {
        assert_eq!(world.post(&owner, &path, body).await.refusal(), (400, code));
    }
}

#[tokio::test]
async fn lists_are_paged() {
    let world = World::new().await;
    let (owner, path) = (world.owner(), format!("/orgs/{}/apiKeys", world.org()));
    for _ in 0..2 {
        world.key(&owner, &world.org(), &["ORG_MEMBER"]).await;
    }
    let page = world.get(&owner, &format!("{path}?itemsPerPage=2&pageNum=2")).await.expect(200);
    assert_eq!(page.json["totalCount"], 3);
    assert_eq!(page.json["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(page.str("/links/1/rel"), "previous");
    let past = world.get(&owner, &format!("{path}?pageNum=9")).await.expect(200);
    assert_eq!((&past.json["results"], &past.json["totalCount"]), (&json!([]), &json!(3)));
}
