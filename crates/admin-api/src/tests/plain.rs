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

#[tokio::test]
async fn a_client_behind_proxies_is_the_last_address_that_is_none() {
    let ask = async |world: &World, forwarded: &[&str]| {
        let (_, token) = super::oauth::token(world).await;
        let mut headers = vec![("authorization", format!("Bearer {token}"))];
        headers.extend(forwarded.iter().map(|value| ("x-forwarded-for", (*value).to_owned())));
        let answer = world.send("GET", "/api/private/ipinfo", &headers, Vec::new()).await;
        answer.expect(200).str("/currentIpv4Address")
    };
    let open = World::new().await;
    assert_eq!(ask(&open, &["192.0.2.1"]).await, "127.0.0.1", "nobody is trusted");
    let proxies = ["127.0.0.0/8", "10.0.0.0/8"].map(|proxy| proxy.parse().expect("a network"));
    let behind = World::with(|settings| settings.trusted_proxies = proxies.to_vec()).await;
    for (forwarded, client) in [
        (vec![], "127.0.0.1"),
        (vec!["192.0.2.1"], "192.0.2.1"),
        (vec!["198.51.100.1, 192.0.2.1, 10.0.0.1"], "192.0.2.1"),
        (vec!["198.51.100.1", "192.0.2.1,10.0.0.1"], "192.0.2.1"),
        (vec!["::ffff:192.0.2.1"], "192.0.2.1"),
        (vec!["192.0.2.1, nonsense"], "127.0.0.1"),
        (vec!["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
    ] {
        assert_eq!(ask(&behind, &forwarded).await, client, "{forwarded:?}");
    }
}
