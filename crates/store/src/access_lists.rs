//! API access lists: from which addresses a key or service account may be used.
//!
//! Table `access_list_entries`: one row per owner and network, in CIDR notation (a single address as
//! `/32` or `/128`). `owner_id` repeats the one of the two references that is set.

use std::net::IpAddr;

use portolan_auth::{Authorized, OrgScope};
use portolan_model::{ApiKeyId, EpochMs, OrgId, ServiceAccountId};
use portolan_security::IpNet;

use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessOwner {
    /// An API key's.
    ApiKey(ApiKeyId),
    /// A service account's.
    ServiceAccount(ServiceAccountId),
}

impl AccessOwner {
    /// Its path below that of its organization, as the Admin API has it.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::ApiKey(id) => format!("apiKeys/{id}"),
            Self::ServiceAccount(id) => format!("serviceAccounts/{id}"),
        }
    }

    fn id_text(self) -> String {
        match self {
            Self::ApiKey(id) => id.to_string(),
            Self::ServiceAccount(id) => id.to_string(),
        }
    }
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// The network, host bits cleared.
    pub network: IpNet,
    /// When it was added.
    pub created_at: EpochMs,
    /// When it last let somebody in.
    pub last_used_at: Option<EpochMs>,
    /// Who that was.
    pub last_used_address: Option<String>,
    /// How often it let somebody in.
    pub use_count: i64,
}

impl FromRow for AccessEntry {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            network: row.parse("cidr")?,
            created_at: row.int("created_at")?,
            last_used_at: row.opt_int("last_used_at")?,
            last_used_address: row.opt_text("last_used_address")?,
            use_count: row.int("use_count")?,
        })
    }
}

const COLUMNS: &str = "cidr, created_at, last_used_at, last_used_address, use_count";

async fn require(tx: &mut Tx<'_>, org_id: OrgId, owner: AccessOwner) -> Result<(), StoreError> {
    let (sql, what) = match owner {
        AccessOwner::ApiKey(_) => {
            ("SELECT COUNT(*) FROM api_keys WHERE id = $1 AND org_id = $2", "API key")
        }
        AccessOwner::ServiceAccount(_) => (
            "SELECT COUNT(*) FROM service_accounts WHERE id = $1 AND org_id = $2",
            "service account",
        ),
    };
    match tx.count(sql, args![owner.id_text(), org_id]).await? {
        0 => Err(StoreError::missing(what)),
        _ => Ok(()),
    }
}

/// Adds a network.
///
/// # Errors
/// [`StoreError::Conflict`] when it is there, [`StoreError::Missing`] when the organization has no
/// such owner, and the database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    owner: AccessOwner,
    network: IpNet,
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), owner).await?;
    let (key, account) = match owner {
        AccessOwner::ApiKey(id) => (Some(id), None),
        AccessOwner::ServiceAccount(id) => (None, Some(id)),
    };
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO access_list_entries (owner_id, api_key_id, service_account_id, cidr, \
         created_at, use_count) VALUES ($1, $2, $3, $4, $5, 0)",
        args![owner.id_text(), key, account, network.trunc().to_string(), now_ms],
    )
    .await?;
    Ok(())
}

/// The entries, oldest first.
///
/// # Errors
/// [`StoreError::Missing`] when the organization has no such owner, and the database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    owner: AccessOwner,
    page: Page,
) -> Result<Listed<AccessEntry>, StoreError> {
    require(tx, authorized.org_id(), owner).await?;
    let tail = "FROM access_list_entries WHERE owner_id = $1";
    tx.fetch_page(COLUMNS, tail, "created_at, cidr", args![owner.id_text()], page).await
}

/// One entry.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    owner: AccessOwner,
    network: IpNet,
) -> Result<AccessEntry, StoreError> {
    require(tx, authorized.org_id(), owner).await?;
    let sql = "SELECT cidr, created_at, last_used_at, last_used_address, use_count \
               FROM access_list_entries WHERE owner_id = $1 AND cidr = $2";
    let ids = args![owner.id_text(), network.trunc().to_string()];
    tx.fetch_one(sql, ids, "access list entry").await
}

/// Removes a network.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn delete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    owner: AccessOwner,
    network: IpNet,
) -> Result<(), StoreError> {
    require(tx, authorized.org_id(), owner).await?;
    let sql = "DELETE FROM access_list_entries WHERE owner_id = $1 AND cidr = $2";
    let ids = args![owner.id_text(), network.trunc().to_string()];
    tx.execute_one(sql, ids, "access list entry").await
}

/// What authentication has to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRules {
    /// Whether the organization refuses owners with an empty list.
    pub required: bool,
    /// The networks.
    pub networks: Vec<IpNet>,
}

/// How an address stands against the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessVerdict {
    /// Let in by this entry; `None` when no list is kept and none is required.
    Allowed(Option<IpNet>),
    /// The organization requires a list, and there is none.
    ListRequired,
    /// There is a list, and the address is not on it.
    NotListed,
}

impl AccessRules {
    /// Judges an address. A list that is kept counts whether it is required or not.
    #[must_use]
    pub fn judge(&self, address: IpAddr) -> AccessVerdict {
        let address = address.to_canonical();
        if self.networks.is_empty() {
            return if self.required {
                AccessVerdict::ListRequired
            } else {
                AccessVerdict::Allowed(None)
            };
        }
        match self.networks.iter().find(|network| network.contains(&address)) {
            Some(network) => AccessVerdict::Allowed(Some(*network)),
            None => AccessVerdict::NotListed,
        }
    }
}

/// The rules for a key or service account of an organization. Serves authentication itself.
///
/// # Errors
/// The database's.
pub async fn rules(
    tx: &mut Tx<'_>,
    org_id: OrgId,
    owner: AccessOwner,
) -> Result<AccessRules, StoreError> {
    let sql = "SELECT api_access_list_required FROM organizations WHERE id = $1";
    let required = tx.count(sql, args![org_id]).await? != 0;
    let sql = "SELECT cidr, created_at, last_used_at, last_used_address, use_count \
               FROM access_list_entries WHERE owner_id = $1 ORDER BY cidr";
    let entries: Vec<AccessEntry> = tx.fetch_all(sql, args![owner.id_text()]).await?;
    Ok(AccessRules { required, networks: entries.into_iter().map(|e| e.network).collect() })
}

/// Uses of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// From where the last of them was.
    pub address: IpAddr,
    /// How many.
    pub count: i64,
    /// When the last of them was.
    pub last_ms: EpochMs,
}

/// Remembers that an entry let somebody in.
///
/// # Errors
/// The database's.
pub async fn record_uses(
    tx: &mut Tx<'_>,
    owner: AccessOwner,
    network: IpNet,
    uses: Uses,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE access_list_entries SET last_used_at = $1, last_used_address = $2, \
         use_count = use_count + $3 WHERE owner_id = $4 AND cidr = $5",
        args![
            uses.last_ms,
            uses.address.to_string(),
            uses.count,
            owner.id_text(),
            network.to_string(),
        ],
    )
    .await?;
    Ok(())
}
