//! Who may log in to a listener: the project's database users, and for sandbox clusters this process
//! itself.

use anyhow::Result;
use async_trait::async_trait;
use portolan_model::{ClusterId, DatabaseUser};
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use portolan_security::scram::ScramCredentials;
use portolan_store::StoreError;
use portolan_store::database_users::{self, DatabaseAccount};
use portolan_wire::{Account, User, UserRole};

use super::Host;

const INTERNAL_NAME: &str = "portolan-internal";

/// The account by which this process uses its own sandbox clusters. It lives as long as the process.
pub(super) struct Internal {
    password: SecretString,
    credentials: ScramCredentials,
}

impl Internal {
    pub(super) fn new(runtime: &Runtime) -> Result<Self> {
        let password = SecretString::new(hex::encode(runtime.random_bytes::<24>()));
        let credentials = portolan_auth::scram::derive(runtime, INTERNAL_NAME, &password)?;
        Ok(Self { password, credentials })
    }

    pub(super) fn name(&self) -> &'static str {
        INTERNAL_NAME
    }

    pub(super) fn password(&self) -> &SecretString {
        &self.password
    }

    fn account(&self) -> Account {
        let roles = vec![UserRole::new("root", "admin")];
        let user = User { name: INTERNAL_NAME.to_owned(), database: "admin".to_owned(), roles };
        Account { user, credentials: self.credentials.clone() }
    }
}

/// The accounts of one sandbox cluster.
pub(super) struct SandboxAccounts {
    host: Host,
    cluster_id: ClusterId,
}

impl SandboxAccounts {
    pub(super) fn new(host: Host, cluster_id: ClusterId) -> Self {
        Self { host, cluster_id }
    }
}

#[async_trait]
impl portolan_sandbox::Accounts for SandboxAccounts {
    async fn account(&self, database: &str, name: &str) -> Option<Account> {
        if (database, name) == ("admin", INTERNAL_NAME) {
            return Some(self.host.inner.internal.account());
        }
        self.host.database_account(self.cluster_id, database, name).await
    }

    async fn users(&self) -> Vec<User> {
        match self.host.find_users(self.cluster_id).await {
            Ok(found) => found.into_iter().map(user).collect(),
            Err(error) => {
                tracing::error!(%error, cluster_id = %self.cluster_id, "cannot list database users");
                Vec::new()
            }
        }
    }
}

impl Host {
    /// A database user of the cluster's project. When the control state does not answer nobody logs
    /// in, and the log says why.
    pub(super) async fn database_account(
        &self,
        cluster_id: ClusterId,
        database: &str,
        name: &str,
    ) -> Option<Account> {
        match self.find_account(cluster_id, database, name).await {
            Ok(found) => found.map(account),
            Err(error) => {
                tracing::error!(%error, %cluster_id, "cannot look up a database user");
                None
            }
        }
    }

    async fn find_users(&self, cluster_id: ClusterId) -> Result<Vec<DatabaseUser>, StoreError> {
        let Some(stored) = self.stored_cluster(cluster_id).await? else { return Ok(Vec::new()) };
        let (project, cluster) = (stored.cluster.project_id, stored.cluster.name.as_str());
        self.inner
            .store
            .read_tx("host.users", |tx| Box::pin(database_users::of_cluster(tx, project, cluster)))
            .await
    }

    async fn find_account(
        &self,
        cluster_id: ClusterId,
        database: &str,
        name: &str,
    ) -> Result<Option<DatabaseAccount>, StoreError> {
        let Some(stored) = self.stored_cluster(cluster_id).await? else { return Ok(None) };
        let (project, cluster) = (stored.cluster.project_id, stored.cluster.name.as_str());
        self.inner
            .store
            .read_tx("host.account", |tx| {
                Box::pin(database_users::account(tx, project, cluster, database, name))
            })
            .await
    }
}

fn account(found: DatabaseAccount) -> Account {
    Account { user: user(found.user), credentials: found.credentials }
}

fn user(found: DatabaseUser) -> User {
    let DatabaseUser { username, database, roles, .. } = found;
    let roles = roles
        .into_iter()
        .map(|role| UserRole {
            role: role.role,
            database: role.database,
            collection: role.collection,
        })
        .collect();
    User { name: username, database, roles }
}
