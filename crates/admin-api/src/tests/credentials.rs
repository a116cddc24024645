//! Every state that a credential can be in, at every operation: who is not let in learns nothing and
//! leaves nothing. And the figures of those who are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portolan_auth::{Authorized, Instance};
use portolan_store::access_lists::{self, AccessOwner};
use portolan_store::audit;
use serde_json::json;

use super::world::{Answer, Caller, NEWEST, World, digest_answer, nonce_of};
use crate::{OperationInfo, operations};

const ABSENT: &str = "0123456789abcdef01234567";
const HOUR_MS: u64 = 3_600_000;

/// What somebody who is not let in gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// 401 with a Digest challenge.
    Challenge,
    /// 401 without a body.
    Empty,
    /// 403 with this code and the address.
    Forbidden(&'static str),
}

fn target(operation: &OperationInfo, world: &World) -> String {
    let mut target = operation.path.replace("{orgId}", &world.org());
    while let (Some(start), Some(end)) = (target.find('{'), target.find('}')) {
        target.replace_range(start..=end, ABSENT);
    }
    target
}

fn check(answer: &Answer, refusal: Refusal, what: &str) {
    match refusal {
        Refusal::Challenge => {
            assert_eq!(answer.status, 401, "{what}: {}", answer.text);
            assert!(answer.header("www-authenticate").starts_with("Digest "), "{what}");
            assert_eq!(answer.header("ratelimit-limit"), "", "{what}");
        }
        Refusal::Empty => {
            assert_eq!((answer.status, answer.text.as_str()), (401, ""), "{what}");
            assert_eq!(answer.header("www-authenticate"), "", "{what}");
        }
        Refusal::Forbidden(code) => {
            assert_eq!(answer.refusal(), (403, code), "{what}");
            assert_eq!(answer.json["parameters"], json!(["127.0.0.1"]), "{what}");
        }
    }
}

/// Sends a header as it is to every operation that asks for credentials.
async fn refused_everywhere(world: &World, authorization: Option<&str>, refusal: Refusal) {
    for operation in operations().into_iter().filter(|one| !one.public) {
        let mut headers = vec![("accept", NEWEST.to_owned())];
        headers.extend(authorization.map(|value| ("authorization", value.to_owned())));
        let target = target(&operation, world);
        let answer = world.send(&operation.method, &target, &headers, Vec::new()).await;
        check(&answer, refusal, &format!("{authorization:?} {}", operation.operation_id));
    }
    let beside = world.send("GET", "/api/private/ipinfo", &[], Vec::new()).await;
    assert_eq!(beside.status, 401);
}

/// Presents a credential at every operation that asks for one.
async fn caller_refused_everywhere(world: &World, caller: &Caller, refusal: Refusal) {
    for operation in operations().into_iter().filter(|one| !one.public) {
        let target = target(&operation, world);
        let answer = world.call(caller, &operation.method, &target, None).await;
        check(&answer, refusal, &format!("{caller:?} {}", operation.operation_id));
    }
    let beside = world.call(caller, "GET", "/api/private/ipinfo", None).await;
    check(&beside, refusal, "ipinfo");
}

async fn audit_rows(world: &World) -> i64 {
    let system = &Authorized::<Instance>::system("test");
    let rows: portolan_store::Listed<audit::AuditRow> = world
        .control
        .store
        .read_tx("test.audit", |tx| {
            Box::pin(audit::list(tx, system, false, portolan_store::Page::new(1, 0)))
        })
        .await
        .expect("the trail");
    rows.total
}

/// Id and caller of a new key.
async fn new_key(world: &World) -> (String, Caller) {
    let body = json!({ "desc": "robot", "roles": ["ORG_OWNER"] });
    let path = format!("/orgs/{}/apiKeys", world.org());
    let made = world.post(&world.owner(), &path, body).await.expect(200);
    let caller = Caller::Key(made.str("/publicKey"), made.str("/privateKey"));
    (format!("{path}/{}", made.str("/id")), caller)
}

struct Account {
    path: String,
    id: String,
    secret: String,
}

async fn new_account(world: &World, hours: i32) -> Account {
    let path = format!("/orgs/{}/serviceAccounts", world.org());
    let body = json!({ "name": "robot", "description": "d", "roles": ["ORG_OWNER"],
        "secretExpiresAfterHours": hours });
    let made = world.post(&world.owner(), &path, body).await.expect(201);
    let id = made.str("/clientId");
    Account { path: format!("{path}/{id}"), id, secret: made.str("/secrets/0/secret") }
}

async fn ask(world: &World, account: &Account, path: &str, form: &str) -> Answer {
    let basic = STANDARD.encode(format!("{}:{}", account.id, account.secret));
    let headers = [("authorization", format!("Basic {basic}"))];
    world.send("POST", path, &headers, form.as_bytes().to_vec()).await
}

async fn token(world: &World, account: &Account) -> Answer {
    ask(world, account, "/api/oauth/token", "grant_type=client_credentials").await
}

async fn bearer(world: &World, account: &Account) -> Caller {
    Caller::Token(token(world, account).await.expect(200).str("/access_token"))
}

async fn no_token(world: &World, account: &Account) {
    let refused = token(world, account).await.expect(401);
    assert_eq!(refused.json["error"], "invalid_client");
}

#[tokio::test]
async fn headers_that_are_no_credentials() {
    let world = World::new().await;
    let before = audit_rows(&world).await;
    refused_everywhere(&world, None, Refusal::Challenge).await;
    for header in
        ["", "Digest", "Digest nonsense", "Basic YTpi", "Negotiate x", "Digest username=\""]
    {
        refused_everywhere(&world, Some(header), Refusal::Challenge).await;
    }
    for header in ["Bearer", "Bearer ", "bearer x", "Bearer a b"] {
        refused_everywhere(&world, Some(header), Refusal::Empty).await;
    }
    assert_eq!(audit_rows(&world).await, before);
}

#[tokio::test]
async fn keys_that_are_unknown_wrong_or_gone() {
    let world = World::new().await;
    let (path, key) = new_key(&world).await;
    let Caller::Key(public_key, private_key) = &key else { panic!("a key") };
    world.get(&key, "/orgs").await.expect(200);
    let unknown = Caller::Key("zzzzzzzz".into(), private_key.clone());
    let wrong = Caller::Key(public_key.clone(), "wrong".into());
    let before = audit_rows(&world).await;
    caller_refused_everywhere(&world, &unknown, Refusal::Challenge).await;
    caller_refused_everywhere(&world, &wrong, Refusal::Challenge).await;
    assert_eq!(audit_rows(&world).await, before);
    world.delete(&world.owner(), &path).await.expect(204);
    caller_refused_everywhere(&world, &key, Refusal::Challenge).await;
    assert_eq!(audit_rows(&world).await, before + 1);
}

#[tokio::test]
async fn an_answer_is_good_for_its_own_request_alone() {
    let world = World::new().await;
    let Caller::Key(public, private) = world.owner() else { panic!("a key") };
    let challenged = world.get(&Caller::Nobody, "/orgs").await;
    let nonce = nonce_of(challenged.header("www-authenticate"));
    let value = digest_answer(&public, &private, &nonce, "GET", "/api/atlas/v2/orgs");
    let headers = [("authorization", value), ("accept", NEWEST.to_owned())];
    for (method, path) in [("GET", "/api/atlas/v2/groups"), ("POST", "/api/atlas/v2/orgs")] {
        let answer = world.send(method, path, &headers, Vec::new()).await;
        check(&answer, Refusal::Challenge, path);
    }
}

#[tokio::test]
async fn tokens_that_are_expired_revoked_or_orphaned() {
    let world = World::new().await;
    let account = new_account(&world, 24).await;
    let expired = bearer(&world, &account).await;
    world.get(&expired, "/orgs").await.expect(200);
    world.clock.advance_ms(HOUR_MS + 1);
    caller_refused_everywhere(&world, &expired, Refusal::Empty).await;

    let revoked = bearer(&world, &account).await;
    let Caller::Token(text) = &revoked else { panic!("a token") };
    ask(&world, &account, "/api/oauth/revoke", &format!("token={text}")).await.expect(200);
    caller_refused_everywhere(&world, &revoked, Refusal::Empty).await;

    let orphan = bearer(&world, &account).await;
    world.delete(&world.owner(), &account.path).await.expect(204);
    caller_refused_everywhere(&world, &orphan, Refusal::Empty).await;
    no_token(&world, &account).await;
}

#[tokio::test]
async fn secrets_that_are_wrong_deleted_or_expired() {
    let world = World::new().await;
    let account = new_account(&world, 1).await;
    let wrong = Account { path: String::new(), id: account.id.clone(), secret: "wrong".into() };
    no_token(&world, &wrong).await;
    let unknown = Account { id: format!("mdb_sa_id_{ABSENT}"), ..wrong };
    no_token(&world, &unknown).await;

    let seen = world.get(&world.owner(), &account.path).await.expect(200);
    let kept = bearer(&world, &account).await;
    let secret = format!("{}/secrets/{}", account.path, seen.str("/secrets/0/id"));
    world.delete(&world.owner(), &secret).await.expect(204);
    caller_refused_everywhere(&world, &kept, Refusal::Empty).await;
    no_token(&world, &account).await;

    let account = new_account(&world, 1).await;
    world.clock.advance_ms(HOUR_MS / 2);
    let given = token(&world, &account).await.expect(200);
    assert_eq!(given.json["expires_in"], 1_800, "no longer than its secret");
    let outlived = Caller::Token(given.str("/access_token"));
    world.get(&outlived, "/orgs").await.expect(200);
    world.clock.advance_ms(HOUR_MS / 2);
    caller_refused_everywhere(&world, &outlived, Refusal::Empty).await;
    no_token(&world, &account).await;
}

#[tokio::test]
async fn access_lists_that_are_empty_required_or_name_others() {
    let world = World::new().await;
    let (key_path, key) = new_key(&world).await;
    let account = new_account(&world, 24).await;
    let robot = bearer(&world, &account).await;
    let (owner, here) = (world.owner(), json!([{ "ipAddress": "127.0.0.1" }]));
    let elsewhere = json!([{ "cidrBlock": "10.0.0.0/8" }]);
    let lists = [format!("{key_path}/accessList"), format!("{}/accessList", account.path)];
    for (list, caller) in lists.iter().zip([&key, &robot]) {
        world.post(&owner, list, elsewhere.clone()).await.expect(200);
        let refusal = Refusal::Forbidden("IP_ADDRESS_NOT_ON_ACCESS_LIST");
        caller_refused_everywhere(&world, caller, refusal).await;
        world.post(&owner, list, here.clone()).await.expect(200);
        world.get(caller, "/orgs").await.expect(200);
        world.delete(&owner, &format!("{list}/10.0.0.0%2F8")).await.expect(204);
        world.delete(&owner, &format!("{list}/127.0.0.1")).await.expect(204);
    }
    // The one who requires lists keeps one of its own, or it is the last thing that it does.
    let keys = world.get(&owner, &format!("/orgs/{}/apiKeys", world.org())).await.expect(200);
    let own = format!("/orgs/{}/apiKeys/{}/accessList", world.org(), keys.str("/results/0/id"));
    world.post(&owner, &own, here.clone()).await.expect(200);
    let settings = format!("/orgs/{}/settings", world.org());
    world.patch(&owner, &settings, json!({ "apiAccessListRequired": true })).await.expect(200);
    for (list, caller) in lists.iter().zip([&key, &robot]) {
        caller_refused_everywhere(&world, caller, Refusal::Forbidden("ORG_REQUIRES_ACCESS_LIST"))
            .await;
        world.post(&owner, list, here.clone()).await.expect(200);
        world.get(caller, "/orgs").await.expect(200);
    }
    // A wrong secret is a wrong secret, on the list or not.
    let Caller::Key(public_key, _) = &key else { panic!("a key") };
    let wrong = Caller::Key(public_key.clone(), "wrong".into());
    caller_refused_everywhere(&world, &wrong, Refusal::Challenge).await;
    // Tokens are given everywhere; using them is what the list is about.
    world.delete(&owner, &format!("{}/127.0.0.1", lists[1])).await.expect(204);
    token(&world, &account).await.expect(200);
}

#[tokio::test]
async fn entries_tell_how_often_when_and_by_whom_they_were_used() {
    let world = World::new().await;
    let (owner, (key_path, key)) = (world.owner(), new_key(&world).await);
    let account = new_account(&world, 24).await;
    let robot = bearer(&world, &account).await;
    let here = json!([{ "cidrBlock": "127.0.0.0/8" }, { "cidrBlock": "10.0.0.0/8" }]);
    let (keys, robots) = (format!("{key_path}/accessList"), format!("{}/accessList", account.path));
    for list in [&keys, &robots] {
        world.post(&owner, list, here.clone()).await.expect(200);
    }
    for _ in 0..3 {
        world.get(&key, "/orgs").await.expect(200);
        world.get(&robot, "/orgs").await.expect(200);
        world.clock.advance_ms(1_000);
    }
    world.get(&Caller::Key("zzzzzzzz".into(), "x".into()), "/orgs").await.expect(401);
    let one = world.get(&owner, &format!("{keys}/127.0.0.0%2F8")).await.expect(200).json;
    assert_eq!((&one["count"], &one["lastUsedAddress"]), (&json!(3), &json!("127.0.0.1")));
    assert_eq!(one["lastUsed"], "2026-08-10T03:02:48Z");
    let other = world.get(&owner, &format!("{keys}/10.0.0.0%2F8")).await.expect(200).json;
    assert_eq!((&other["count"], other.get("lastUsed")), (&json!(0), None));
    let status = world.get(&key, "").await.expect(200).json;
    assert_eq!(
        status["apiKey"]["accessList"],
        json!([
            { "cidrBlock": "10.0.0.0/8", "ipAddress": "10.0.0.0" },
            { "cidrBlock": "127.0.0.0/8", "ipAddress": "127.0.0.0" },
        ])
    );
    let list = world.get(&owner, &robots).await.expect(200).json;
    let used = list["results"].as_array().expect("entries");
    let used = used.iter().find(|entry| entry["cidrBlock"] == "127.0.0.0/8").expect("it");
    assert_eq!((&used["requestCount"], &used["lastUsedAddress"]), (&json!(3), &json!("127.0.0.1")));
    assert_eq!(used["lastUsedAt"], "2026-08-10T03:02:48Z");
}

#[tokio::test]
async fn uses_are_written_after_a_while_though_nobody_asks() {
    let world = World::new().await;
    let (owner, (key_path, key)) = (world.owner(), new_key(&world).await);
    let list = format!("{key_path}/accessList");
    world.post(&owner, &list, json!([{ "cidrBlock": "127.0.0.0/8" }])).await.expect(200);
    world.get(&key, "/orgs").await.expect(200);
    world.clock.advance_ms(10_000);
    world.get(&key, "/orgs").await.expect(200);
    let id = key_path.rsplit('/').next().expect("an id").parse().expect("an id");
    for _ in 0..10_000 {
        let rules = world.control.store.read_tx("test.uses", |tx| {
            Box::pin(async move {
                let system = Authorized::<Instance>::system("test").in_org(world.founded.org_id);
                let key = AccessOwner::ApiKey(id);
                access_lists::list(tx, &system, key, portolan_store::Page::ALL).await
            })
        });
        let listed: Result<_, portolan_store::StoreError> = rules.await;
        if listed.expect("a list").items[0].use_count >= 1 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nothing was written");
}
