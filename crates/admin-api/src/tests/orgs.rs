//! `/orgs`, `/orgs/{orgId}`, its settings and its projects.

use portolan_auth::{Authorized, Instance};
use portolan_model::{MigrationId, OrgId, ProjectId};
use portolan_store::link_tokens::{self, MigrationRow};
use serde_json::json;

use super::world::{Caller, World};

#[tokio::test]
async fn an_organization_on_the_wire() {
    let world = World::new().await;
    let org = world.org();
    let answer = world.get(&world.owner(), &format!("/orgs/{org}")).await.expect(200);
    let keys: Vec<&String> = answer.json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "isDeleted", "links", "name", "skipDefaultAlertsSettings"]);
    let rels: Vec<_> =
        answer.json["links"].as_array().expect("links").iter().map(|l| l["rel"].clone()).collect();
    assert_eq!(
        rels,
        [
            "self",
            "https://cloud.mongodb.com/groups",
            "https://cloud.mongodb.com/teams",
            "https://cloud.mongodb.com/users"
        ]
    );
    let list = world.get(&world.owner(), "/orgs?name=fir").await.expect(200);
    assert_eq!(list.json["totalCount"], 1);
    assert_eq!(list.json["results"][0]["links"].as_array().map(Vec::len), Some(1));
    assert!(list.str("/links/0/href").contains("orgs?name=fir&includeCount=true"));
    let none = world.get(&world.owner(), "/orgs?name=zzz").await.expect(200);
    assert_eq!(none.json["totalCount"], 0);
}

#[tokio::test]
async fn a_new_organization_has_the_owner_of_the_callers_and_its_own_key() {
    let world = World::new().await;
    let body = json!({
        "name": "Second", "skipDefaultAlertsSettings": true,
        "apiKey": { "desc": "owner", "roles": ["ORG_OWNER"] },
    });
    let made = world.post(&world.owner(), "/orgs", body).await.expect(201);
    assert_eq!(made.str("/orgOwnerId"), world.founded.owner_id.to_string());
    assert_eq!(made.json["skipDefaultAlertsSettings"], true);
    let key = Caller::Key(made.str("/apiKey/publicKey"), made.str("/apiKey/privateKey"));
    let org = made.str("/organization/id");
    let settings = world.get(&key, &format!("/orgs/{org}/settings")).await.expect(200);
    assert_eq!(settings.json["genAIFeaturesEnabled"], true);
    let users = world.get(&key, &format!("/orgs/{org}/users")).await.expect(200);
    assert_eq!(users.str("/results/0/username"), "owner@example.org");
    world.get(&world.owner(), &format!("/orgs/{org}")).await.expect(404);
}

#[tokio::test]
async fn a_new_organization_may_come_with_a_service_account() {
    let world = World::new().await;
    let body = json!({
        "name": "Second", "orgOwnerId": world.founded.owner_id.to_string(),
        "serviceAccount": {
            "name": "sa", "description": "d", "roles": ["ORG_OWNER"],
            "secretExpiresAfterHours": 24,
        },
    });
    let made = world.post(&world.owner(), "/orgs", body).await.expect(201);
    assert!(made.str("/serviceAccount/clientId").starts_with("mdb_sa_id_"));
    assert!(made.str("/serviceAccount/secrets/0/secret").starts_with("mdb_sa_sk_"));
    let unknown = json!({ "name": "Third", "orgOwnerId": "0123456789abcdef01234567" });
    let refused = world.post(&world.owner(), "/orgs", unknown).await;
    assert_eq!(refused.refusal(), (404, "USER_NOT_FOUND"));
    let member = world.key(&world.owner(), &world.org(), &["ORG_MEMBER"]).await;
    let refused = world.post(&member, "/orgs", json!({ "name": "Third" })).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_OWNER"));
}

#[tokio::test]
async fn names_and_fields_are_checked() {
    let world = World::new().await;
    for (body, code, field) in [
        (json!({ "name": "a/b" }), "INVALID_ORG_NAME", "name"),
        (json!({}), "MISSING_ATTRIBUTE", "name"),
        (json!({ "name": "x", "colour": 1 }), "INVALID_ATTRIBUTE", "colour"),
        (json!({ "name": 1 }), "INVALID_JSON_ATTRIBUTE", "name"),
    ] {
        let answer = world.post(&world.owner(), "/orgs", body).await;
        assert_eq!(answer.refusal(), (400, code));
        assert_eq!(answer.str("/badRequestDetail/fields/0/field"), field);
    }
    let body = json!({ "name": "x", "federationSettingsId": "0123456789abcdef01234567" });
    let answer = world.post(&world.owner(), "/orgs", body).await;
    assert_eq!(answer.refusal(), (403, "FEATURE_UNSUPPORTED"));
}

#[tokio::test]
async fn owners_rename_and_others_may_not() {
    let world = World::new().await;
    let path = format!("/orgs/{}", world.org());
    let body = json!({ "name": "New name", "id": "ignored", "links": [], "isDeleted": true });
    let answer = world.patch(&world.owner(), &path, body).await.expect(200);
    assert_eq!(answer.json["name"], "New name");
    let member = world.key(&world.owner(), &world.org(), &["ORG_MEMBER"]).await;
    let refused = world.patch(&member, &path, json!({ "name": "x" })).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_OWNER"));
    assert_eq!(refused.header("www-authenticate"), "");
}

#[tokio::test]
async fn settings_are_merged() {
    let world = World::new().await;
    let path = format!("/orgs/{}/settings", world.org());
    let body = json!({
        "multiFactorAuthRequired": true, "securityContact": "s@example.org",
        "maxServiceAccountSecretValidityInHours": 8,
    });
    world.patch(&world.owner(), &path, body).await.expect(200);
    let answer = world.patch(&world.owner(), &path, json!({ "securityContact": "" })).await;
    let answer = answer.expect(200);
    assert_eq!(answer.json.get("securityContact"), None);
    assert_eq!(answer.json["multiFactorAuthRequired"], true);
    assert_eq!(answer.json["maxServiceAccountSecretValidityInHours"], 8);
}

#[tokio::test]
async fn deleting_is_refused_with_projects_and_ends_keys_and_tokens() {
    let world = World::new().await;
    let (org, key) = world.second_org().await;
    let path = format!("/orgs/{org}");
    let body = json!({
        "name": "sa", "description": "d", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 24,
    });
    world.post(&key, &format!("{path}/serviceAccounts"), body).await.expect(201);
    let body = json!({ "name": "P", "orgId": org });
    let group = world.post(&key, "/groups", body).await.expect(201).str("/id");
    assert_eq!(world.delete(&key, &path).await.refusal(), (409, "ORG_NOT_EMPTY"));
    let preview = format!("/api/portolan/v1{path}:deletePreview");
    let told = world.call(&key, "GET", &preview, None).await.expect(200);
    assert_eq!(told.json["canDelete"], false);
    assert_eq!(told.str("/blockers/0/errorCode"), "ORG_NOT_EMPTY");
    assert_eq!(told.str("/projects/0/name"), "P");
    world.delete(&key, &format!("/groups/{group}")).await.expect(202);
    let deleted = world.delete(&key, &path).await.expect(204);
    assert_eq!(deleted.text, "");
    assert!(deleted.header("content-type").starts_with("application/vnd.atlas.2023-01-01+json"));
    assert_eq!(world.get(&key, "/orgs").await.status, 401);
    assert_eq!(world.get(&world.owner(), &path).await.refusal(), (404, "ORG_NOT_FOUND"));
}

#[tokio::test]
async fn a_running_migration_on_the_link_keeps_the_organization() {
    let world = World::new().await;
    let (org, key) = world.second_org().await;
    let org_id: OrgId = org.parse().expect("an id");
    let witness = &Authorized::<Instance>::system("test").in_org(org_id);
    let row = &MigrationRow {
        id: MigrationId::new([1; 12]),
        project_id: ProjectId::new([2; 12]),
        status: "WORKING".into(),
    };
    world
        .control
        .store
        .run_tx("test.migration", |tx| Box::pin(link_tokens::insert_migration(tx, witness, row)))
        .await
        .expect("a row");
    let refused = world.delete(&key, &format!("/orgs/{org}")).await;
    assert_eq!(refused.refusal(), (409, "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK"));
    world.get(&key, &format!("/orgs/{org}")).await.expect(200);
    let preview = format!("/api/portolan/v1/orgs/{org}:deletePreview");
    let told = world.call(&key, "POST", &preview, None).await.expect(200);
    assert_eq!(told.json["blockers"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn only_owners_delete() {
    let world = World::new().await;
    let reader = world.key(&world.owner(), &world.org(), &["ORG_READ_ONLY"]).await;
    let path = format!("/orgs/{}", world.org());
    assert_eq!(world.delete(&reader, &path).await.refusal(), (401, "NOT_ORG_OWNER"));
    let (_, other) = world.second_org().await;
    assert_eq!(world.delete(&other, &path).await.refusal(), (404, "ORG_NOT_FOUND"));
}
