//! `/api/oauth/token` and `/api/oauth/revoke`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::world::{Answer, Caller, World};

const FORM: &str = "application/x-www-form-urlencoded";

async fn ask(world: &World, path: &str, id: &str, secret: &str, form: &str) -> Answer {
    let basic = STANDARD.encode(format!("{id}:{secret}"));
    let headers = [("authorization", format!("Basic {basic}")), ("content-type", FORM.to_owned())];
    world.send("POST", path, &headers, form.as_bytes().to_vec()).await
}

/// The caller and the token of the first organization's service account.
pub(super) async fn token(world: &World) -> (Caller, String) {
    let (id, secret) = (world.founded.client_id.to_string(), world.founded.client_secret.expose());
    let answer = ask(world, "/api/oauth/token", &id, secret, "grant_type=client_credentials").await;
    let token = answer.expect(200).str("/access_token");
    (Caller::Token(token.clone()), token)
}

#[tokio::test]
async fn a_token_works_until_it_is_revoked_or_an_hour_old() {
    let world = World::new().await;
    let (caller, token_text) = token(&world).await;
    world.get(&caller, "/orgs").await.expect(200);
    let (id, secret) = (world.founded.client_id.to_string(), world.founded.client_secret.expose());
    let form = format!("token={token_text}&token_type_hint=access_token");
    let revoked = ask(&world, "/api/oauth/revoke", &id, secret, &form).await;
    assert_eq!((revoked.status, revoked.text.as_str()), (200, ""));
    assert_eq!(world.get(&caller, "/orgs").await.status, 401);
    let (caller, _) = token(&world).await;
    world.clock.advance_ms(3_599_000);
    world.get(&caller, "/orgs").await.expect(200);
    world.clock.advance_ms(1_000);
    assert_eq!(world.get(&caller, "/orgs").await.status, 401);
}

#[tokio::test]
async fn the_answer_has_the_fields_of_the_rfc() {
    let world = World::new().await;
    let (id, secret) = (world.founded.client_id.to_string(), world.founded.client_secret.expose());
    let form = "grant_type=client_credentials";
    let answer = ask(&world, "/api/oauth/token", &id, secret, form).await.expect(200);
    assert_eq!(answer.json["expires_in"], 3600);
    assert_eq!(answer.json["token_type"], "Bearer");
    assert_eq!(answer.header("cache-control"), "no-store");
    let encoded = id.replace('_', "%5F");
    ask(&world, "/api/oauth/token", &encoded, secret, form).await.expect(200);
    let in_form = format!("{form}&client_id={id}&client_secret={secret}");
    let headers = [("content-type", FORM.to_owned())];
    let answer = world.send("POST", "/api/oauth/token", &headers, in_form.into_bytes()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn wrong_requests_get_the_errors_of_the_rfc() {
    let world = World::new().await;
    let (id, secret) = (world.founded.client_id.to_string(), world.founded.client_secret.expose());
    let form = "grant_type=client_credentials";
    let unknown = "mdb_sa_id_0123456789abcdef01234567";
    for (id, secret) in [(id.as_str(), "mdb_sa_sk_x"), (unknown, secret), ("x", secret)] {
        let answer = ask(&world, "/api/oauth/token", id, secret, form).await;
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.json,
            json!({
                "error": "invalid_client", "error_description": "Invalid credentials provided.",
            })
        );
    }
    for (form, error) in
        [("grant_type=password", "unsupported_grant_type"), ("scope=x", "invalid_request")]
    {
        let answer = ask(&world, "/api/oauth/token", &id, secret, form).await;
        assert_eq!((answer.status, &answer.json["error"]), (400, &json!(error)));
    }
}

#[tokio::test]
async fn a_body_beyond_all_bounds_is_an_invalid_request() {
    let world = World::new().await;
    let form = "x".repeat(3 * 1024 * 1024);
    for path in ["/api/oauth/token", "/api/oauth/revoke"] {
        let answer = ask(&world, path, "id", "secret", &form).await;
        assert_eq!(answer.expect(400).str("/error"), "invalid_request", "{path}");
    }
}
