//! A small world: two organizations, each with an owner, a key, a service account and a project.

use portolan_auth::{Authorized, Instance, OrgScope, ProjectScope};
use portolan_model::{
    ApiKeyId, Cluster, ClusterId, ClusterKind, ClusterState, GuardLevel, InvitationId, OrgId,
    OrgRole, Organization, Project, ProjectId, ProjectRole, SecretId, ServiceAccountId, Tag,
    UserId,
};
use portolan_security::{SecretString, sha256};

use crate::api_keys::NewApiKey;
use crate::catalog::{self, ColumnKind};
use crate::clusters::{ClusterLife, StoredCluster};
use crate::sealed::{SEALED, SealedColumn};
use crate::service_accounts::{NewSecret, NewServiceAccount};
use crate::users::{Invitation, Membership, User};
use crate::{
    Store, StoreError, Tx, Value, access_tokens, api_keys, args, clusters, organizations, projects,
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
        life: ClusterLife::default(),
    };
    let added: Result<(), StoreError> = store
        .run_tx("test.cluster", |tx| {
            Box::pin(async move { clusters::insert(tx, &house.project(), stored, None).await })
        })
        .await;
    added.expect("a cluster");
}

/// Two houses, and a row in each table that they leave empty, as far as its constraints allow made-up
/// values. For tests of copies, which do not read what rows mean.
pub(crate) async fn fill_everything(store: &Store) -> (House, House) {
    let houses = (House::build(store, 'a').await, House::build(store, 'b').await);
    let tables = store
        .read_tx::<_, StoreError, _>("test.tables", |tx| Box::pin(catalog::tables(tx)))
        .await
        .expect("the tables");
    for table in tables {
        let (table, house) = (&table, &houses.0);
        let made = store
            .run_tx::<_, StoreError, _>("test.made_up", |tx| {
                Box::pin(async move {
                    let first = format!("SELECT 1 AS one FROM {} LIMIT 1", table.name);
                    let mut rows = 0;
                    tx.for_each(sqlx::AssertSqlSafe(first), args![], |_| {
                        rows += 1;
                        Ok(())
                    })
                    .await?;
                    if rows == 0 {
                        let values = house.made_up(tx, table);
                        tx.execute(sqlx::AssertSqlSafe(table.insert()), values).await?;
                    }
                    Ok(())
                })
            })
            .await;
        if let Err(error) = made {
            println!("{} stays empty: {error}", table.name);
        }
    }
    houses
}

impl House {
    fn made_up(&self, tx: &Tx<'_>, table: &catalog::Table) -> Vec<Value> {
        let texts: Vec<(&str, String)> = table
            .columns
            .iter()
            .map(|column| (column.name.as_str(), self.text(&column.name)))
            .collect();
        let value = |column: &catalog::Column| match column.kind {
            ColumnKind::Text => Value::Text(Some(self.text(&column.name))),
            ColumnKind::Int => Value::Int(Some(1)),
            ColumnKind::Blob => Value::Blob(Some(made_up_bytes(tx, table, column, &texts))),
        };
        table.columns.iter().map(value).collect()
    }

    fn text(&self, column: &str) -> String {
        match column {
            "org_id" => self.org_id.to_string(),
            "project_id" => self.project_id.to_string(),
            "user_id" => self.owner.to_string(),
            "api_key_id" => self.key.to_string(),
            "service_account_id" | "account_id" => self.account.to_string(),
            _ if column == "id" || column.ends_with("_id") => "0123456789abcdef01234567".into(),
            _ => format!("“{column}”\n\t\u{1f5fa}"),
        }
    }
}

/// A sealed value where one belongs, else any bytes.
fn made_up_bytes(
    tx: &Tx<'_>,
    table: &catalog::Table,
    column: &catalog::Column,
    texts: &[(&str, String)],
) -> Vec<u8> {
    let is_it = |it: &&SealedColumn| it.table == table.name && it.column == column.name;
    let Some(sealed) = SEALED.iter().find(is_it) else { return vec![0, 255, 7] };
    let part =
        |key: &&str| texts.iter().find(|(name, _)| name == key).map(|(_, text)| text.clone());
    let row: Vec<String> = sealed.key.iter().filter_map(part).collect();
    tx.seal(&sealed.place(&row.join("\0")), b"made up")
}
