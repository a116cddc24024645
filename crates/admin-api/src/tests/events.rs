//! `/orgs/{orgId}/events` and `/groups/{groupId}/events`.

use super::world::World;

#[tokio::test]
async fn changes_show_as_events_with_their_actor() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/events");
    let list = world.get(&owner, &path).await.expect(200);
    assert_eq!(list.json["totalCount"], 1);
    let event = &list.json["results"][0];
    assert_eq!(event["eventTypeName"], "GROUP_CREATED");
    assert_eq!(event["publicKey"], world.founded.public_key);
    assert_eq!(event["remoteAddress"], "127.0.0.1");
    assert_eq!(event["groupId"], group);
    let one = format!("{path}/{}", event["id"].as_str().expect("an id"));
    assert_eq!(world.get(&owner, &one).await.expect(200).json, *event);
    let absent = world.get(&owner, &format!("{path}/0123456789abcdef01234567")).await;
    assert_eq!(absent.refusal(), (404, "EVENT_NOT_FOUND"));
    for (query, count) in [
        ("eventType=GROUP_CREATED", 1),
        ("eventType=GROUP_MOVED", 0),
        ("excludedEventType=GROUP_CREATED", 0),
        ("minDate=2026-08-10T03:02:46Z", 1),
        ("maxDate=2026-08-10T03:02:45Z", 0),
    ] {
        let list = world.get(&owner, &format!("{path}?{query}")).await.expect(200);
        assert_eq!(list.json["totalCount"], count, "{query}");
    }
    let org = format!("/orgs/{}/events?eventType=ORG_CREATED", world.org());
    assert_eq!(world.get(&owner, &org).await.expect(200).json["totalCount"], 1);
    let bad = world.get(&owner, &format!("{path}?minDate=yesterday")).await;
    assert_eq!(bad.refusal(), (400, "INVALID_QUERY_PARAMETER"));
}
