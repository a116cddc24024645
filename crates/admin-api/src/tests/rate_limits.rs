//! Token buckets over the API, `/rateLimits`, and the token endpoint.

use serde_json::json;

use super::world::{Caller, NEWEST, World};

/// A world with the documented limits, a fraction of them.
async fn world(multiplier: f64) -> World {
    World::with(|settings| settings.rate_multiplier = multiplier).await
}

#[tokio::test]
async fn answers_and_errors_say_how_the_bucket_stands() {
    let world = world(1.0).await;
    let owner = world.owner();
    let settings = format!("/orgs/{}/settings", world.org());
    let first = world.get(&owner, &settings).await.expect(200);
    assert_eq!((first.header("ratelimit-limit"), first.header("ratelimit-remaining")), ("10", "9"));
    let error = world.patch(&owner, &settings, json!({ "hue": 1 })).await.expect(400);
    assert_eq!((error.header("ratelimit-limit"), error.header("ratelimit-remaining")), ("10", "8"));
    let other = world.get(&owner, "/orgs").await.expect(200);
    assert_eq!(
        (other.header("ratelimit-limit"), other.header("ratelimit-remaining")),
        ("300", "299")
    );
    let challenge = world.get(&Caller::Nobody, &settings).await.expect(401);
    assert_eq!(challenge.header("ratelimit-limit"), "");
    let public = world.get(&Caller::Nobody, "/unauth/controlPlaneIPAddresses").await.expect(200);
    assert_eq!(public.header("ratelimit-limit"), "400");
}

#[tokio::test]
async fn an_empty_bucket_refuses_until_it_fills_again() {
    let world = world(1.0).await;
    let owner = world.owner();
    let settings = format!("/orgs/{}/settings", world.org());
    for _ in 0..10 {
        world.get(&owner, &settings).await.expect(200);
    }
    let refused = world.patch(&owner, &settings, json!({ "apiAccessListRequired": true })).await;
    assert_eq!(refused.refusal(), (429, "RATE_LIMITED_TOKEN_BUCKET"));
    let path = format!("/api/atlas/v2{settings}");
    assert_eq!(
        refused.json["detail"],
        format!(
            "Rate limit exceeded for {path}. Please retry after 12 seconds. Request capacity: 10. \
             Refill rate: 5 per 60 seconds."
        )
    );
    assert_eq!(refused.json["parameters"], json!([path, 12, 10, 5, 60]));
    assert_eq!(refused.json["reason"], "Too Many Requests");
    assert_eq!(refused.header("retry-after"), "12");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    // Nothing changed, other buckets are not touched, and time heals.
    world.get(&owner, "/orgs").await.expect(200);
    world.clock.advance_ms(12_000);
    let again = world.get(&owner, &settings).await.expect(200);
    assert_eq!(again.json["apiAccessListRequired"], false);
    world.get(&owner, &settings).await.expect(429);
}

#[tokio::test]
async fn nobody_empties_the_bucket_of_another_tenant() {
    let world = world(0.01).await;
    let group = world.project("P").await;
    let (_, stranger) = world.second_org().await;
    let path = format!("/groups/{group}/limits");
    let mut statuses = Vec::new();
    for _ in 0..14 {
        statuses.push(world.get(&stranger, &path).await.status);
    }
    assert_eq!((statuses[0], statuses[11], statuses[12]), (404, 404, 429));
    let own = world.get(&world.owner(), &path).await.expect(200);
    assert_eq!((own.header("ratelimit-limit"), own.header("ratelimit-remaining")), ("12", "11"));
}

#[tokio::test]
async fn the_list_describes_the_buckets() {
    let world = world(0.5).await;
    let owner = world.owner();
    let list = world.get(&owner, "/rateLimits").await.expect(200);
    assert_eq!(list.header("content-type"), "application/vnd.atlas.2025-03-12+json;charset=utf-8");
    let sets = list.json["results"].as_array().expect("sets");
    let settings = sets.iter().find(|set| set["endpointSetId"] == "orgSettings").expect("it");
    assert_eq!(
        *settings,
        json!({
            "capacity": { "defaultValue": 10, "value": 5 },
            "endpointSetId": "orgSettings",
            "endpointSetName": "Organization Settings",
            "endpoints": [
                { "method": "GET", "path": "/api/atlas/v2/orgs/{orgId}/settings" },
                { "method": "PATCH", "path": "/api/atlas/v2/orgs/{orgId}/settings" },
            ],
            "refillDurationSeconds": { "defaultValue": 60, "value": 60 },
            "refillRate": { "defaultValue": 5, "value": 3 },
            "scope": "ORGANIZATION",
        })
    );
    let answer = world.get(&owner, &format!("/orgs/{}/settings", world.org())).await;
    assert_eq!(answer.header("ratelimit-limit"), "5");
    // Every operation is in one set.
    let endpoints: usize =
        sets.iter().map(|set| set["endpoints"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(endpoints, crate::operations().len() + 1);
    let one = world.get(&owner, "/rateLimits/orgSettings").await.expect(200);
    assert_eq!(one.json, *settings);
    let target = "/api/atlas/v2/rateLimits/orgSettings";
    let preview = "application/vnd.atlas.preview+json";
    let one = world.call_as(&owner, "GET", target, None, preview).await.expect(200);
    assert_eq!(one.header("content-type"), "application/vnd.atlas.preview+json;charset=utf-8");
    assert_eq!(world.get(&owner, "/rateLimits/none").await.refusal(), (404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn previews_are_had_by_name_where_there_is_one() {
    let world = World::new().await;
    let preview = "application/vnd.atlas.preview+json";
    let answer = world.call_as(&world.owner(), "GET", "/api/atlas/v2/orgs", None, preview).await;
    assert_eq!(answer.refusal(), (406, "INVALID_VERSION_DATE"));
    let old = "application/vnd.atlas.2025-03-11+json";
    let answer = world.call_as(&world.owner(), "GET", "/api/atlas/v2/rateLimits", None, old).await;
    assert_eq!(answer.refusal(), (406, "INVALID_VERSION_DATE"));
}

#[tokio::test]
async fn the_list_is_filtered_and_asked_for_visible_tenants_only() {
    let world = World::new().await;
    let owner = world.owner();
    let total = async |query: &str| {
        let answer = world.get(&owner, &format!("/rateLimits?{query}")).await;
        (answer.status, answer.json["totalCount"].as_i64().unwrap_or(0))
    };
    assert_eq!(total("name=organization%20settings").await, (200, 1));
    assert_eq!(total("endpointPath=/api/atlas/v2/orgs").await, (200, 1));
    assert_eq!(total("name=nothing").await, (200, 0));
    let group = world.project("P").await;
    assert_eq!(total(&format!("groupId={group}&name=Project")).await, (200, 1));
    assert_eq!(total("groupId=0123456789abcdef01234567").await, (404, 0));
    assert_eq!(total("orgId=0123456789abcdef01234567").await, (404, 0));
    for query in ["groupId=x", "orgId=x", "ipAddress=x", "pageNum=0"] {
        assert_eq!(total(query).await, (400, 0), "{query}");
    }
}

#[tokio::test]
async fn tokens_are_limited_by_address_in_words_of_their_own() {
    let world = world(0.04).await;
    let ask = async || {
        let headers = [("accept", NEWEST.to_owned())];
        world.send("POST", "/api/oauth/token", &headers, b"grant_type=x".to_vec()).await
    };
    assert_eq!(ask().await.status, 401);
    assert_eq!(ask().await.status, 401);
    let refused = ask().await;
    assert_eq!(refused.refusal(), (429, "RATE_LIMITED"));
    let detail = "Resource /api/oauth/token is limited to 2 requests every 1 minutes.";
    assert_eq!(refused.json["detail"], detail);
    assert_eq!(refused.json["parameters"], json!(["/api/oauth/token", 2, 1]));
    assert_eq!(refused.header("retry-after"), "30");
    world.clock.advance_ms(30_000);
    assert_eq!(ask().await.status, 401);
}
