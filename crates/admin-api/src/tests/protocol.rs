//! What holds for every operation: challenge, versions, envelope, errors, limits, paths.

use serde_json::json;

use super::world::{Caller, NEWEST, World, digest_answer, nonce_of};

#[tokio::test]
async fn without_credentials_a_digest_challenge() {
    let world = World::new().await;
    let answer = world.get(&Caller::Nobody, "/orgs").await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").starts_with("Digest realm=\"MMS Public API\""));
    assert!(answer.text.starts_with("{\n  \"error\" : 401,\n  \"reason\" : \"Unauthorized\""));
    assert_eq!(answer.code(), "UNEXPECTED_ERROR");
    assert_eq!(answer.header("x-error-code"), "UNEXPECTED_ERROR");
    assert_eq!(answer.json.get("parameters"), None);
    let wrong = Caller::Key("abcdefgh".into(), "wrong".into());
    assert_eq!(world.get(&wrong, "/orgs").await.status, 401);
    let basic = [("authorization", "Basic YTpi".to_owned()), ("accept", NEWEST.to_owned())];
    let answer = world.send("GET", "/api/atlas/v2/orgs", &basic, Vec::new()).await;
    assert!(answer.header("www-authenticate").starts_with("Digest "));
}

#[tokio::test]
async fn a_wrong_bearer_token_gets_an_empty_401() {
    let world = World::new().await;
    let answer = world.get(&Caller::Token("portolan_at_x".into()), "/orgs").await;
    assert_eq!((answer.status, answer.text.as_str()), (401, ""));
    assert_eq!(answer.header("www-authenticate"), "");
}

#[tokio::test]
async fn an_old_nonce_is_stale_and_an_answer_good_once() {
    let world = World::new().await;
    let Caller::Key(public, private) = world.owner() else { panic!("a key") };
    let target = "/api/atlas/v2/orgs";
    let challenged = world.get(&Caller::Nobody, "/orgs").await;
    let nonce = nonce_of(challenged.header("www-authenticate"));
    let value = digest_answer(&public, &private, &nonce, "GET", target);
    let headers = [("authorization", value), ("accept", NEWEST.to_owned())];
    assert_eq!(world.send("GET", target, &headers, Vec::new()).await.status, 200);
    let again = world.send("GET", target, &headers, Vec::new()).await;
    assert_eq!(again.status, 401);
    assert!(again.header("www-authenticate").ends_with("stale=true"));
}

#[tokio::test]
async fn dates_resolve_downwards_and_are_named_in_the_answer() {
    let world = World::new().await;
    let answer = world.get(&world.owner(), "/orgs").await.expect(200);
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.atlas.2023-01-01+json;charset=utf-8"
    );
    for accept in ["*/*", "application/json", "application/vnd.atlas.2022-01-01+json"] {
        let answer = world.call_as(&world.owner(), "GET", "/api/atlas/v2/orgs", None, accept).await;
        assert_eq!(answer.refusal(), (406, "INVALID_VERSION_DATE"), "{accept}");
        assert_eq!(answer.json["detail"], "Invalid accept header or version date.");
        assert_eq!(answer.json["parameters"], json!([]));
        assert_eq!(answer.json["reason"], "Not Acceptable");
    }
    let first = "application/vnd.atlas.2023-01-01+json";
    let target = format!("/api/atlas/v2/orgs/{}/serviceAccounts", world.org());
    let answer = world.call_as(&world.owner(), "GET", &target, None, first).await;
    assert_eq!(answer.refusal(), (406, "INVALID_VERSION_DATE"));
}

#[tokio::test]
async fn replaced_versions_say_when_they_end() {
    let world = World::new().await;
    let target = format!("/api/atlas/v2/orgs/{}/users", world.org());
    let old = "application/vnd.atlas.2023-01-01+json";
    let answer = world.call_as(&world.owner(), "GET", &target, None, old).await.expect(200);
    assert_eq!(answer.header("deprecation"), "Wed, 19 Feb 2025 00:00:00 GMT");
    assert_eq!(answer.header("sunset"), "Thu, 1 Jul 2027 00:00:00 GMT");
    let answer = world.call(&world.owner(), "GET", &target, None).await.expect(200);
    assert_eq!(answer.header("sunset"), "");
}

#[tokio::test]
async fn envelope_and_pretty_shape_the_answer() {
    let world = World::new().await;
    let owner = world.owner();
    let list = world.get(&owner, "/orgs?envelope=true").await.expect(200);
    assert_eq!((&list.json["status"], &list.json["totalCount"]), (&json!(200), &json!(1)));
    let path = format!("/orgs/{}?envelope=true&pretty=true", world.org());
    let one = world.get(&owner, &path).await.expect(200);
    assert_eq!(one.json["status"], 200);
    assert_eq!(one.json["content"]["name"], "First");
    assert!(one.text.contains("\n  \"content\""));
    let absent = "/orgs/0123456789abcdef01234567?envelope=true";
    let error = world.get(&owner, absent).await.expect(404);
    assert_eq!(error.json["content"]["errorCode"], "ORG_NOT_FOUND");
}

#[tokio::test]
async fn keys_are_sorted_and_errors_have_their_header() {
    let world = World::new().await;
    let path = "/groups/0123456789abcdef01234567";
    let answer = world.get(&world.owner(), path).await.expect(404);
    assert_eq!(answer.header("x-error-code"), "GROUP_NOT_FOUND");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.text,
        "{\"detail\":\"No group with ID 0123456789abcdef01234567 exists.\",\"error\":404,\
         \"errorCode\":\"GROUP_NOT_FOUND\",\"parameters\":[\"0123456789abcdef01234567\"],\
         \"reason\":\"Not Found\"}"
    );
}

#[tokio::test]
async fn unknown_routes_are_no_operations() {
    let world = World::new().await;
    for (method, path) in [
        ("GET", "/api/atlas/v2/nothing"),
        ("PUT", "/api/atlas/v2/orgs"),
        ("GET", "/"),
        ("POST", "/api/atlas/v2/groups/0123456789abcdef01234567:frobnicate"),
        ("GET", "/api/portolan/v1/nothing"),
    ] {
        let answer = world.call(&world.owner(), method, path, None).await;
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND"), "{method} {path}");
        assert_eq!(answer.json["detail"], "No such operation.");
    }
}

#[tokio::test]
async fn odd_but_known_spellings_of_paths_are_understood() {
    let world = World::new().await;
    let owner = world.owner();
    for target in ["/api/atlas/v2", "/api/atlas/v2/", "//api/atlas/v2"] {
        let answer = world.call(&owner, "GET", target, None).await;
        assert_eq!((answer.status, &answer.json["appName"]), (200, &json!("MongoDB Atlas")));
    }
    let group = world.project("P").await;
    for verb in [":", "%3A", "%3a"] {
        let target = format!("/api/atlas/v2/groups/{group}{verb}migrate");
        let answer = world.call(&owner, "POST", &target, Some(&json!({}))).await;
        assert_eq!(answer.refusal(), (400, "MISSING_ATTRIBUTE"), "{verb}");
    }
}

#[tokio::test]
async fn bodies_are_limited_and_typed() {
    let world = World::new().await;
    let target = "/api/atlas/v2/groups";
    let big = vec![b' '; 70_000];
    let answer = world.send("POST", target, &[("accept", NEWEST.to_owned())], big).await;
    assert_eq!(answer.refusal(), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.header("connection"), "close");
    let (_, token) = super::oauth::token(&world).await;
    let headers = [
        ("accept", NEWEST.to_owned()),
        ("authorization", format!("Bearer {token}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let answer = world.send("POST", target, &headers, b"{}".to_vec()).await;
    assert_eq!(answer.refusal(), (415, "UNSUPPORTED_MEDIA_TYPE"));
}

#[tokio::test]
async fn paging_parameters_are_checked() {
    let world = World::new().await;
    for query in ["pageNum=0", "itemsPerPage=501", "includeCount=2"] {
        let answer = world.get(&world.owner(), &format!("/orgs?{query}")).await;
        assert_eq!(answer.refusal(), (400, "INVALID_QUERY_PARAMETER"), "{query}");
    }
    let answer = world.get(&world.owner(), "/orgs?includeCount=false").await.expect(200);
    assert_eq!(answer.json.get("totalCount"), None);
    let self_link = answer.str("/links/0/href");
    assert_eq!(
        self_link,
        "http://portolan.test/api/atlas/v2/orgs?includeCount=false&pageNum=1&itemsPerPage=100"
    );
}

/// Whoever requires lists must have one that lets it in: else it could not even take that back.
#[tokio::test]
async fn nobody_locks_itself_out() {
    let world = World::new().await;
    let (owner, path) = (world.owner(), format!("/orgs/{}/settings", world.org()));
    let body = json!({ "apiAccessListRequired": true });
    let refused = world.patch(&owner, &path, body.clone()).await;
    assert_eq!(refused.refusal(), (403, "ORG_REQUIRES_ACCESS_LIST"));
    assert_eq!(refused.json["parameters"], json!(["127.0.0.1"]));
    assert_eq!(refused.str("/badRequestDetail/fields/0/field"), "apiAccessListRequired");
    assert_eq!(world.get(&owner, &path).await.expect(200).json["apiAccessListRequired"], false);
    // The answer says what to do, and that works.
    let detail = refused.str("/detail");
    let remedy = detail.split("POST ").nth(1).expect("a remedy").trim_end_matches('.');
    let here = json!([{ "ipAddress": "127.0.0.1" }]);
    world.call(&owner, "POST", remedy, Some(&here)).await.expect(200);
    world.patch(&owner, &path, body).await.expect(200);
    world.get(&owner, "/orgs").await.expect(200);
    let (account, _) = super::oauth::token(&world).await;
    let other = world.get(&account, "/orgs").await;
    assert_eq!(other.refusal(), (403, "ORG_REQUIRES_ACCESS_LIST"));
    assert_eq!(other.json["parameters"], json!(["127.0.0.1"]));
}

#[tokio::test]
async fn every_change_leaves_an_audit_row_with_its_outcome() {
    use portolan_auth::{Authorized, Instance};
    use portolan_store::audit::{self, AuditOutcome};
    let world = World::new().await;
    world.project("P").await;
    let body = json!({ "name": "P", "orgId": world.org() });
    world.post(&world.owner(), "/groups", body).await.expect(409);
    let system = &Authorized::<Instance>::system("test");
    let rows: portolan_store::Listed<audit::AuditRow> = world
        .control
        .store
        .read_tx("test.audit", |tx| {
            Box::pin(audit::list(tx, system, false, portolan_store::Page::ALL))
        })
        .await
        .expect("the trail");
    let mut outcomes: Vec<_> =
        rows.items.iter().map(|row| (row.outcome, row.detail.as_deref())).collect();
    outcomes.sort_by_key(|(_, detail)| detail.is_some());
    assert_eq!(
        outcomes,
        [
            (Some(AuditOutcome::Done), None),
            (Some(AuditOutcome::Refused), Some("GROUP_ALREADY_EXISTS")),
        ]
    );
    assert!(rows.items.iter().all(|row| row.operation == "createGroup"));
}
