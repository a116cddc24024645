//! The cube of `/groups/{groupId}:migrate`: kind of caller × its role in the source × the key of the
//! destination in the body, with each role there, wrong or missing. Every cell but that of an owner who
//! proves the destination by an owner's key is refused and changes nothing. (Keys and service accounts
//! have roles in one organization only, so the caller's own role in the destination is none, or it is at
//! home there and has none in the source.)

use portolan_auth::{AccessToken, Authorized, Instance, OrgScope};
use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole, SecretId, ServiceAccountId};
use portolan_store::access_tokens::{self, NewAccessToken};
use portolan_store::service_accounts::{self, NewSecret, NewServiceAccount};
use portolan_store::{StoreError, Tx, api_keys};
use serde_json::{Value, json};

use super::state::State;
use super::world::{Caller, World};

/// Roles in an organization and, in the source, in the project itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    Org(OrgRole),
    ProjectOwner,
}

/// What the body says of the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Missing,
    HalfGiven,
    Unknown,
    WrongSecret,
    OfSource,
    With(OrgRole),
}

fn all_keys() -> Vec<Keys> {
    use Keys as K;
    let wrong = [K::Missing, K::HalfGiven, K::Unknown, K::WrongSecret, K::OfSource];
    wrong.into_iter().chain(OrgRole::ALL.iter().copied().map(K::With)).collect()
}

fn roles() -> Vec<Role> {
    let in_org = OrgRole::ALL.iter().copied().map(Role::Org);
    [Role::None, Role::ProjectOwner].into_iter().chain(in_org).collect()
}

/// Two organizations, a project that moves from one to the other and back, and keys of the second.
struct Scene {
    world: World,
    source: OrgId,
    destination: OrgId,
    project: ProjectId,
    owner_of_destination: Caller,
    /// A key of the destination with each role.
    keys: Vec<(OrgRole, Caller)>,
}

impl Scene {
    async fn build() -> Self {
        let world = World::new().await;
        let project = world.project("P").await.parse().expect("an id");
        let (destination, owner_of_destination) = world.second_org().await;
        let mut keys = Vec::new();
        for role in OrgRole::ALL {
            let key = world.key(&owner_of_destination, &destination, &[role.as_str()]).await;
            keys.push((*role, key));
        }
        let (source, destination) = (world.founded.org_id, destination.parse().expect("an id"));
        Self { world, source, destination, project, owner_of_destination, keys }
    }

    fn body(&self, keys: Keys) -> Value {
        let destination = self.destination.to_string();
        let pair = |caller: &Caller| match caller {
            Caller::Key(public, private) => (public.clone(), private.clone()),
            _ => panic!("a key"),
        };
        let wrong = "00000000-0000-0000-0000-000000000000".to_owned();
        let owner = pair(&self.owner_of_destination);
        let (public, private) = match keys {
            Keys::Missing => return json!({ "destinationOrgId": destination }),
            Keys::HalfGiven => {
                return json!({
                    "destinationOrgId": destination, "destinationOrgPublicApiKey": owner.0,
                });
            }
            Keys::Unknown => ("zzzzzzzz".to_owned(), wrong),
            Keys::WrongSecret => (owner.0, wrong),
            Keys::OfSource => pair(&self.world.owner()),
            Keys::With(role) => {
                let key = self.keys.iter().find(|(of, _)| *of == role).map(|(_, key)| pair(key));
                key.expect("a key with each role")
            }
        };
        json!({
            "destinationOrgId": destination,
            "destinationOrgPublicApiKey": public,
            "destinationOrgPrivateApiKey": private,
        })
    }

    async fn migrate(&self, caller: &Caller, body: &Value) -> (u16, String) {
        let path = format!("/groups/{}:migrate", self.project);
        let answer = self.world.post(caller, &path, body.clone()).await;
        (answer.status, answer.code().to_owned())
    }

    /// The way back, so that the next cell begins as this one did.
    async fn bring_back(&self) {
        let system = Authorized::<Instance>::system("test");
        let here = &system.in_project(self.destination, self.project);
        let home = &system.in_org(self.source);
        self.world
            .control
            .store
            .run_tx::<_, StoreError, _>("test.back", |tx| {
                Box::pin(async move {
                    portolan_store::project_move::run(tx, here, home).await.map(|_| ())
                })
            })
            .await
            .expect("back");
    }
}

/// What a cell of the cube must answer.
fn expected(source: Role, keys: Keys) -> (u16, &'static str) {
    match (source, keys) {
        (Role::None, _) => (404, "GROUP_NOT_FOUND"),
        (Role::Org(OrgRole::Owner), Keys::Missing | Keys::HalfGiven) => (400, "MISSING_ATTRIBUTES"),
        (Role::Org(OrgRole::Owner), Keys::With(OrgRole::Owner)) => (200, ""),
        (Role::Org(OrgRole::Owner | OrgRole::ReadOnly) | Role::ProjectOwner, _) => {
            (403, "ACCESS_FORBIDDEN")
        }
        // Members without a role in the project do not see it.
        (Role::Org(_), _) => (404, "GROUP_NOT_FOUND"),
    }
}

#[tokio::test]
async fn service_accounts_with_every_role_and_every_key() {
    let scene = Scene::build().await;
    for source in roles() {
        let caller = account(&scene, source).await;
        check(&scene, &caller, source).await;
    }
}

#[tokio::test]
async fn keys_with_every_role_and_every_key() {
    let scene = Scene::build().await;
    let (world, owner) = (&scene.world, scene.world.owner());
    for source in roles() {
        let caller = match source {
            // A key belongs to one organization, so roles elsewhere come from its having another home.
            Role::None => scene.owner_of_destination.clone(),
            Role::Org(role) => world.key(&owner, &scene.source.to_string(), &[role.as_str()]).await,
            Role::ProjectOwner => {
                let key =
                    world.key(&owner, &scene.source.to_string(), &[OrgRole::Member.as_str()]).await;
                own_project(&scene, &key).await;
                key
            }
        };
        check(&scene, &caller, source).await;
    }
}

async fn check(scene: &Scene, caller: &Caller, source: Role) {
    for keys in all_keys() {
        let (before, body) = (State::of(&scene.world).await, scene.body(keys));
        let expected = expected(source, keys);
        let (status, code) = scene.migrate(caller, &body).await;
        assert_eq!((status, code.as_str()), expected, "{source:?} {keys:?}");
        if status == 200 {
            scene.bring_back().await;
            continue;
        }
        let after = State::of(&scene.world).await;
        assert_eq!(after.tables, before.tables, "{source:?} {keys:?}");
        assert_eq!(after.audit.len(), before.audit.len() + 1, "{source:?} {keys:?}");
    }
}

async fn own_project(scene: &Scene, key: &Caller) {
    let Caller::Key(public, _) = key else { panic!("a key") };
    let there = &Authorized::<Instance>::system("test").in_project(scene.source, scene.project);
    scene
        .world
        .control
        .store
        .run_tx::<_, StoreError, _>("test.role", |tx| {
            Box::pin(async move {
                let login = portolan_store::principals::of_public_key(tx, public).await?;
                let id = match login.expect("a key").principal.actor {
                    portolan_auth::Actor::ApiKey { id, .. } => id,
                    _ => panic!("a key"),
                };
                api_keys::set_project_roles(tx, there, id, &[ProjectRole::Owner]).await
            })
        })
        .await
        .expect("a role");
}

/// A service account with that role, and a token of it. Without a role in the source it is at home in the
/// destination, as its owner.
async fn account(scene: &Scene, role: Role) -> Caller {
    let runtime = &scene.world.control.runtime;
    let token = &AccessToken::generate(runtime);
    let id = ServiceAccountId::new(runtime.object_id());
    let secret_id = SecretId::new(runtime.object_id());
    scene
        .world
        .control
        .store
        .run_tx::<_, StoreError, _>("test.account", |tx| {
            Box::pin(async move {
                let org = if role == Role::None { scene.destination } else { scene.source };
                let home = Authorized::<Instance>::system("test").in_org(org);
                give_role(tx, scene, &home, id, role).await?;
                let expires_at = tx.now_ms() + 86_400_000;
                let secret =
                    NewSecret { id: secret_id, hash: &[1; 32], masked: "mdb...", expires_at };
                service_accounts::insert_secret(tx, &home, id, &secret).await?;
                let row =
                    NewAccessToken { hash: &token.sha256, account_id: id, secret_id, expires_at };
                access_tokens::insert(tx, &row).await
            })
        })
        .await
        .expect("an account");
    Caller::Token(token.token.expose().to_owned())
}

async fn give_role(
    tx: &mut Tx<'_>,
    scene: &Scene,
    home: &Authorized<OrgScope>,
    id: ServiceAccountId,
    role: Role,
) -> Result<(), StoreError> {
    let org_roles: &[OrgRole] = match &role {
        Role::Org(role) => std::slice::from_ref(role),
        Role::ProjectOwner => &[OrgRole::Member],
        Role::None => &[OrgRole::Owner],
    };
    let account = NewServiceAccount { id, name: "test", description: "test", org_roles };
    service_accounts::insert(tx, home, &account).await?;
    if role == Role::ProjectOwner {
        let there = home.in_project(scene.project);
        service_accounts::set_project_roles(tx, &there, id, &[ProjectRole::Owner]).await?;
    }
    Ok(())
}
