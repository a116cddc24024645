//! A small world: two organizations, each with an owner, a key, a service account and a project.

use portolan_auth::{Authorized, Instance, OrgScope, ProjectScope};
use portolan_model::{
    ApiKeyId, Cluster, ClusterId, ClusterKind, ClusterState, GuardLevel, OrgId, OrgRole, Organization, Project, ProjectId, ProjectRole, SecretId, ServiceAccountId, Tag, UserId, InvitationId,
};
use portolan_security::{SecretString, sha256};

use crate::api_keys::NewApiKey;
use crate::clusters::StoredCluster;
use crate::service_accounts::{NewSecret, NewServiceAccount};
use crate::users::{Invitation, Membership, User};
use crate::{
    Store, StoreError, Tx, access_tokens, api_keys, clusters, organizations, projects,
    service_accounts, users,
};

/// One organization and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct House {
    pub(crate) org_id: OrgId,
    pub(crate) project_id: ProjectId,
    pub(crate) owner: UserId,
    pub(crate) key: ApiKeyId,
    pub(crate) public_key: String,
    pub(crate) account: ServiceAccountId,
    pub(crate) secret: SecretId,
    pub(crate) token: [u8; 32],
}

pub(crate) fn system() -> Authorized<Instance> {
    Authorized::system("test")
}

impl House {
    pub(crate) fn org(&self) -> Authorized<OrgScope> {
        system().in_org(self.org_id)
    }

    pub(crate) fn project(&self) -> Authorized<ProjectScope> {
        self.org().in_project(self.project_id)
    }

    /// Builds one; `letter` makes names and keys differ.
    pub(crate) async fn build(store: &Store, letter: char) -> Self {
        let runtime = store.runtime();
        let house = Self {
            org_id: OrgId::new(runtime.object_id()),
            project_id: ProjectId::new(runtime.object_id()),
            owner: UserId::new(runtime.object_id()),
            key: ApiKeyId::new(runtime.object_id()),
            public_key: letter.to_string().repeat(8),
            account: ServiceAccountId::new(runtime.object_id()),
            secret: SecretId::new(runtime.object_id()),
            token: sha256(letter.to_string().as_bytes()),
        };
        store
            .run_tx("test.house", |tx| {
                let house = &house;
                Box::pin(async move { house.fill(tx, letter).await })
            })
            .await
            .expect("a house");
        house
    }

    async fn fill(&self, tx: &mut Tx<'_>, letter: char) -> Result<(), StoreError> {
        organizations::insert(tx, &system(), &self.organization(tx, letter)).await?;
        projects::insert(tx, &self.org(), &self.new_project(tx, letter)).await?;
        users::insert(tx, &self.org(), &person(tx, self.owner, letter)).await?;
        let owner = [OrgRole::Owner];
        users::add_member(tx, &self.org(), self.owner, &Membership::Active, &owner).await?;
        let roles = [ProjectRole::Owner, ProjectRole::ReadOnly];
        users::set_project_roles(tx, &self.project(), self.owner, &roles).await?;
        self.fill_machines(tx).await
    }

    async fn fill_machines(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let roles = [ProjectRole::ReadOnly];
        let key = NewApiKey {
            id: self.key,
            public_key: &self.public_key,
            private_key_masked: "********-****-****-0123456789ab",
            ha1: &SecretString::new("ha1 of the key"),
            description: "a key",
            org_roles: &[OrgRole::Owner],
        };
        api_keys::insert(tx, &self.org(), &key).await?;
        api_keys::set_project_roles(tx, &self.project(), self.key, &roles).await?;
        let account = NewServiceAccount {
            id: self.account,
            name: "robot",
            description: "a robot",
            org_roles: &[OrgRole::Member],
        };
        service_accounts::insert(tx, &self.org(), &account).await?;
        service_accounts::set_project_roles(tx, &self.project(), self.account, &roles).await?;
        let expires_at = tx.now_ms() + 3_600_000;
        let secret =
            NewSecret { id: self.secret, hash: &sha256(b"secret"), masked: "mdb...", expires_at };
        service_accounts::insert_secret(tx, &self.org(), self.account, &secret).await?;
        let token = access_tokens::NewAccessToken {
            hash: &self.token,
            account_id: self.account,
            secret_id: self.secret,
            expires_at,
        };
        access_tokens::insert(tx, &token).await
    }

    fn organization(&self, tx: &Tx<'_>, letter: char) -> Organization {
        Organization {
            id: self.org_id,
            name: format!("Org {letter} Ünit_1"),
            skip_default_alerts_settings: false,
            api_access_list_required: false,
            created_at: tx.now_ms(),
        }
    }

    fn new_project(&self, tx: &Tx<'_>, letter: char) -> Project {
        Project {
            id: self.project_id,
            org_id: self.org_id,
            name: format!("Project {letter}"),
            tags: vec![Tag { key: "env".into(), value: "\"test\"".into() }],
            with_default_alerts_settings: true,
            created_at: tx.now_ms(),
        }
    }
}

pub(crate) fn person(tx: &Tx<'_>, id: UserId, letter: char) -> User {
    User {
        id,
        username: format!("{letter}@example.com"),
        first_name: Some("Ada".into()),
        last_name: None,
        country: Some("PT".into()),
        mobile_number: None,
        created_at: tx.now_ms(),
        last_auth_at: None,
    }
}

/// An invitation that waits for this long.
pub(crate) fn invitation(store: &Store, lasts_ms: i64) -> Membership {
    let now_ms = store.runtime().now_ms();
    Membership::Pending(Invitation {
        id: InvitationId::new(store.runtime().object_id()),
        through: None,
        created_at: now_ms,
        expires_at: now_ms + lasts_ms,
        inviter_username: "aaaaaaaa".into(),
    })
}

/// Adds one more person to a house.
pub(crate) async fn add_person(
    store: &Store,
    house: &House,
    letter: char,
    membership: Membership,
    roles: &[OrgRole],
) -> UserId {
    let id = UserId::new(store.runtime().object_id());
    store
        .run_tx::<_, StoreError, _>("test.person", |tx| {
            let membership = &membership;
            Box::pin(async move {
                users::insert(tx, &house.org(), &person(tx, id, letter)).await?;
                users::add_member(tx, &house.org(), id, membership, roles).await
            })
        })
        .await
        .expect("a person");
    id
}

/// The cluster of [`add_cluster`].
pub(crate) const CLUSTER: ClusterId = ClusterId::new([9; 12]);

/// Adds a cluster to a house.
pub(crate) async fn add_cluster(store: &Store, house: &House) {
    let stored = &StoredCluster {
        cluster: Cluster {
            id: CLUSTER,
            project_id: house.project_id,
            name: "Cluster0".to_owned(),
            kind: ClusterKind::Sandbox { port: 27_500 },
            state: ClusterState::Idle,
            version: None,
            level: GuardLevel::L1,
            termination_protection_enabled: false,
            tags: Vec::new(),
            replication_specs_json: "[]".into(),
            created_at: 1,
        },
        level_reasons: Vec::new(),
        time_series: false,
        settings_json: "{}".into(),
    };
    let added: Result<(), StoreError> = store
        .run_tx("test.cluster", |tx| {
            Box::pin(async move { clusters::insert(tx, &house.project(), stored, None).await })
        })
        .await;
    added.expect("a cluster");
}
