//! `…/onlineArchives/queryLogs.gz` and `…/dataFederation/{tenantName}/queryLogs.gz`.

use std::io::Read;

use portolan_auth::{Authorized, Instance};
use portolan_store::StoreError;
use portolan_store::query_log::{self, LoggedQuery};
use serde_json::json;

use super::groups_clusters::ready_cluster;
use super::world::{Answer, Caller, World};

const GZIP: &str = "application/vnd.atlas.2025-03-12+gzip";
const HOUR_S: i64 = 3_600;
static SYSTEM: Authorized<Instance> = Authorized::system("test");

struct Place {
    world: World,
    group: String,
    path: String,
    now_s: i64,
}

/// A cluster whose log has a query of each endpoint per hour, the newest a second ago.
async fn place(hours: i64) -> Place {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let path = format!("/groups/{group}/clusters/C/onlineArchives");
    let body = json!({
        "dbName": "air", "collName": "flights",
        "criteria": { "dateField": "at", "expireAfterDays": 3 },
    });
    world.post(&owner, &path, body).await.expect(200);
    let own = format!("/api/portolan/v1/groups/{group}/clusters/C");
    let id = world.call(&owner, "GET", &own, None).await.expect(200).str("/id");
    let cluster_id = id.parse().expect("an id");
    let now_s = world.control.runtime.now_ms() / 1_000;
    let mut queries = Vec::new();
    for hour in 0..hours {
        for archive_only in [false, true] {
            let ended_at = (now_s - 1 - hour * HOUR_S) * 1_000;
            let line = json!({ "hour": hour, "archiveOnly": archive_only }).to_string();
            let id = query_log::new_id(ended_at, [u8::from(archive_only); 12]);
            queries.push(LoggedQuery { cluster_id, archive_only, ended_at, line, id });
        }
    }
    let queries = &queries;
    let written: Result<(), StoreError> = world
        .control
        .store
        .run_tx("test.log", |tx| Box::pin(query_log::append(tx, &SYSTEM, queries)))
        .await;
    written.expect("a log");
    Place { world, group, path: format!("/api/atlas/v2{path}/queryLogs.gz"), now_s }
}

impl Place {
    async fn get(&self, caller: &Caller, query: &str) -> Answer {
        let target = format!("{}{query}", self.path);
        self.world.call_as(caller, "GET", &target, None, GZIP).await
    }
}

fn lines(answer: &Answer) -> Vec<serde_json::Value> {
    let mut text = String::new();
    let mut file = flate2::read::GzDecoder::new(answer.bytes.as_slice());
    file.read_to_string(&mut text).expect("a whole gzip file of UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn the_last_four_hours_unless_asked_for_others() {
    let place = place(6).await;
    let owner = place.world.owner();
    let log = place.get(&owner, "").await.expect(200);
    assert_eq!(log.header("content-type"), "application/vnd.atlas.2023-01-01+gzip");
    let name = "attachment; filename=\"atlas-online-archive-C_2026-08-09T23:02:46Z_\
                2026-08-10T03:02:46Z_queries.log.gz\"";
    assert_eq!(log.header("content-disposition"), name);
    let found = lines(&log);
    assert_eq!(found.len(), 8);
    assert_eq!(found[0], json!({ "hour": 3, "archiveOnly": false }), "oldest first");
    let only = place.get(&owner, "?archiveOnly=true").await.expect(200);
    assert!(only.header("content-disposition").contains("archived-atlas-online-archive-C_"));
    assert_eq!(lines(&only).len(), 4);
    let (start, end) = (place.now_s - 6 * HOUR_S, place.now_s - 2 * HOUR_S);
    let window = place.get(&owner, &format!("?startDate={start}&endDate={end}")).await;
    let hours: Vec<_> =
        lines(&window.expect(200)).iter().map(|line| line["hour"].clone()).collect();
    assert_eq!(hours, [5, 5, 4, 4, 3, 3, 2, 2].map(|hour| json!(hour)));
    let events =
        format!("/groups/{}/events?eventType=ONLINE_ARCHIVE_QUERY_LOGS_DOWNLOADED", place.group);
    let events = place.world.get(&owner, &events).await.expect(200);
    assert_eq!(events.json["totalCount"], 3);
    assert_eq!(events.json["results"][0]["clusterName"], "C");
}

/// More than one page of lines.
#[tokio::test]
async fn a_long_log_comes_whole_and_in_order() {
    let place = place(150).await;
    let start = place.now_s - 151 * HOUR_S;
    let log = place.get(&place.world.owner(), &format!("?startDate={start}")).await.expect(200);
    let found = lines(&log);
    assert_eq!(found.len(), 300);
    let hours: Vec<i64> = found.iter().filter_map(|line| line["hour"].as_i64()).collect();
    assert!(hours.is_sorted_by(|a, b| a >= b));
}

#[tokio::test]
async fn one_instance_has_its_own_log() {
    let place = place(2).await;
    let owner = place.world.owner();
    for (name, archive_only) in
        [("archived-atlas-online-archive-C", true), ("atlas-online-archive-C", false)]
    {
        let target =
            format!("/api/atlas/v2/groups/{}/dataFederation/{name}/queryLogs.gz", place.group);
        let log = place.world.call_as(&owner, "GET", &target, None, GZIP).await.expect(200);
        let found = lines(&log);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|line| line["archiveOnly"] == archive_only), "{found:?}");
    }
    let absent = format!("/api/atlas/v2/groups/{}/dataFederation/F0/queryLogs.gz", place.group);
    let absent = place.world.call_as(&owner, "GET", &absent, None, GZIP).await;
    assert_eq!(absent.refusal(), (404, "DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME"));
}

#[tokio::test]
async fn what_is_refused() {
    let place = place(1).await;
    let owner = place.world.owner();
    let json = place.world.call(&owner, "GET", &place.path, None).await;
    assert_eq!(json.refusal(), (406, "INVALID_VERSION_DATE"));
    for query in
        ["startDate=1", "endDate=x", "startDate=1786330966&endDate=1786330965", "archiveOnly=1"]
    {
        let wrong = place.get(&owner, &format!("?{query}")).await;
        assert_eq!(wrong.refusal(), (400, "INVALID_QUERY_PARAMETER"), "{query}");
        assert_eq!(wrong.header("content-type"), "application/json");
    }
    let reader = place.world.key(&owner, &place.world.org(), &["ORG_READ_ONLY"]).await;
    assert_eq!(place.get(&reader, "").await.refusal(), (401, "USER_UNAUTHORIZED"));
    let nowhere = place.path.replace("/clusters/C/", "/clusters/D/");
    let absent = place.world.call_as(&owner, "GET", &nowhere, None, GZIP).await;
    assert_eq!(absent.refusal(), (404, "CLUSTER_NOT_FOUND"));
    let head = "/api/atlas/v2";
    let archive = place.path.trim_start_matches(head).replace("queryLogs.gz", "queryLogs.xz");
    let unknown = place.world.get(&owner, &archive).await;
    assert_eq!(unknown.refusal(), (404, "RESOURCE_NOT_FOUND"), "no file of another name");
}
