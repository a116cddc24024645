//! Endpoints beside the versioned API.

use serde_json::json;

use super::world::{Caller, World};

#[tokio::test]
async fn health_version_and_metrics_need_no_credentials() {
    let world = World::new().await;
    for path in ["/livez", "/readyz"] {
        let answer = world.call(&Caller::Nobody, "GET", path, None).await.expect(200);
        assert_eq!(answer.json, json!({ "status": "ok" }));
    }
    let version = world.call(&Caller::Nobody, "GET", "/version", None).await.expect(200);
    assert_eq!(version.json["name"], "portolan");
    world.get(&Caller::Nobody, "/orgs").await.expect(401);
    let metrics = world.call(&Caller::Nobody, "GET", "/metrics", None).await.expect(200);
    let line = "portolan_api_requests_total{operation=\"listOrgs\",status=\"401\"} 1";
    assert!(metrics.text.contains(line), "{}", metrics.text);
}

#[tokio::test]
async fn the_cli_finds_what_it_asks_on_the_way() {
    let world = World::new().await;
    let path = "/api/private/unauth/nds/defaultMongoDBMajorVersion";
    assert_eq!(world.call(&Caller::Nobody, "GET", path, None).await.expect(200).text, "8.0");
    let path = "/api/private/unauth/telemetry/events";
    world.call(&Caller::Nobody, "POST", path, Some(&json!([]))).await.expect(202);
    let path = "/api/private/ipinfo";
    world.call(&Caller::Nobody, "GET", path, None).await.expect(401);
    let answer = world.call(&world.owner(), "GET", path, None).await.expect(200);
    assert_eq!(answer.json, json!({ "currentIpv4Address": "127.0.0.1" }));
}
