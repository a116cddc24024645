//! Federated database instances on the wire: `DataLakeTenant`, limits of queries, query logs.

mod parse;

use portolan_model::{
    ArchiveTenant, CloudProvider, DataProcessRegion, EpochMs, OnlineArchive, OverrunPolicy,
    QueryLimitName,
};
use serde_json::{Value, json};

use crate::time::iso8601;
use crate::{ErrorCode, Fields, Problem};

pub use parse::{TenantDraft, parse_create, parse_update};

/// Largest limit: 1 EiB (documentation, "Query limits").
pub const QUERY_LIMIT_BYTES_MAX: i64 = 1 << 60;

/// Earliest second of a query log (Admin API: minimum of `startDate` and `endDate`).
pub const LOG_SECOND_MIN: i64 = 1_199_145_600;

/// Which instances are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TenantType {
    /// Made by users. Portolan has none.
    #[default]
    User,
    /// Those of online archives.
    OnlineArchive,
}

/// Reads the query parameter `type`.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER`.
pub fn read_type(text: Option<&str>) -> Result<TenantType, Problem> {
    match text {
        None | Some("USER") => Ok(TenantType::User),
        Some("ONLINE_ARCHIVE") => Ok(TenantType::OnlineArchive),
        Some(_) => Err(Problem::invalid_query("type", "it must be USER or ONLINE_ARCHIVE")),
    }
}

/// Reads `startDate` or `endDate`: seconds since the epoch. The answer is in milliseconds.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER`.
pub fn read_log_second(name: &str, text: &str) -> Result<EpochMs, Problem> {
    let second: Option<i64> = text.parse().ok();
    let in_range = second.filter(|second| (LOG_SECOND_MIN..=i64::MAX / 1_000).contains(second));
    in_range.map(|second| second * 1_000).ok_or_else(|| {
        let rule = format!("it must be a number of seconds since 1970, at least {LOG_SECOND_MIN}");
        Problem::invalid_query(name, &rule)
    })
}

/// Refuses a window that ends before it begins.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` naming `endDate`.
pub fn check_log_window(start: EpochMs, end: EpochMs) -> Result<(), Problem> {
    if start <= end {
        return Ok(());
    }
    Err(Problem::invalid_query("endDate", "it must not be before startDate"))
}

/// The name of a downloaded log, as the service builds it.
#[must_use]
pub fn log_file_name(tenant: &ArchiveTenant, start: EpochMs, end: EpochMs) -> String {
    format!("{}_{}_{}_queries.log.gz", tenant.name(), iso8601(start), iso8601(end))
}

/// An instance of a cluster's archives as its answers show it.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantView<'a> {
    /// The instance.
    pub tenant: &'a ArchiveTenant,
    /// Where clients connect: `host:port`.
    pub host: &'a str,
    /// The project's id.
    pub project_id: String,
    /// The archives that it shows, at least one.
    pub archives: &'a [OnlineArchive],
}

impl TenantView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let region = self.archives.first().map(|archive| &archive.region);
        let mut body = json!({
            "groupId": self.project_id,
            "hostnames": [self.host],
            "name": self.tenant.name(),
            "privateEndpointHostnames": [],
            "state": "ACTIVE",
            "storage": { "databases": self.databases(), "stores": self.stores() },
        });
        if let Some((provider, name)) = region.and_then(federation_region) {
            body["dataProcessRegion"] = json!({ "cloudProvider": provider, "region": name });
        }
        body
    }

    fn stores(&self) -> Value {
        let mut stores: Vec<Value> = self.archives.iter().map(archive_store).collect();
        stores.dedup();
        if !self.tenant.archive_only {
            stores.push(json!({
                "clusterName": self.tenant.cluster_name,
                "name": self.tenant.cluster_name,
                "projectId": self.project_id,
                "provider": "atlas",
            }));
        }
        Value::Array(stores)
    }

    /// One entry per collection, with every archive of it, the cluster's own part last.
    fn databases(&self) -> Value {
        let mut names: Vec<&str> = Vec::new();
        for archive in self.archives {
            let name = archive.namespace.database.as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
            .iter()
            .map(|name| json!({ "collections": self.collections(name), "name": name }))
            .collect()
    }

    fn collections(&self, database: &str) -> Value {
        let of_database =
            || self.archives.iter().filter(|archive| archive.namespace.database == database);
        let mut names: Vec<&str> = Vec::new();
        for archive in of_database() {
            let name = archive.namespace.collection.as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let collection = |name: &&str| {
            let mut sources: Vec<Value> = of_database()
                .filter(|archive| archive.namespace.collection == **name)
                .map(|archive| json!({ "datasetName": data_set_name(archive), "storeName": store_name(archive) }))
                .collect();
            if !self.tenant.archive_only {
                sources.push(json!({
                    "collection": name,
                    "database": database,
                    "storeName": self.tenant.cluster_name,
                }));
            }
            json!({ "dataSources": sources, "name": name })
        };
        names.iter().map(collection).collect()
    }
}

fn store_name(archive: &OnlineArchive) -> String {
    format!("archives-{}", archive.region.region)
}

fn archive_store(archive: &OnlineArchive) -> Value {
    let provider = match archive.region.provider {
        CloudProvider::Aws => "dls:aws",
        CloudProvider::Azure => "dls:azure",
        CloudProvider::Gcp => "dls:gcp",
    };
    json!({
        "name": store_name(archive),
        "provider": provider,
        "region": archive.region.region,
    })
}

/// As the documentation writes it ("Query archived data"): `v1$atlas$archive$cluster$db$coll$id`.
fn data_set_name(archive: &OnlineArchive) -> String {
    let namespace = &archive.namespace;
    format!(
        "v1$atlas$archive${}${}${}${}",
        archive.cluster_name, namespace.database, namespace.collection, archive.id
    )
}

/// Federated instances name regions by place (enumerations of the public OpenAPI).
fn federation_region(region: &DataProcessRegion) -> Option<(&'static str, &'static str)> {
    let place = match (region.provider, region.region.as_str()) {
        (CloudProvider::Aws, "US_EAST_1") | (CloudProvider::Azure, "US_EAST_2") => "VIRGINIA_USA",
        (CloudProvider::Aws, "US_WEST_2") => "OREGON_USA",
        (CloudProvider::Aws, "SA_EAST_1") | (CloudProvider::Azure, "BRAZIL_SOUTH") => {
            "SAOPAULO_BRA"
        }
        (CloudProvider::Aws, "EU_WEST_1") => "DUBLIN_IRL",
        (CloudProvider::Aws, "EU_WEST_2") => "LONDON_GBR",
        (CloudProvider::Aws, "EU_CENTRAL_1") => "FRANKFURT_DEU",
        (CloudProvider::Aws, "AP_SOUTH_1") => "MUMBAI_IND",
        (CloudProvider::Aws, "AP_SOUTHEAST_1") => "SINGAPORE_SGP",
        (CloudProvider::Aws, "AP_SOUTHEAST_2") => "SYDNEY_AUS",
        (CloudProvider::Aws, "AP_NORTHEAST_2") => "SEOUL_KOR",
        (CloudProvider::Azure, "EUROPE_WEST") => "AMSTERDAM_NLD",
        (CloudProvider::Gcp, "CENTRAL_US") => "IOWA_USA",
        (CloudProvider::Gcp, "WESTERN_EUROPE") => "BELGIUM_EU",
        _ => return None,
    };
    Some((region.provider.as_str(), place))
}

/// A limit as a request sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitDraft {
    /// Bytes.
    pub bytes: i64,
    /// What happens to running queries.
    pub overrun_policy: OverrunPolicy,
}

/// Reads `DataFederationTenantQueryLimit`.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_limit(mut fields: Fields) -> Result<LimitDraft, Problem> {
    fields.ignore(&[
        "currentUsage",
        "defaultLimit",
        "lastModifiedDate",
        "maximumLimit",
        "name",
        "tenantName",
    ]);
    let bytes = fields.int("value", 1, QUERY_LIMIT_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| fields.missing("value"))?;
    let overrun_policy = fields.one_of("overrunPolicy", |text| text.parse().ok())?;
    fields.finish()?;
    Ok(LimitDraft { bytes, overrun_policy: overrun_policy.unwrap_or_default() })
}

/// Reads `limitName` of a path.
///
/// # Errors
/// `INVALID_PATH_PARAMETER`.
pub fn read_limit_name(text: &str) -> Result<QueryLimitName, Problem> {
    text.parse().map_err(|_| {
        let detail = format!("Invalid path parameter limitName specified: {text}.");
        Problem::new(ErrorCode::InvalidPathParameter, detail).with("limitName").with(text)
    })
}

/// A limit as its answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitView<'a> {
    /// The instance.
    pub tenant_name: &'a str,
    /// Which limit.
    pub name: QueryLimitName,
    /// Bytes.
    pub bytes: i64,
    /// Bytes read in the period under way.
    pub used: i64,
    /// What happens to running queries.
    pub overrun_policy: OverrunPolicy,
    /// When it was set.
    pub modified_at: EpochMs,
}

impl LimitView<'_> {
    /// On the wire. A limit of one query has no usage.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut body = json!({
            "lastModifiedDate": iso8601(self.modified_at),
            "maximumLimit": QUERY_LIMIT_BYTES_MAX,
            "name": self.name.as_str(),
            "overrunPolicy": self.overrun_policy.as_str(),
            "tenantName": self.tenant_name,
            "value": self.bytes,
        });
        if self.name != QueryLimitName::Query {
            body["currentUsage"] = json!(self.used);
        }
        body
    }
}

impl Problem {
    /// `DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME`.
    #[must_use]
    pub fn tenant_not_found(project_id: impl ToString, name: &str) -> Self {
        let project_id = project_id.to_string();
        let detail = format!(
            "Data Federation tenant for project {project_id} and name {name} was not found."
        );
        Self::new(ErrorCode::DataFederationTenantNotFound, detail).with(project_id).with(name)
    }
}

#[cfg(test)]
mod tests;
