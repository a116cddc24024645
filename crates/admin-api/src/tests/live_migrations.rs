//! Live migrations: two instances that are linked, in one process.
//! `/api/public/v1.0/orgs/{orgId}/liveExport/migrationLink`, `/orgs/{orgId}/liveMigrations/…` and
//! `/groups/{groupId}/liveMigrations/…`.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use portolan_auth::{Authorized, Instance};
use portolan_control::{HostError, LinkAnswer, LinkCall, LinkHost};
use portolan_model::MigrationId;
use portolan_store::StoreError;
use portolan_store::link_tokens::{self, MigrationDetails, MigrationRow};
use serde_json::{Value, json};

use super::groups_clusters::ready_cluster;
use super::world::{Answer, Caller, NEWEST, World, digest_answer, nonce_of, send};

const OLD: &str = "application/vnd.atlas.2023-01-01+json";
const SOURCE_HOST: &str = "portolan.test";
static SYSTEM: Authorized<Instance> = Authorized::system("test");

/// The destination as the source's process would reach it.
struct Elsewhere {
    router: Router,
}

#[async_trait]
impl LinkHost for Elsewhere {
    async fn call(
        &self,
        link: &portolan_api_types::link_token::LinkToken,
        call: LinkCall,
        path: &str,
    ) -> Result<LinkAnswer, HostError> {
        let body = match &call {
            LinkCall::Put(body) => body.clone().into_bytes(),
            LinkCall::Delete => Vec::new(),
        };
        let method = call.method();
        let challenged = send(self.router.clone(), method, path, &[], body.clone()).await;
        let nonce = nonce_of(challenged.header("www-authenticate"));
        let (public, private) = (&link.public_key, link.private_key.expose());
        let answer = digest_answer(public, private, &nonce, method, path);
        let headers = [("authorization", answer)];
        let answer = send(self.router.clone(), method, path, &headers, body).await;
        Ok(LinkAnswer { status: answer.status, body: answer.text })
    }

    async fn reach(&self, host: &str) -> Result<(), HostError> {
        match host {
            SOURCE_HOST => Ok(()),
            _ => Err(HostError::Unreachable("nobody is there".to_owned())),
        }
    }
}

/// A way out of the process and back in to this router.
pub(super) fn elsewhere(router: Router) -> Arc<dyn LinkHost> {
    Arc::new(Elsewhere { router })
}

/// The migration of [`write_migration`].
pub(super) const READY: MigrationId = MigrationId::new([0xab; 12]);

/// Writes a migration of a project that can be cut over, or ends it: no operation makes one yet.
pub(super) async fn write_migration(world: &World, group: &str, status: &str) {
    let project_id = group.parse().expect("an id");
    let details = MigrationDetails {
        row: MigrationRow { id: READY, project_id, status: status.into() },
        migration_hosts: vec![SOURCE_HOST.into()],
        ready_for_cutover: true,
        lag_time_s: Some(3),
    };
    store(world, &details, status == "WORKING").await;
}

struct Linked {
    source: World,
    source_group: String,
    destination: World,
    group: String,
}

impl Linked {
    /// A source with a cluster, linked to a destination with a cluster.
    async fn new() -> Self {
        let (source, destination) = (World::seeded(1).await, World::seeded(2).await);
        let router = destination.router.clone();
        source.host.link_to(elsewhere(router.clone()));
        destination.host.link_to(elsewhere(router));
        let source_group = source.project("Old").await;
        ready_cluster(&source, &source_group, "S").await;
        let group = destination.project("New").await;
        ready_cluster(&destination, &group, "D").await;
        let linked = Self { source, source_group, destination, group };
        linked.link(&linked.token().await).await.expect(201);
        linked
    }

    async fn token(&self) -> String {
        let path = format!("/orgs/{}/liveMigrations/linkTokens", self.destination.org());
        let made = self.destination.post(&self.destination.owner(), &path, json!({})).await;
        made.expect(201).str("/linkToken")
    }

    fn link_path(&self) -> String {
        format!("/api/public/v1.0/orgs/{}/liveExport/migrationLink", self.source.org())
    }

    async fn link(&self, token: &str) -> Answer {
        let body = json!({ "linkToken": token });
        self.source.call(&self.source.owner(), "POST", &self.link_path(), Some(&body)).await
    }

    async fn status(&self) -> String {
        let target = format!("{}/status", self.link_path());
        let answer = self.source.call(&self.source.owner(), "GET", &target, None).await;
        answer.expect(200).str("/status")
    }

    async fn unlink(&self) -> Answer {
        self.source.call(&self.source.owner(), "DELETE", &self.link_path(), None).await
    }

    async fn available(&self) -> Value {
        let path = format!("/orgs/{}/liveMigrations/availableProjects", self.destination.org());
        self.destination.get(&self.destination.owner(), &path).await.expect(200).json
    }

    fn request(&self) -> Value {
        json!({
            "destination": {
                "clusterName": "D", "groupId": self.group, "hostnameSchemaType": "PUBLIC",
            },
            "migrationHosts": [SOURCE_HOST],
            "source": {
                "clusterName": "S", "groupId": self.source_group,
                "managedAuthentication": true, "ssl": false,
            },
        })
    }

    /// Validates until it is no longer pending.
    async fn validate(&self, body: &Value, accept: &str) -> Answer {
        let (world, owner) = (&self.destination, self.destination.owner());
        let path = format!("/api/atlas/v2/groups/{}/liveMigrations/validate", self.group);
        let started = world.call_as(&owner, "POST", &path, Some(body), accept).await.expect(200);
        assert_eq!(started.json["status"], "PENDING");
        assert_eq!(started.json["sourceGroupId"], body["source"]["groupId"]);
        let one = format!("{path}/{}", started.str("/_id"));
        for _ in 0..500 {
            let now = world.call(&owner, "GET", &one, None).await.expect(200);
            if now.json["status"] != "PENDING" {
                return now;
            }
            tokio::task::yield_now().await;
        }
        panic!("the validation does not end");
    }
}

#[tokio::test]
async fn a_source_registers_itself_and_offers_its_projects() {
    let linked = Linked::new().await;
    assert_eq!(linked.status().await, "SYNCED");
    let available = linked.available().await;
    let projects = available.as_array().expect("a bare array");
    assert_eq!(projects.len(), 1);
    assert_eq!(projects[0]["projectId"], linked.source_group);
    assert_eq!(projects[0]["name"], "Old");
    assert_eq!(projects[0]["migrationHosts"], json!([SOURCE_HOST]));
    let deployment = &projects[0]["deployments"][0];
    assert_eq!((&deployment["name"], &deployment["managed"]), (&json!("S"), &json!(true)));
    assert_eq!(deployment["featureCompatibilityVersion"], "7.0");
    let org = linked.destination.org();
    let events = format!("/orgs/{org}/events?eventType=LIVE_MIGRATION_SOURCE_LINKED");
    let events = linked.destination.get(&linked.destination.owner(), &events).await.expect(200);
    assert_eq!(events.json["totalCount"], 1);
    assert_eq!(events.json["results"][0]["sourceOrgId"], linked.source.org());
}

/// What is new at the source shows at the destination with the next description.
#[tokio::test]
async fn a_link_is_kept_in_step_and_falls_out_of_it() {
    let linked = Linked::new().await;
    let more = linked.source.project("More").await;
    assert_eq!(linked.available().await.as_array().map(Vec::len), Some(1));
    linked.source.clock.advance_ms(31 * 60_000);
    assert_eq!(linked.status().await, "NOT_SYNCED");
    linked.source.control.sync_live_exports().await;
    assert_eq!(linked.status().await, "SYNCED");
    let available = linked.available().await;
    assert_eq!(available[1]["projectId"], more);
    linked.destination.clock.advance_ms(25 * 3_600_000);
    assert_eq!(linked.available().await, json!([]), "a silent source offers nothing");
}

#[tokio::test]
async fn either_side_ends_the_link() {
    let linked = Linked::new().await;
    linked.unlink().await.expect(204);
    assert_eq!(linked.available().await, json!([]));
    assert_eq!(linked.status().await, "NOT_SYNCED");
    assert_eq!(linked.unlink().await.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let token = linked.token().await;
    linked.link(&token).await.expect(201);
    assert_eq!(linked.available().await.as_array().map(Vec::len), Some(1));
    let path = format!("/orgs/{}/liveMigrations/linkTokens", linked.destination.org());
    linked.destination.delete(&linked.destination.owner(), &path).await.expect(204);
    assert_eq!(linked.available().await, json!([]), "sources go with the link");
    let dead = linked.link(&token).await;
    assert_eq!(dead.refusal(), (400, "VALIDATION_ERROR"), "the key in it is gone");
    assert_eq!(dead.str("/badRequestDetail/fields/0/field"), "linkToken");
}

#[tokio::test]
async fn links_that_cannot_be_made() {
    let linked = Linked::new().await;
    for token in ["", "not base64!", "e30"] {
        let refused = linked.link(token).await;
        assert_eq!(refused.status, 400, "{token:?} {}", refused.text);
    }
    let alone = World::seeded(3).await;
    let path = format!("/api/public/v1.0/orgs/{}/liveExport/migrationLink", alone.org());
    let body = json!({ "linkToken": linked.token().await });
    let unreachable = alone.call(&alone.owner(), "POST", &path, Some(&body)).await;
    assert_eq!(unreachable.refusal(), (503, "SERVICE_UNAVAILABLE"));
    let status = alone.call(&alone.owner(), "GET", &format!("{path}/status"), None).await;
    assert_eq!(status.json["status"], "NOT_SYNCED", "nothing was kept");
    let member = alone.key(&alone.owner(), &alone.org(), &["ORG_MEMBER"]).await;
    let refused = alone.call(&member, "POST", &path, Some(&body)).await;
    assert_eq!(refused.refusal(), (401, "NOT_ORG_OWNER"));
}

/// An owner may not describe a source: only the link's own key.
#[tokio::test]
async fn only_the_key_of_the_link_describes_a_source() {
    let linked = Linked::new().await;
    let world = &linked.destination;
    let source = linked.source.org();
    let path = format!("/api/portolan/v1/orgs/{}/liveMigrationSources/{source}", world.org());
    let body = json!({ "orgName": "Forged", "projects": [] });
    for method in ["PUT", "DELETE"] {
        let body = (method == "PUT").then_some(&body);
        let refused = world.call(&world.owner(), method, &path, body).await;
        assert_eq!(refused.refusal(), (403, "ACCESS_FORBIDDEN"), "{method}");
    }
    assert_eq!(linked.available().await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_validation_looks_at_both_sides() {
    let linked = Linked::new().await;
    let good = linked.validate(&linked.request(), NEWEST).await;
    assert_eq!(
        (&good.json["status"], &good.json["errorMessage"]),
        (&json!("SUCCESS"), &Value::Null)
    );
    let mut old = linked.request();
    old["dropEnabled"] = json!(false);
    assert_eq!(linked.validate(&old, OLD).await.json["status"], "SUCCESS");
    for (pointer, value, words) in [
        ("/destination/clusterName", json!("None"), "no destination cluster None"),
        ("/source/clusterName", json!("None"), "offers no cluster None"),
        ("/source/groupId", json!(linked.group), "No linked organization"),
        ("/source/ssl", json!(true), "does not speak TLS"),
        ("/migrationHosts/0", json!("other.test"), "not a migration host"),
    ] {
        let mut body = linked.request();
        *body.pointer_mut(pointer).expect("it is there") = value;
        let ended = linked.validate(&body, NEWEST).await;
        assert_eq!(ended.json["status"], "FAILED", "{words}");
        assert!(ended.str("/errorMessage").contains(words), "{}", ended.text);
    }
    linked.unlink().await.expect(204);
    let ended = linked.validate(&linked.request(), NEWEST).await;
    assert!(ended.str("/errorMessage").contains("No linked organization"));
}

#[tokio::test]
async fn a_migration_host_must_answer() {
    let linked = Linked::new().await;
    let alone = Elsewhere { router: Router::new() };
    struct Deaf(Elsewhere);
    #[async_trait]
    impl LinkHost for Deaf {
        async fn call(
            &self,
            link: &portolan_api_types::link_token::LinkToken,
            call: LinkCall,
            path: &str,
        ) -> Result<LinkAnswer, HostError> {
            self.0.call(link, call, path).await
        }

        async fn reach(&self, _host: &str) -> Result<(), HostError> {
            Err(HostError::Refused("a private address".to_owned()))
        }
    }
    linked.destination.host.link_to(Arc::new(Deaf(alone)));
    let ended = linked.validate(&linked.request(), NEWEST).await;
    assert_eq!(ended.json["status"], "FAILED");
    assert!(ended.str("/errorMessage").contains("cannot be reached: a private address"));
}

#[tokio::test]
async fn creating_is_refused_after_everything_else() {
    let linked = Linked::new().await;
    let (world, owner) = (&linked.destination, linked.destination.owner());
    let path = format!("/groups/{}/liveMigrations", linked.group);
    let refused = world.post(&owner, &path, linked.request()).await;
    assert_eq!(refused.refusal(), (403, "FEATURE_UNSUPPORTED"));
    let mut wrong = linked.request();
    wrong["source"]["clusterName"] = json!("None");
    assert_eq!(world.post(&owner, &path, wrong).await.refusal(), (400, "VALIDATION_ERROR"));
    let mut wrong = linked.request();
    wrong["destination"]["clusterName"] = json!("None");
    assert_eq!(world.post(&owner, &path, wrong).await.refusal(), (404, "CLUSTER_NOT_FOUND"));
    let mut wrong = linked.request();
    wrong["destination"]["groupId"] = json!(linked.source_group);
    let other = world.post(&owner, &path, wrong).await;
    assert_eq!(other.str("/badRequestDetail/fields/0/field"), "destination.groupId");
    let target = format!("/api/atlas/v2{path}");
    let body = linked.request();
    let old = world.call_as(&owner, "POST", &target, Some(&body), OLD).await;
    assert_eq!(old.refusal(), (400, "MISSING_ATTRIBUTE"));
    assert_eq!(old.str("/badRequestDetail/fields/0/field"), "dropEnabled");
    let absent = world.get(&owner, &format!("{path}/validate/0123456789abcdef01234567")).await;
    assert_eq!(absent.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let group_owner = project_owner(world, &linked.group).await;
    let below = world.post(&group_owner, &path, linked.request()).await;
    assert_eq!(below.refusal(), (401, "NOT_ORG_OWNER"), "the organization's owner decides");
}

async fn project_owner(world: &World, group: &str) -> Caller {
    let body = json!({ "desc": "owner", "roles": ["GROUP_OWNER"] });
    let path = format!("/groups/{group}/apiKeys");
    let made = world.post(&world.owner(), &path, body).await.expect(200);
    Caller::Key(made.str("/publicKey"), made.str("/privateKey"))
}

#[tokio::test]
async fn migrations_of_the_store_are_shown_and_cut_over() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let project_id = group.parse().expect("an id");
    let id = MigrationId::new([1; 12]);
    let row = MigrationRow { id, project_id, status: "WORKING".into() };
    let mut details = MigrationDetails {
        row,
        migration_hosts: vec!["h.test".into()],
        ready_for_cutover: false,
        lag_time_s: Some(3),
    };
    store(&world, &details, true).await;
    let one = format!("/groups/{group}/liveMigrations/{id}");
    let shown = world.get(&owner, &one).await.expect(200);
    assert_eq!(
        shown.json,
        json!({
            "_id": id.to_string(), "lagTimeSeconds": 3, "migrationHosts": ["h.test"],
            "readyForCutover": false, "status": "WORKING",
        })
    );
    let cutover = format!("/api/atlas/v2{one}/cutover");
    let early = world.call(&owner, "PUT", &cutover, None).await;
    assert_eq!(early.refusal(), (400, "VALIDATION_ERROR"));
    details.ready_for_cutover = true;
    store(&world, &details, false).await;
    world.call(&owner, "PUT", &cutover, None).await.expect(202);
    let events = format!("/groups/{group}/events?eventType=CLUSTER_IMPORT_CUTOVER");
    assert_eq!(world.get(&owner, &events).await.expect(200).json["totalCount"], 1);
    let other = world.project("Q").await;
    let foreign = world.get(&owner, &format!("/groups/{other}/liveMigrations/{id}")).await;
    assert_eq!(foreign.refusal(), (404, "RESOURCE_NOT_FOUND"));
}

async fn store(world: &World, details: &MigrationDetails, is_new: bool) {
    let org = &SYSTEM.in_org(world.founded.org_id);
    let project = &org.in_project(details.row.project_id);
    let written: Result<(), StoreError> = world
        .control
        .store
        .run_tx("test.row", |tx| {
            Box::pin(async move {
                if is_new {
                    link_tokens::insert_migration(tx, org, &details.row).await?;
                }
                link_tokens::update_migration(tx, project, details).await
            })
        })
        .await;
    written.expect("a row");
}
