//! Who asks, and where: one principal per role of organizations and projects, strangers of several
//! kinds, and the three places that they ask at.

use portolan_auth::{AccessToken, Authorized, Instance, allowed_in_org, allowed_in_project};
use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole, SecretId, ServiceAccountId};
use portolan_store::access_tokens::{self, NewAccessToken};
use portolan_store::service_accounts::{self, NewSecret, NewServiceAccount};
use portolan_store::{StoreError, Tx};
use serde_json::{Value, json};

use super::super::world::{Caller, World};
use super::ABSENT;
use crate::OperationInfo;

/// Where an operation is asked for.
pub(super) struct Place {
    pub(super) org: String,
    pub(super) group: String,
    /// The project's name.
    pub(super) name: &'static str,
    /// Which roles each principal has here, by its credentials.
    roles: Vec<(String, Roles)>,
}

#[derive(Debug, Clone, Default)]
struct Roles {
    org: Vec<OrgRole>,
    project: Vec<ProjectRole>,
}

/// Everyone.
pub(super) struct Cast {
    pub(super) principals: Vec<(String, Caller)>,
    pub(super) own: Place,
    pub(super) other: Place,
    pub(super) absent: Place,
}

impl Place {
    /// Whether the principal's roles here allow the operation, or everyone may ask for it.
    pub(super) fn allows(&self, caller: &Caller, operation: &OperationInfo) -> bool {
        if operation.public || matches!(caller, Caller::Nobody) {
            return operation.public;
        }
        let Some(action) = operation.action else { return true };
        let found = self.roles.iter().find(|(credentials, _)| *credentials == key_of(caller));
        let Some((_, roles)) = found else { return false };
        let in_org = roles.org.iter().any(|role| allowed_in_org(*role, action));
        let in_project = roles.project.iter().any(|role| allowed_in_project(*role, action));
        let implied = operation.path.contains("{groupId}")
            && (roles.org.contains(&OrgRole::Owner)
                || (roles.org.contains(&OrgRole::ReadOnly) && action.as_str() == "project.read")
                || (!roles.org.is_empty() && action.as_str() == "project.live_migrations.read"));
        in_org || in_project || implied
    }

    /// A body that gets past its shape only where permission depends on what it says; else none that any
    /// operation takes, so that an admitted call changes little.
    pub(super) fn body(&self, operation: &OperationInfo) -> Value {
        match operation.operation_id {
            "createGroup" => json!({ "name": "Taken", "orgId": self.org }),
            "migrateGroup" => {
                json!({
                    "destinationOrgId": self.org,
                    "destinationOrgPublicApiKey": "aaaaaaaa",
                    "destinationOrgPrivateApiKey": "00000000-0000-0000-0000-000000000000",
                })
            }
            _ => json!("no object"),
        }
    }
}

fn key_of(caller: &Caller) -> String {
    match caller {
        Caller::Nobody => String::new(),
        Caller::Key(public_key, _) => public_key.clone(),
        Caller::Token(token) => token.clone(),
    }
}

impl Cast {
    /// The first organization and a project with a cluster are everyone's own; a second one is the
    /// strangers', a third one nobody's.
    pub(super) async fn build(world: &World) -> Self {
        let group = world.project("P").await;
        let cluster = json!({ "name": "Cluster0", "clusterType": "REPLICASET" });
        let path = format!("/groups/{group}/clusters");
        world.post(&world.owner(), &path, cluster).await;
        let (second, stranger) = world.second_org().await;
        let (org, group_id) = (world.founded.org_id, group.parse().expect("an id"));
        let (mut principals, mut roles) = (Vec::new(), Vec::new());
        let mut add = |name: &str, caller: Caller, held: Roles| {
            roles.push((key_of(&caller), held));
            principals.push((name.to_owned(), caller));
        };
        for role in OrgRole::ALL {
            let held = Roles { org: vec![*role], project: Vec::new() };
            add(role.as_str(), account(world, org, None, &held).await, held);
        }
        for role in ProjectRole::ALL {
            let held = Roles { org: vec![OrgRole::Member], project: vec![*role] };
            add(role.as_str(), account(world, org, Some(group_id), &held).await, held);
        }
        let owner = Roles { org: vec![OrgRole::Owner], project: Vec::new() };
        add("key of an owner", world.owner(), owner.clone());
        let second: OrgId = second.parse().expect("an id");
        add("stranger's key", stranger, Roles::default());
        add("stranger's account", account(world, second, None, &owner).await, Roles::default());
        add(
            "account without roles",
            account(world, second, None, &Roles::default()).await,
            Roles::default(),
        );
        add("nobody", Caller::Nobody, Roles::default());
        let (third, third_group) = third(world).await;
        Self {
            principals,
            own: Place { org: org.to_string(), group, name: "P", roles },
            other: Place { org: third, group: third_group, name: "Elsewhere", roles: Vec::new() },
            absent: Place {
                org: ABSENT.into(),
                group: ABSENT.into(),
                name: "Nowhere",
                roles: Vec::new(),
            },
        }
    }
}

async fn third(world: &World) -> (String, String) {
    let body = json!({ "name": "Third", "apiKey": { "desc": "owner", "roles": ["ORG_OWNER"] } });
    let made = world.post(&world.owner(), "/orgs", body).await.expect(201);
    let key = Caller::Key(made.str("/apiKey/publicKey"), made.str("/apiKey/privateKey"));
    let org = made.str("/organization/id");
    let body = json!({ "name": "Elsewhere", "orgId": org });
    let group = world.post(&key, "/groups", body).await.expect(201).str("/id");
    (org, group)
}

/// A service account with these roles, and a token of it.
async fn account(world: &World, org: OrgId, project: Option<ProjectId>, roles: &Roles) -> Caller {
    let runtime = &world.control.runtime;
    let token = &AccessToken::generate(runtime);
    let id = ServiceAccountId::new(runtime.object_id());
    let secret_id = SecretId::new(runtime.object_id());
    world
        .control
        .store
        .run_tx::<_, StoreError, _>("test.account", |tx| {
            Box::pin(async move { insert(tx, (org, project), roles, id, secret_id, token).await })
        })
        .await
        .expect("an account");
    Caller::Token(token.token.expose().to_owned())
}

async fn insert(
    tx: &mut Tx<'_>,
    (org, project): (OrgId, Option<ProjectId>),
    roles: &Roles,
    id: ServiceAccountId,
    secret_id: SecretId,
    token: &AccessToken,
) -> Result<(), StoreError> {
    let system = Authorized::<Instance>::system("test").in_org(org);
    let account =
        NewServiceAccount { id, name: "test", description: "test", org_roles: &roles.org };
    service_accounts::insert(tx, &system, &account).await?;
    if let Some(project) = project {
        let there = system.in_project(project);
        service_accounts::set_project_roles(tx, &there, id, &roles.project).await?;
    }
    let expires_at = tx.now_ms() + 86_400_000;
    let secret = NewSecret { id: secret_id, hash: &[1; 32], masked: "mdb...", expires_at };
    service_accounts::insert_secret(tx, &system, id, &secret).await?;
    let row = NewAccessToken { hash: &token.sha256, account_id: id, secret_id, expires_at };
    access_tokens::insert(tx, &row).await
}
