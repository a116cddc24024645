//! Clusters of projects: sandbox and attached. Owns table `clusters`.
//!
//! The connection string of an attached cluster is sealed and read by [`uri`] alone.

use std::collections::HashMap;

use portolan_auth::{Authorized, Instance, ProjectScope};
use portolan_model::{
    AttachedCluster, Cluster, ClusterId, ClusterKind, ClusterState, FcvPin, GuardLevel, ProjectId,
    ServerVersion, Tag,
};
use portolan_security::{Place, SecretString};

use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, args, in_list};

/// A cluster with what only the control plane asks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCluster {
    /// The cluster.
    pub cluster: Cluster,
    /// Why it has its guard level and no higher one.
    pub level_reasons: Vec<String>,
    /// Whether it has time-series collections.
    pub time_series: bool,
    /// What a client set and reads back, as a JSON object.
    pub settings_json: String,
    /// How it is to be run.
    pub life: ClusterLife,
}

/// How a cluster is to be run, and what is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLife {
    /// The flex API shows it, the cluster API does not.
    pub flex: bool,
    /// Whether it is to be paused; it is UPDATING until it is.
    pub paused: bool,
    /// Process arguments that a client set, as a JSON object.
    pub process_args_json: String,
    /// A pinned feature compatibility version.
    pub fcv_pin: Option<FcvPin>,
    /// Rises with each change that is asked for.
    pub change: i64,
    /// Whether it is to be restarted.
    pub restart_wanted: bool,
}

impl Default for ClusterLife {
    fn default() -> Self {
        Self {
            flex: false,
            paused: false,
            process_args_json: "{}".to_owned(),
            fcv_pin: None,
            change: 0,
            restart_wanted: false,
        }
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedFacts {
    /// Server version.
    pub version: ServerVersion,
    /// Guard level.
    pub level: GuardLevel,
    /// Why no higher one.
    pub level_reasons: Vec<String>,
    /// Whether it has time-series collections.
    pub time_series: bool,
}

const COLUMNS: &str = "id, project_id, name, kind, port, hosts, writes_quiesced, state, version, \
     level, level_reasons, time_series, termination_protection, tags, replication_specs, settings, \
     created_at, flex, paused, process_args, fcv_pin, fcv_pin_until, change, restart_wanted";

impl FromRow for StoredCluster {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            cluster: Cluster {
                id: row.parse("id")?,
                project_id: row.parse("project_id")?,
                name: row.text("name")?,
                kind: kind(row)?,
                state: row.parse("state")?,
                version: row.opt_text("version")?.map(ServerVersion),
                level: row.parse("level")?,
                termination_protection_enabled: row.flag("termination_protection")?,
                tags: tags_from(row, "tags")?,
                replication_specs_json: row.text("replication_specs")?,
                created_at: row.int("created_at")?,
            },
            level_reasons: row.json("level_reasons")?,
            time_series: row.flag("time_series")?,
            settings_json: row.text("settings")?,
            life: life(row)?,
        })
    }
}

fn life(row: &Row) -> Result<ClusterLife, StoreError> {
    let pin = row.opt_text("fcv_pin")?.zip(row.opt_int("fcv_pin_until")?);
    Ok(ClusterLife {
        flex: row.flag("flex")?,
        paused: row.flag("paused")?,
        process_args_json: row.text("process_args")?,
        fcv_pin: pin.map(|(version, until)| FcvPin { version, until }),
        change: row.int("change")?,
        restart_wanted: row.flag("restart_wanted")?,
    })
}

fn kind(row: &Row) -> Result<ClusterKind, StoreError> {
    match row.text("kind")?.as_str() {
        "SANDBOX" => {
            let port = row.opt_int("port")?.and_then(|port| u16::try_from(port).ok());
            let port = port.ok_or_else(|| StoreError::corrupt("clusters.port", "no port"))?;
            Ok(ClusterKind::Sandbox { port })
        }
        "ATTACHED" => Ok(ClusterKind::Attached(AttachedCluster {
            hosts: row.json("hosts")?,
            writes_quiesced: row.flag("writes_quiesced")?,
        })),
        other => Err(StoreError::corrupt("clusters.kind", other)),
    }
}

/// Tags and labels are kept as an array of pairs.
pub(crate) fn tags_from(row: &Row, column: &str) -> Result<Vec<Tag>, StoreError> {
    let pairs: Vec<(String, String)> = row.json(column)?;
    Ok(pairs.into_iter().map(|(key, value)| Tag { key, value }).collect())
}

/// See [`tags_from`].
pub(crate) fn tags_json(tags: &[Tag]) -> String {
    let pairs: Vec<(&str, &str)> =
        tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
    json_text(&pairs)
}

/// Plain data always becomes JSON.
pub(crate) fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists of them always serialize")
}

fn uri_place(id: &str) -> Place<'_> {
    Place { table: "clusters", row: id, column: "uri_sealed" }
}

/// Adds a cluster. `uri` is the connection string of an attached one.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken in the project.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    stored: &StoredCluster,
    uri: Option<&SecretString>,
) -> Result<(), StoreError> {
    let cluster = &stored.cluster;
    let id = cluster.id.to_string();
    let sealed = uri.map(|uri| tx.seal(&uri_place(&id), uri.expose().as_bytes()));
    let (kind, port, hosts, quiesced) = match &cluster.kind {
        ClusterKind::Sandbox { port } => ("SANDBOX", Some(*port), Vec::new(), false),
        ClusterKind::Attached(attached) => {
            ("ATTACHED", None, attached.hosts.clone(), attached.writes_quiesced)
        }
    };
    tx.execute(
        "INSERT INTO clusters (id, project_id, name, kind, port, uri_sealed, hosts, \
         writes_quiesced, state, version, level, level_reasons, time_series, \
         termination_protection, tags, replication_specs, settings, created_at, flex) VALUES \
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        args![
            id,
            authorized.project_id(),
            cluster.name,
            kind,
            port,
            sealed,
            json_text(&hosts),
            quiesced,
            cluster.state.as_str(),
            cluster.version.as_ref().map(|version| version.0.clone()),
            cluster.level.as_str(),
            json_text(&stored.level_reasons),
            stored.time_series,
            cluster.termination_protection_enabled,
            tags_json(&cluster.tags),
            cluster.replication_specs_json,
            stored.settings_json,
            cluster.created_at,
            stored.life.flex,
        ],
    )
    .await?;
    Ok(())
}

/// Writes what a client can change, all of it, and counts the change.
///
/// # Errors
/// [`StoreError::Missing`] when the project has no such cluster.
pub async fn update(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    stored: &StoredCluster,
) -> Result<(), StoreError> {
    let (cluster, life) = (&stored.cluster, &stored.life);
    tx.execute_one(
        "UPDATE clusters SET state = $3, termination_protection = $4, tags = $5, \
         replication_specs = $6, settings = $7, flex = $8, paused = $9, process_args = $10, \
         fcv_pin = $11, fcv_pin_until = $12, restart_wanted = $13, change = change + 1 \
         WHERE id = $1 AND project_id = $2",
        args![
            cluster.id,
            authorized.project_id(),
            cluster.state.as_str(),
            cluster.termination_protection_enabled,
            tags_json(&cluster.tags),
            cluster.replication_specs_json,
            stored.settings_json,
            life.flex,
            life.paused,
            life.process_args_json,
            life.fcv_pin.as_ref().map(|pin| pin.version.clone()),
            life.fcv_pin.as_ref().map(|pin| pin.until),
            life.restart_wanted,
        ],
        "cluster",
    )
    .await
}

/// A cluster of the project by name.
///
/// # Errors
/// The database's.
pub async fn by_name(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    name: &str,
) -> Result<Option<StoredCluster>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM clusters WHERE project_id = $1 AND name = $2");
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![authorized.project_id(), name]).await
}

/// The project's clusters, oldest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    page: Page,
) -> Result<Listed<StoredCluster>, StoreError> {
    let tail = "FROM clusters WHERE project_id = $1";
    let values = args![authorized.project_id()];
    tx.fetch_page(COLUMNS, tail, "created_at, id", values, page).await
}

/// The project's flex clusters, or all its others, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_of_kind(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    flex: bool,
    page: Page,
) -> Result<Listed<StoredCluster>, StoreError> {
    let tail = "FROM clusters WHERE project_id = $1 AND flex = $2";
    let values = args![authorized.project_id(), flex];
    tx.fetch_page(COLUMNS, tail, "created_at, id", values, page).await
}

/// How many clusters the project has, those being deleted included.
///
/// # Errors
/// The database's.
pub async fn count(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM clusters WHERE project_id = $1";
    tx.count(sql, args![authorized.project_id()]).await
}

/// How many clusters each of these projects has, by one statement; those without any are left out.
///
/// # Errors
/// The database's.
pub async fn count_each(
    tx: &mut Tx<'_>,
    authorized: &[Authorized<ProjectScope>],
) -> Result<HashMap<ProjectId, i64>, StoreError> {
    if authorized.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT project_id, COUNT(*) AS clusters FROM clusters WHERE project_id IN {} \
         GROUP BY project_id",
        in_list(0, authorized.len())
    );
    let ids = authorized.iter().map(|one| one.project_id().to_value()).collect();
    let counted: Vec<Counted> = tx.fetch_all(sqlx::AssertSqlSafe(sql), ids).await?;
    Ok(counted.into_iter().map(|one| (one.project_id, one.clusters)).collect())
}

struct Counted {
    project_id: ProjectId,
    clusters: i64,
}

impl FromRow for Counted {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { project_id: row.parse("project_id")?, clusters: row.int("clusters")? })
    }
}

/// Every cluster of the instance, for the process that hosts them.
///
/// # Errors
/// The database's.
pub async fn list_all(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
) -> Result<Vec<StoredCluster>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM clusters ORDER BY created_at, id");
    tx.fetch_all(sqlx::AssertSqlSafe(sql), args![]).await
}

/// A cluster by id, for workers.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ClusterId,
) -> Result<Option<StoredCluster>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM clusters WHERE id = $1");
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![id]).await
}

struct Sealed(Option<Vec<u8>>);

impl FromRow for Sealed {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.opt_blob("uri_sealed").map(Self)
    }
}

/// The connection string of an attached cluster; `None` for a sandbox cluster.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such cluster, [`StoreError::Secret`] when it does not
/// open.
pub async fn uri(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ClusterId,
) -> Result<Option<SecretString>, StoreError> {
    let sql = "SELECT uri_sealed FROM clusters WHERE id = $1";
    let Sealed(sealed) = tx.fetch_one(sql, args![id], "cluster").await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let opened = tx.open(&uri_place(&id.to_string()), &sealed)?;
    let text = opened.to_text();
    text.map(Some).ok_or_else(|| StoreError::corrupt("clusters.uri_sealed", "no text"))
}

/// Sets the state.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such cluster.
pub async fn set_state(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ClusterId,
    state: ClusterState,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE clusters SET state = $2 WHERE id = $1",
        args![id, state.as_str()],
        "cluster",
    )
    .await
}

/// Makes a cluster IDLE when nothing was asked of it since `change`; whether it is.
///
/// # Errors
/// The database's.
pub async fn settle(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ClusterId,
    change: i64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE clusters SET state = 'IDLE', restart_wanted = 0 \
               WHERE id = $1 AND change = $2 AND state IN ('CREATING', 'UPDATING')";
    Ok(tx.execute(sql, args![id, change]).await? > 0)
}

/// Records what a probe found.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such cluster.
pub async fn set_facts(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ClusterId,
    facts: &ProbedFacts,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE clusters SET version = $2, level = $3, level_reasons = $4, time_series = $5 \
         WHERE id = $1",
        args![
            id,
            facts.version.0,
            facts.level.as_str(),
            json_text(&facts.level_reasons),
            facts.time_series,
        ],
        "cluster",
    )
    .await
}

/// Removes a cluster, its connection string included.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such cluster.
pub async fn remove(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ClusterId,
) -> Result<(), StoreError> {
    tx.execute_one("DELETE FROM clusters WHERE id = $1", args![id], "cluster").await
}

#[cfg(test)]
mod tests;
