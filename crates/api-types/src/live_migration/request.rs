//! Reading `LiveMigrationRequest` (2023-01-01) and `LiveMigrationRequest20240530`.

use portolan_model::ProjectId;
use serde_json::Value;

use crate::version::V2024_05_30;
use crate::{Fields, Problem, VersionDate};

/// Most collections that one request shards.
const SHARD_ENTRIES_MAX: usize = 1_000;
const READ_ONLY: [&str; 2] = ["_id", "links"];

/// How the migration host reaches the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostnameSchema {
    /// By its public addresses. The default of clients that send an empty string.
    #[default]
    Public,
    /// Through a cloud's private endpoint.
    PrivateLink,
    /// Through network peering.
    VpcPeering,
}

/// The source of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCluster {
    /// Its project, in the linked organization.
    pub project_id: ProjectId,
    /// Its name there.
    pub cluster_name: String,
    /// Whether its own management knows its users, so that no credentials are sent.
    pub managed_authentication: bool,
    /// Whether it speaks TLS.
    pub ssl: bool,
    /// Path of a CA certificate on the migration host.
    pub ca_certificate_path: Option<String>,
    /// Its user. The password is not kept.
    pub username: Option<String>,
}

/// The destination of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationCluster {
    /// Its project: that of the path.
    pub project_id: ProjectId,
    /// Its name.
    pub cluster_name: String,
    /// How it is reached.
    pub hostname_schema: HostnameSchema,
    /// The private endpoint, for `PRIVATE_LINK`.
    pub private_link_id: Option<String>,
}

/// A collection to be sharded at the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardEntry {
    /// Database.
    pub database: String,
    /// Collection.
    pub collection: String,
    /// Fields of the shard key; true for hashed ones.
    pub key: Vec<(String, bool)>,
}

/// A migration as a request asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationRequest {
    /// From where.
    pub source: SourceCluster,
    /// To where.
    pub destination: DestinationCluster,
    /// The one host that runs it.
    pub migration_host: String,
    /// Whether what the destination holds goes first.
    pub drop_destination_data: bool,
    /// Collections to be sharded; `None` when the request has no `sharding`.
    pub sharding: Option<Vec<ShardEntry>>,
}

/// Reads a request in the version of the operation. The versions differ in the name of one field,
/// which the older one requires. Empty strings count as absent: the Atlas CLI sends them for every
/// option that was not given.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_request(
    mut fields: Fields,
    version: Option<VersionDate>,
) -> Result<MigrationRequest, Problem> {
    fields.ignore(&READ_ONLY);
    let source = fields.object("source")?.ok_or_else(|| fields.missing("source"))?;
    let source = parse_source_cluster(source)?;
    let destination = fields.object("destination")?.ok_or_else(|| fields.missing("destination"))?;
    let destination = parse_destination(destination)?;
    let migration_host = parse_hosts(&mut fields)?;
    let drop_destination_data = if version.is_some_and(|version| version < V2024_05_30) {
        fields.bool("dropEnabled")?.ok_or_else(|| fields.missing("dropEnabled"))?
    } else {
        fields.bool("dropDestinationData")?.unwrap_or(false)
    };
    let sharding = fields.object("sharding")?.map(parse_sharding).transpose()?;
    fields.finish()?;
    Ok(MigrationRequest { source, destination, migration_host, drop_destination_data, sharding })
}

/// A string that is there and not empty.
fn given(fields: &mut Fields, name: &str, max: usize) -> Result<Option<String>, Problem> {
    Ok(fields.text(name, 0, max)?.filter(|text| !text.is_empty()))
}

fn needed(fields: &mut Fields, name: &str, max: usize) -> Result<String, Problem> {
    given(fields, name, max)?.ok_or_else(|| fields.missing(name))
}

fn project(fields: &mut Fields) -> Result<ProjectId, Problem> {
    fields.id("groupId")?.ok_or_else(|| fields.missing("groupId"))
}

fn parse_source_cluster(mut fields: Fields) -> Result<SourceCluster, Problem> {
    let source = SourceCluster {
        project_id: project(&mut fields)?,
        cluster_name: needed(&mut fields, "clusterName", 255)?,
        managed_authentication: fields
            .bool("managedAuthentication")?
            .ok_or_else(|| fields.missing("managedAuthentication"))?,
        ssl: fields.bool("ssl")?.ok_or_else(|| fields.missing("ssl"))?,
        ca_certificate_path: given(&mut fields, "caCertificatePath", 4_096)?,
        username: given(&mut fields, "username", 1_024)?,
    };
    let has_password = given(&mut fields, "password", 4_096)?.is_some();
    let refuse = |name: &str, rule: &str| Problem::validation(&fields.path_of(name), rule);
    if source.managed_authentication && (source.username.is_some() || has_password) {
        let name = if source.username.is_some() { "username" } else { "password" };
        return Err(refuse(name, "must be absent when managedAuthentication is true"));
    }
    if source.username.is_some() != has_password {
        let name = if has_password { "username" } else { "password" };
        return Err(refuse(name, "user name and password go together"));
    }
    fields.finish()?;
    Ok(source)
}

fn parse_destination(mut fields: Fields) -> Result<DestinationCluster, Problem> {
    let schema = given(&mut fields, "hostnameSchemaType", 64)?;
    let hostname_schema = match schema.as_deref() {
        None | Some("PUBLIC") => HostnameSchema::Public,
        Some("PRIVATE_LINK") => HostnameSchema::PrivateLink,
        Some("VPC_PEERING") => HostnameSchema::VpcPeering,
        Some(other) => {
            return Err(Problem::invalid_enum(&fields.path_of("hostnameSchemaType"), other));
        }
    };
    let destination = DestinationCluster {
        project_id: project(&mut fields)?,
        cluster_name: needed(&mut fields, "clusterName", 64)?,
        hostname_schema,
        private_link_id: given(&mut fields, "privateLinkId", 256)?,
    };
    if hostname_schema == HostnameSchema::PrivateLink && destination.private_link_id.is_none() {
        return Err(fields.missing("privateLinkId"));
    }
    fields.finish()?;
    Ok(destination)
}

fn parse_hosts(fields: &mut Fields) -> Result<String, Problem> {
    let name = "migrationHosts";
    let hosts = fields.strings(name)?.ok_or_else(|| fields.missing(name))?;
    match <[String; 1]>::try_from(hosts) {
        Ok([host]) if !host.is_empty() && host.len() <= 512 => Ok(host),
        _ => Err(Problem::validation(name, "must hold exactly one host name")),
    }
}

fn parse_sharding(mut fields: Fields) -> Result<Vec<ShardEntry>, Problem> {
    let name = "createSupportingIndexes";
    fields.bool(name)?.ok_or_else(|| fields.missing(name))?;
    let name = "shardingEntries";
    let path = fields.path_of(name);
    let entries = fields.objects(name)?.ok_or_else(|| fields.missing(name))?;
    if entries.len() > SHARD_ENTRIES_MAX {
        let rule = format!("must have at most {SHARD_ENTRIES_MAX} entries");
        return Err(Problem::validation(&path, rule));
    }
    let mut parsed: Vec<ShardEntry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry_path = entry.path_of("collection");
        let entry = parse_entry(entry)?;
        let same = |other: &ShardEntry| {
            other.database == entry.database && other.collection == entry.collection
        };
        if parsed.iter().any(same) {
            return Err(Problem::validation(&entry_path, "is named twice"));
        }
        parsed.push(entry);
    }
    fields.finish()?;
    Ok(parsed)
}

fn parse_entry(mut fields: Fields) -> Result<ShardEntry, Problem> {
    let database = needed(&mut fields, "database", 64)?;
    let collection = needed(&mut fields, "collection", 255)?;
    let name = "shardCollection";
    let mut shard = fields.object(name)?.ok_or_else(|| fields.missing(name))?;
    let path = shard.path_of("key");
    let parts = shard.objects("key")?.ok_or_else(|| shard.missing("key"))?;
    if parts.is_empty() {
        return Err(Problem::validation(&path, "must have at least one field"));
    }
    let key = parts.into_iter().map(parse_key_part).collect::<Result<_, _>>()?;
    shard.finish()?;
    fields.finish()?;
    Ok(ShardEntry { database, collection, key })
}

/// `{ "field": 1 }` or `{ "field": "hashed" }`; numbers may come as text.
fn parse_key_part(fields: Fields) -> Result<(String, bool), Problem> {
    let path = fields.path_of("");
    let path = path.trim_end_matches('.');
    let rule = || Problem::validation(path, "must be one field with the value 1 or \"hashed\"");
    let mut entries = fields.into_entries();
    let (Some((name, value)), None) = (entries.pop(), entries.pop()) else {
        return Err(rule());
    };
    match value {
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok((name, false)),
        Value::String(text) if text == "1" => Ok((name, false)),
        Value::String(text) if text == "hashed" => Ok((name, true)),
        _ => Err(rule()),
    }
}
