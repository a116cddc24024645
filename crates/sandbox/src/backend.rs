//! The sandbox as `portolan-wire` sees it: identity, accounts, commands, and the cluster's time.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, doc};
use portolan_wire::{
    Account, Backend, Command, CommandContext, CommandError, Identity, Reply, Topology, User,
};

use crate::commands::{self, Call};
use crate::engine::Engine;
use crate::store::tick;
use crate::tuning::Tuning;
use crate::users;

/// The MongoDB version whose behaviour the sandbox offers.
pub const SERVER_VERSION: &str = "8.0.12";
/// Name of the replica set of one that drivers see.
pub(crate) const SET_NAME: &str = "portolan";

/// Where the users of a cluster are found.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The account `name` defined in `database`, or `None` if there is none.
    async fn account(&self, database: &str, name: &str) -> Option<Account>;

    /// All users of the cluster, for those who may see them.
    async fn users(&self) -> Vec<User>;
}

pub(crate) struct SandboxBackend {
    engine: Arc<Engine>,
    accounts: Arc<dyn Accounts>,
    host: Arc<str>,
    tuning: Arc<Tuning>,
}

impl SandboxBackend {
    pub(crate) fn new(
        engine: Arc<Engine>,
        accounts: Arc<dyn Accounts>,
        host: String,
        tuning: Arc<Tuning>,
    ) -> Self {
        Self { engine, accounts, host: host.into(), tuning }
    }
}

#[async_trait]
impl Backend for SandboxBackend {
    fn identity(&self) -> Identity {
        Identity {
            server_version: SERVER_VERSION.to_owned(),
            topology: Topology::ReplicaSet {
                set_name: SET_NAME.to_owned(),
                host: self.host.to_string(),
            },
            data_lake: false,
            read_only: false,
            test_commands: self.engine.test_mode,
        }
    }

    async fn account(&self, database: &str, name: &str) -> Result<Option<Account>, CommandError> {
        Ok(self.accounts.account(database, name).await)
    }

    async fn run(&self, context: &CommandContext, command: Command) -> Result<Reply, CommandError> {
        if command.name == "usersInfo" {
            return users::info(context, &command, &*self.accounts).await.map_err(Into::into);
        }
        let (engine, host) = (self.engine.clone(), self.host.clone());
        let call = Call::new(engine, context.clone(), Arc::new(command), host, self.tuning.clone());
        commands::run(call).await
    }

    fn end_sessions(&self, user: Option<&User>, sessions: Option<&[Vec<u8>]>) {
        let ended: Option<Vec<Vec<u8>>> =
            sessions.map(|ids| ids.iter().map(|id| commands::session_key(id, user)).collect());
        let of_user = user.map(|user| commands::session_key(&[], Some(user)));
        let chosen = |key: &[u8]| match (&ended, &of_user) {
            (Some(ended), _) => ended.iter().any(|id| id == key),
            (None, Some(of_user)) => key.get(16..) == Some(of_user),
            (None, None) => true,
        };
        self.engine.transactions.end(chosen);
    }

    fn reply_fields(&self) -> Vec<(&'static str, Bson)> {
        let newest = Bson::Timestamp(tick::timestamp(self.engine.store.newest_tick()));
        // Nobody checks the signature of an unsigned cluster time; drivers carry it back and forth.
        let signature = doc! {
            "hash": bson::Binary {
                subtype: bson::spec::BinarySubtype::Generic,
                bytes: vec![0; 20],
            },
            "keyId": 0_i64,
        };
        let cluster_time = doc! { "clusterTime": newest.clone(), "signature": signature };
        vec![("operationTime", newest), ("$clusterTime", Bson::Document(cluster_time))]
    }
}
