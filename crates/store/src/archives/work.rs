//! What workers read and write of archives: which there are, their state, what runs found out.

use portolan_auth::{Authorized, Instance};
use portolan_model::{
    ArchiveDefinition, ArchiveEvent, ArchiveId, ArchiveRules, ArchiveState, ClusterId, Namespace,
    PartitionFieldType, ProjectId, StateRefused,
};

use super::codec::{partition_fields, partition_fields_json, state};
use super::{COLUMNS, StoredArchive};
use crate::events::{self, EventScope, NewEvent};
use crate::{FromRow, Row, StoreError, Tx, args};

/// An archive by id, deleted ones included.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ArchiveId,
) -> Result<Option<StoredArchive>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM online_archives WHERE id = $1");
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![id]).await
}

/// The archives of a cluster that can be read, newest first: all but deleted ones.
///
/// # Errors
/// The database's.
pub async fn list_of_cluster(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
) -> Result<Vec<StoredArchive>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM online_archives WHERE cluster_id = $1 AND deleted_at IS NULL \
         ORDER BY created_at DESC, id DESC"
    );
    tx.fetch_all(sqlx::AssertSqlSafe(sql), args![cluster_id]).await
}

/// Every archive of a collection that has a table, deleted ones included until theirs is removed, oldest
/// first.
///
/// # Errors
/// The database's.
pub async fn list_of_collection(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    cluster_id: ClusterId,
    namespace: &Namespace,
) -> Result<Vec<StoredArchive>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM online_archives WHERE cluster_id = $1 AND database_name = $2 \
         AND collection_name = $3 AND purging_at IS NULL ORDER BY created_at, id"
    );
    let values = args![cluster_id, namespace.database, namespace.collection];
    tx.fetch_all(sqlx::AssertSqlSafe(sql), values).await
}

/// What a change of an archive's state needs to know of it.
struct Standing {
    state: ArchiveState,
    project_id: ProjectId,
    cluster_name: String,
    namespace: String,
}

impl FromRow for Standing {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let namespace = format!("{}.{}", row.text("database_name")?, row.text("collection_name")?);
        Ok(Self {
            state: state(row)?,
            project_id: row.parse("project_id")?,
            cluster_name: row.text("cluster_name")?,
            namespace,
        })
    }
}

const STANDING: &str = "SELECT state, suspend_reason, project_id, cluster_name, database_name, \
                        collection_name FROM online_archives WHERE id = $1";

/// Lets something happen to an archive, and writes the event of it where clients see the state change.
/// The outer error is the store's; the inner one says that the transition table does not allow it, and
/// nothing was written.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such archive, and the database's.
pub async fn advance(
    tx: &mut Tx<'_>,
    system: &Authorized<Instance>,
    id: ArchiveId,
    event: ArchiveEvent,
) -> Result<Result<ArchiveState, StateRefused>, StoreError> {
    let standing: Standing = tx.fetch_one(STANDING, args![id], "online archive").await?;
    let next = match standing.state.next(event) {
        Ok(next) => next,
        Err(refused) => return Ok(Err(refused)),
    };
    let now_ms = tx.now_ms();
    let deleted_at = (next == ArchiveState::Deleted).then_some(now_ms);
    let reason = next.suspend_reason().map(|reason| reason.as_str());
    tx.execute_one(
        "UPDATE online_archives SET state = $2, suspend_reason = $3, deleted_at = $4 WHERE id = $1",
        args![id, next.as_str(), reason, deleted_at],
        "online archive",
    )
    .await?;
    note(tx, system, id, &standing, next).await?;
    Ok(Ok(next))
}

/// The event of a change as clients see it: going from ARCHIVING to IDLE is none, and a suspended
/// archive is a paused one, with the reason.
async fn note(
    tx: &mut Tx<'_>,
    system: &Authorized<Instance>,
    id: ArchiveId,
    before: &Standing,
    now: ArchiveState,
) -> Result<(), StoreError> {
    let type_name = match now.wire_str() {
        same if same == before.state.wire_str() => return Ok(()),
        "ACTIVE" => "ONLINE_ARCHIVE_ACTIVE",
        "PAUSED" => "ONLINE_ARCHIVE_PAUSED",
        "ORPHANED" => "ONLINE_ARCHIVE_ORPHANED",
        _ => return Ok(()),
    };
    let mut target = about(id, before);
    target.extend(now.suspend_reason().map(|reason| ("reason", reason.as_str().to_owned())));
    record(tx, system, before, type_name, &target).await
}

/// What an operator is to be told of an archive beside its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveAlert<'a> {
    /// No index finds what is cold; the line that makes one.
    IndexMissing(&'a str),
    /// One does again.
    IndexFound,
    /// So many windows in a row closed before all that was cold was moved.
    WindowsFull(i64),
    /// All that is cold was moved again.
    UpToDate,
    /// A file that is not as it should be, and is left alone.
    FileQuarantined(&'a str),
    /// A file that was left alone is sound.
    FileSound(&'a str),
    /// So many looks in a row at what is to expire failed.
    ExpiryFails(i64),
    /// One succeeded again.
    ExpiryGoesOn,
}

/// Writes the event of an alert.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such archive, and the database's.
pub async fn alert(
    tx: &mut Tx<'_>,
    system: &Authorized<Instance>,
    id: ArchiveId,
    alert: ArchiveAlert<'_>,
) -> Result<(), StoreError> {
    let standing: Standing = tx.fetch_one(STANDING, args![id], "online archive").await?;
    let mut target = about(id, &standing);
    let type_name = match alert {
        ArchiveAlert::IndexMissing(line) => {
            target.push(("createIndex", line.to_owned()));
            "ONLINE_ARCHIVE_INSUFFICIENT_INDEXES_CHECK"
        }
        ArchiveAlert::IndexFound => "ONLINE_ARCHIVE_INSUFFICIENT_INDEXES_RESOLVED",
        ArchiveAlert::WindowsFull(count) => {
            target.push(("windows", count.to_string()));
            "ONLINE_ARCHIVE_MAX_CONSECUTIVE_OFFLOAD_WINDOWS_CHECK"
        }
        ArchiveAlert::UpToDate => "ONLINE_ARCHIVE_UP_TO_DATE",
        ArchiveAlert::FileQuarantined(path) => {
            target.push(("file", path.to_owned()));
            "ONLINE_ARCHIVE_FILE_QUARANTINED"
        }
        ArchiveAlert::FileSound(path) => {
            target.push(("file", path.to_owned()));
            "ONLINE_ARCHIVE_FILE_SOUND"
        }
        ArchiveAlert::ExpiryFails(count) => {
            target.push(("failures", count.to_string()));
            "ONLINE_ARCHIVE_DATA_EXPIRATION_DID_NOT_RUN"
        }
        ArchiveAlert::ExpiryGoesOn => "ONLINE_ARCHIVE_DATA_EXPIRATION_RESOLVED",
    };
    record(tx, system, &standing, type_name, &target).await
}

fn about(id: ArchiveId, standing: &Standing) -> Vec<(&'static str, String)> {
    vec![
        ("archiveId", id.to_string()),
        ("clusterName", standing.cluster_name.clone()),
        ("namespace", standing.namespace.clone()),
    ]
}

async fn record(
    tx: &mut Tx<'_>,
    system: &Authorized<Instance>,
    standing: &Standing,
    type_name: &str,
    target: &[(&str, String)],
) -> Result<(), StoreError> {
    let scope = EventScope::Project(standing.project_id);
    let actor = system.actor();
    let event = NewEvent { type_name, scope, actor, remote_address: None, target };
    events::insert(tx, &event).await?;
    Ok(())
}

struct Fields(Vec<portolan_model::PartitionField>);

impl FromRow for Fields {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        partition_fields(row).map(Self)
    }
}

/// Records the types of partition fields that a run found, by field name. A type once known stays.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such archive.
pub async fn set_partition_types(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ArchiveId,
    found: &[(String, PartitionFieldType)],
) -> Result<(), StoreError> {
    let sql = "SELECT partition_fields FROM online_archives WHERE id = $1";
    let Fields(mut fields) = tx.fetch_one(sql, args![id], "online archive").await?;
    for field in &mut fields {
        let kind = found.iter().find(|(name, _)| *name == field.name).map(|(_, kind)| *kind);
        field.field_type = field.field_type.or(kind);
    }
    tx.execute_one(
        "UPDATE online_archives SET partition_fields = $2 WHERE id = $1",
        args![id, partition_fields_json(&fields)],
        "online archive",
    )
    .await
}

/// Takes over from an archive's table what the control database knows in an older version: criteria and
/// schedule, expiration rule and hold.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such archive.
pub async fn align(
    tx: &mut Tx<'_>,
    system: &Authorized<Instance>,
    id: ArchiveId,
    (config_version, definition, rules): (i64, Option<&ArchiveDefinition>, &ArchiveRules),
) -> Result<(), StoreError> {
    let found = fetch(tx, system, id).await?;
    let mut stored = found.ok_or(StoreError::Missing { what: "online archive" })?;
    let archive = &mut stored.archive;
    if config_version > archive.criteria_version {
        archive.criteria_version = config_version;
        if let Some(definition) = definition {
            archive.criteria = definition.criteria.clone();
            archive.schedule = definition.schedule;
        }
    }
    if rules.version > stored.rules_version {
        stored.rules_version = rules.version;
        archive.expire_after_days = rules.expiry.map(|rule| rule.expire_after_days);
        stored.expiry_set_at = rules.expiry.map(|rule| rule.set_at);
        stored.hold.clone_from(&rules.hold);
    }
    super::write(tx, stored.archive.project_id, &stored).await
}

/// Notes that the table of a deleted archive is being removed from now on. Whether the archive is
/// still deleted and not held: only then may it be.
///
/// # Errors
/// The database's.
pub async fn begin_purge(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ArchiveId,
) -> Result<bool, StoreError> {
    let now_ms = tx.now_ms();
    let changed = tx
        .execute(
            "UPDATE online_archives SET purging_at = COALESCE(purging_at, $2) \
             WHERE id = $1 AND deleted_at IS NOT NULL AND hold_at IS NULL",
            args![id, now_ms],
        )
        .await?;
    Ok(changed == 1)
}

/// Forgets an archive whose files are gone.
///
/// # Errors
/// The database's.
pub async fn forget(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    id: ArchiveId,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM archive_jobs WHERE archive_id = $1", args![id]).await?;
    tx.execute("DELETE FROM online_archives WHERE id = $1", args![id]).await?;
    Ok(())
}
