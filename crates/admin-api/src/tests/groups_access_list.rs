//! `/groups/{groupId}/accessList`. That the listeners keep it is tested where they are.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn entries_are_added_replaced_and_removed() {
    let world = World::new().await;
    let owner = world.owner();
    let group = world.project("P").await;
    let path = format!("/groups/{group}/accessList");
    let body = json!([
        { "ipAddress": "192.0.2.7", "comment": "office" },
        { "cidrBlock": "198.51.100.9/24" },
    ]);
    let added = world.post(&owner, &path, body).await.expect(201);
    assert_eq!(added.json["totalCount"], 2);
    assert_eq!(
        added.json["results"][0],
        json!({ "cidrBlock": "192.0.2.7/32", "ipAddress": "192.0.2.7", "comment": "office",
            "groupId": group, "links": [{ "rel": "self",
            "href": format!("http://portolan.test/api/atlas/v2{path}/192.0.2.7%2F32") }] })
    );
    assert_eq!(added.json["results"][1]["cidrBlock"], "198.51.100.0/24");
    assert_eq!(added.json["results"][1].get("ipAddress"), None);
    let again = json!([{ "cidrBlock": "192.0.2.7/32", "comment": "home" }]);
    let again = world.post(&owner, &path, again).await.expect(201);
    assert_eq!(again.json["totalCount"], 2);
    for spelling in ["192.0.2.7", "192.0.2.7%2F32", "192.0.2.7%2f32"] {
        let one = world.get(&owner, &format!("{path}/{spelling}")).await.expect(200);
        assert_eq!(one.json["comment"], "home");
    }
    world.delete(&owner, &format!("{path}/192.0.2.7")).await.expect(204);
    let gone = world.get(&owner, &format!("{path}/192.0.2.7")).await;
    assert_eq!(gone.refusal(), (404, "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND"));
    let twice = world.delete(&owner, &format!("{path}/192.0.2.7")).await;
    assert_eq!(twice.refusal(), (404, "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND"));
    for (event, count) in [("ADDED", 2), ("UPDATED", 1), ("REMOVED", 1)] {
        let query = format!("/groups/{group}/events?eventType=NETWORK_PERMISSION_ENTRY_{event}");
        assert_eq!(world.get(&owner, &query).await.expect(200).json["totalCount"], count);
    }
}

#[tokio::test]
async fn an_entry_is_pending_until_every_listener_acts_by_it() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/accessList", world.project("P").await);
    world.post(&owner, &path, json!([{ "ipAddress": "2001:db8::1" }])).await.expect(201);
    let status = format!("{path}/2001:db8::1/status");
    let pending = world.get(&owner, &status).await.expect(200);
    assert_eq!(pending.json, json!({ "STATUS": "PENDING" }));
    world.clock.advance_ms(2_000);
    let active = world.get(&owner, &status).await.expect(200);
    assert_eq!(active.json, json!({ "STATUS": "ACTIVE" }));
}

#[tokio::test]
async fn temporary_entries_end() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/accessList", world.project("P").await);
    let now_ms = world.control.runtime.now_ms();
    let at = |ms: i64| portolan_api_types::time::iso8601(now_ms + ms);
    let entry = |end: String| json!([{ "ipAddress": "192.0.2.7", "deleteAfterDate": end }]);
    for end in [at(-60_000), at(8 * 86_400_000), "soon".to_owned()] {
        let refused = world.post(&owner, &path, entry(end)).await;
        assert_eq!(refused.refusal(), (400, "VALIDATION_ERROR"));
    }
    let added = world.post(&owner, &path, entry(at(60_000))).await.expect(201);
    assert_eq!(added.json["results"][0]["deleteAfterDate"], at(60_000));
    world.clock.advance_ms(61_000);
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
    world.get(&owner, &format!("{path}/192.0.2.7")).await.expect(404);
}

#[tokio::test]
async fn wrong_entries_add_nothing() {
    let world = World::new().await;
    let owner = world.owner();
    let path = format!("/groups/{}/accessList", world.project("P").await);
    let refused = async |body: Value| {
        let answer = world.post(&owner, &path, body).await;
        (answer.status, answer.code().to_owned())
    };
    let good = json!({ "ipAddress": "192.0.2.1" });
    for (entry, status, code) in [
        (json!({}), 400, "MISSING_ONE_OF_ATTRIBUTES"),
        (json!({ "ipAddress": "192.0.2" }), 400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
        (json!({ "awsSecurityGroup": "sg-12345678" }), 403, "FEATURE_UNSUPPORTED"),
        (good.clone(), 400, "DUPLICATE_ADDRESSES_IN_INPUT"),
        (json!({ "ipAddress": "192.0.2.2", "comment": "x".repeat(81) }), 400, "VALIDATION_ERROR"),
        (json!({ "ipAddress": "192.0.2.2", "hue": 1 }), 400, "INVALID_ATTRIBUTE"),
    ] {
        let both = json!([good, entry]);
        assert_eq!(refused(both.clone()).await, (status, code.to_owned()), "{both}");
    }
    assert_eq!(refused(json!([])).await.0, 400);
    assert_eq!(refused(good).await, (400, "INVALID_JSON".to_owned()));
    assert_eq!(world.get(&owner, &path).await.expect(200).json["totalCount"], 0);
}
