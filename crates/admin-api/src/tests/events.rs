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

#[tokio::test]
async fn events_of_clusters_and_raw_ones() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    for name in ["C", "D"] {
        super::groups_clusters::ready_cluster(&world, &group, name).await;
    }
    let path = format!("/groups/{group}/events");
    let created = "eventType=CLUSTER_CREATED";
    for (query, count) in [
        (created.to_owned(), 2),
        (format!("{created}&clusterNames=C"), 1),
        (format!("{created}&clusterNames=C&clusterNames=D"), 2),
        (format!("{created}&clusterNames=E"), 0),
        (format!("{created}&eventType=GROUP_CREATED"), 3),
        ("eventType=ALERT_ACKNOWLEDGED_AUDIT".to_owned(), 0),
    ] {
        let list = world.get(&owner, &format!("{path}?{query}")).await.expect(200);
        assert_eq!(list.json["totalCount"], count, "{query}");
        assert_eq!(list.json["results"][0].get("raw"), None);
    }
    let raw = format!("{path}?eventType=GROUP_CREATED&includeRaw=true");
    let raw = world.get(&owner, &raw).await.expect(200);
    let shown = &raw.json["results"][0]["raw"];
    assert_eq!((&shown["_t"], &shown["cid"]), (&"GROUP_CREATED".into(), &group.clone().into()));
    let id = raw.str("/results/0/id");
    let one = world.get(&owner, &format!("{path}/{id}?includeRaw=true")).await.expect(200);
    assert_eq!(one.json, raw.json["results"][0]);
    for query in [
        "clusterNames=a%2Fb",
        "eventType=",
        "excludedEventType=lower",
        "includeRaw=yes",
        "minDate=2026-08-10T03:02:46Z&maxDate=2026-08-10T03:02:45Z",
    ] {
        let bad = world.get(&owner, &format!("{path}?{query}")).await;
        assert_eq!(bad.refusal(), (400, "INVALID_QUERY_PARAMETER"), "{query}");
    }
}

#[tokio::test]
async fn feeds_link_to_the_same_events() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    super::groups_clusters::ready_cluster(&world, &group, "C").await;
    let filters = "?eventType=CLUSTER_CREATED&clusterName=C&minDate=2026-08-10T00:00:00Z";
    for (path, count) in [
        (format!("/groups/{group}/activityFeed{filters}"), 1),
        (format!("/orgs/{}/activityFeed?eventType=ORG_CREATED", world.org()), 1),
        (format!("/orgs/{}/activityFeed?eventType=ORG_RENAMED", world.org()), 0),
    ] {
        let feed = world.get(&owner, &path).await.expect(200);
        assert_eq!(
            feed.header("content-type"),
            "application/vnd.atlas.2025-03-12+json;charset=utf-8"
        );
        let link = feed.str("/link");
        let target = link.strip_prefix("http://portolan.test").expect("the public address");
        let events = world.call(&owner, "GET", target, None).await.expect(200);
        assert_eq!(events.json["totalCount"], count, "{link}");
    }
    let bad = world.get(&owner, &format!("/groups/{group}/activityFeed?minDate=x")).await;
    assert_eq!(bad.refusal(), (400, "INVALID_QUERY_PARAMETER"));
    let old = "application/vnd.atlas.2023-01-01+json";
    let target = format!("/api/atlas/v2/groups/{group}/activityFeed");
    let early = world.call_as(&owner, "GET", &target, None, old).await;
    assert_eq!(early.refusal(), (406, "INVALID_VERSION_DATE"));
}

/// The list is what this build can write: each type is named in the code that writes events. That no
/// other is written is checked where events are.
#[tokio::test]
async fn listed_types_are_written_somewhere() {
    let world = World::new().await;
    let list = world.get(&world.owner(), "/eventTypes?itemsPerPage=500").await.expect(200);
    let types = list.json["results"].as_array().expect("a list").clone();
    assert_eq!(list.json["totalCount"], types.len());
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut source = String::new();
    for room in ["control/src", "store/src", "archiver/src"] {
        read_all(&crates.join(room), &mut source);
    }
    for event_type in types {
        assert_eq!(event_type["alertable"], false);
        assert!(event_type["description"].as_str().is_some_and(|text| !text.is_empty()));
        let name = event_type["eventType"].as_str().expect("a name");
        assert!(source.contains(&format!("\"{name}\"")), "nothing writes {name}");
    }
}

/// Every source file below a folder but tests.
fn read_all(folder: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.contains("tests") {
            continue;
        }
        if path.is_dir() {
            read_all(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}
