//! `…/accessList` of API keys and service accounts.

use serde_json::json;

use super::world::{Caller, World};

#[tokio::test]
async fn a_list_is_kept_and_the_caller_not_locked_out() {
    let world = World::new().await;
    let (owner, keys) = (world.owner(), format!("/orgs/{}/apiKeys", world.org()));
    let id = world.get(&owner, &keys).await.expect(200).str("/results/0/id");
    let path = format!("{keys}/{id}/accessList");
    let body = json!([{ "ipAddress": "127.0.0.1" }, { "cidrBlock": "10.1.2.3/8" }]);
    let list = world.post(&owner, &path, body).await.expect(200);
    assert_eq!(list.json["totalCount"], 2);
    let one = world.get(&owner, &format!("{path}/127.0.0.1")).await.expect(200);
    // It let in the request that asks.
    assert_eq!((&one.json["cidrBlock"], &one.json["count"]), (&json!("127.0.0.1/32"), &json!(1)));
    assert!(one.str("/links/0/href").ends_with("/accessList/127.0.0.1"));
    world.get(&owner, &format!("{path}/10.0.0.0%2F8")).await.expect(200);
    let again = world.post(&owner, &path, json!([{ "ipAddress": "127.0.0.1" }])).await;
    assert_eq!(again.refusal(), (409, "ADDRESS_ALREADY_IN_ACCESS_LIST"));
    let refused = world.delete(&owner, &format!("{path}/127.0.0.1")).await;
    assert_eq!(refused.refusal(), (400, "CANNOT_REMOVE_CALLER_FROM_WHITELIST"));
    world.delete(&owner, &format!("{path}/10.0.0.0%2F8")).await.expect(204);
    let settings = format!("/orgs/{}/settings", world.org());
    let body = json!({ "apiAccessListRequired": true });
    world.patch(&owner, &settings, body).await.expect(200);
    world.get(&owner, "/orgs").await.expect(200);
    let other = world.key(&owner, &world.org(), &["ORG_MEMBER"]).await;
    let refused = world.get(&other, "/orgs").await;
    assert_eq!(refused.refusal(), (403, "ORG_REQUIRES_ACCESS_LIST"));
}

#[tokio::test]
async fn an_address_off_the_list_is_refused() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/orgs/{}/serviceAccounts/{}", world.org(), world.founded.client_id);
    let path = format!("{path}/accessList");
    let list = world.post(&owner, &path, json!([{ "ipAddress": "10.0.0.1" }])).await.expect(200);
    assert_eq!(list.json["results"][0]["requestCount"], 0);
    let (account, _): (Caller, String) = super::oauth::token(&world).await;
    let refused = world.get(&account, "/orgs").await;
    assert_eq!(refused.refusal(), (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"));
    let bad = world.post(&owner, &path, json!([{ "ipAddress": "10.0.0" }])).await;
    assert_eq!(bad.refusal(), (400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"));
    let both = json!([{ "ipAddress": "10.0.0.1", "cidrBlock": "11.0.0.0/8" }]);
    assert_eq!(world.post(&owner, &path, both).await.refusal(), (400, "MISSING_ONE_OF_ATTRIBUTES"));
    world.delete(&owner, &format!("{path}/10.0.0.1")).await.expect(204);
    world.get(&account, "/orgs").await.expect(200);
}
