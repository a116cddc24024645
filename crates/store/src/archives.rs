//! Online archives. Owns table `online_archives`.
//!
//! Use cases read and write them under a project's witness, here; workers read and write them through
//! [`work`]. When an archive is looked at next stands in `jobs`. A deleted archive stays as a row until its files are purged, and only workers see it.

pub(crate) mod codec;
pub mod work;

use portolan_auth::{Authorized, ProjectScope};
use portolan_model::{
    ArchiveId, ArchiveRules, ArchiveState, Cluster, ClusterId, Criteria, EpochMs, ExpiryRule,
    GuardLevel, Hold, Namespace, OnlineArchive, ProjectId,
};

use crate::{Listed, Page, StoreError, Tx, args, jobs, upkeep};
use codec::{partition_fields_json, schedule_json};

/// An archive with what only workers ask about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArchive {
    /// The archive.
    pub archive: OnlineArchive,
    /// The cluster's guard level when the archive was made: it must not fall below.
    pub level: GuardLevel,
    /// When its expiration rule was set last.
    pub expiry_set_at: Option<EpochMs>,
    /// Rises with each change of hold and expiration rule.
    pub rules_version: i64,
    /// A hold on everything in it.
    pub hold: Option<Hold>,
    /// When its table began to be removed: the deletion cannot be taken back any more.
    pub purging_at: Option<EpochMs>,
}

impl StoredArchive {
    /// What is set for its data.
    #[must_use]
    pub fn rules(&self) -> ArchiveRules {
        let expiry = self.archive.expire_after_days.zip(self.expiry_set_at);
        ArchiveRules {
            version: self.rules_version,
            expiry: expiry
                .map(|(expire_after_days, set_at)| ExpiryRule { expire_after_days, set_at }),
            hold: self.hold.clone(),
        }
    }
}

pub(crate) const COLUMNS: &str = "id, project_id, cluster_id, cluster_name, database_name, \
     collection_name, collection_type, criteria_type, date_field, date_format, criteria_days, \
     criteria_query, criteria_version, partition_fields, expire_after_days, expiry_set_at, \
     provider, region, schedule, state, suspend_reason, level, table_uri, created_at, \
     deleted_at, rules_version, hold_at, hold_by, hold_reason, purging_at";

/// The columns of a rule: date field, format, days, query.
type CriteriaColumns = (Option<String>, Option<&'static str>, Option<i32>, Option<String>);

fn criteria_columns(criteria: &Criteria) -> CriteriaColumns {
    match criteria {
        Criteria::Date { field, format, expire_after_days } => {
            (Some(field.clone()), Some(format.as_str()), Some(*expire_after_days), None)
        }
        Criteria::Custom { query } => (None, None, None, Some(query.clone())),
    }
}

/// Adds an archive. Its project is that of the witness.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    stored: &StoredArchive,
) -> Result<(), StoreError> {
    let archive = &stored.archive;
    let (date_field, date_format, days, query) = criteria_columns(&archive.criteria);
    tx.execute(
        "INSERT INTO online_archives (id, project_id, cluster_id, cluster_name, database_name, \
         collection_name, collection_type, criteria_type, date_field, date_format, \
         criteria_days, criteria_query, criteria_version, partition_fields, expire_after_days, \
         expiry_set_at, provider, region, schedule, state, suspend_reason, level, table_uri, \
         created_at, rules_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
         $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)",
        args![
            archive.id,
            authorized.project_id(),
            archive.cluster_id,
            archive.cluster_name,
            archive.namespace.database,
            archive.namespace.collection,
            archive.collection_type.as_str(),
            archive.criteria.type_str(),
            date_field,
            date_format,
            days,
            query,
            archive.criteria_version,
            partition_fields_json(&archive.partition_fields),
            archive.expire_after_days,
            stored.expiry_set_at,
            archive.region.provider.as_str(),
            archive.region.region,
            schedule_json(archive.schedule),
            archive.state.as_str(),
            archive.state.suspend_reason().map(|reason| reason.as_str()),
            stored.level.as_str(),
            archive.table_uri,
            archive.created_at,
            stored.rules_version,
        ],
    )
    .await?;
    jobs::add(tx, archive.id).await?;
    upkeep::add(tx, archive.id).await
}

/// Whether an archive of that id is known, in whatever project and deleted or not.
///
/// # Errors
/// The database's.
pub async fn exists(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<ProjectScope>,
    id: ArchiveId,
) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM online_archives WHERE id = $1";
    Ok(tx.count(sql, args![id]).await? > 0)
}

/// Writes what a client can change: criteria, expiration rule, hold, schedule, state.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such archive.
pub async fn update(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    stored: &StoredArchive,
) -> Result<(), StoreError> {
    write(tx, authorized.project_id(), stored).await
}

async fn write(
    tx: &mut Tx<'_>,
    project_id: ProjectId,
    stored: &StoredArchive,
) -> Result<(), StoreError> {
    let archive = &stored.archive;
    let (_, _, days, query) = criteria_columns(&archive.criteria);
    tx.execute_one(
        "UPDATE online_archives SET criteria_days = $3, criteria_query = $4, \
         criteria_version = $5, expire_after_days = $6, expiry_set_at = $7, schedule = $8, \
         state = $9, suspend_reason = $10, rules_version = $11, hold_at = $12, hold_by = $13, \
         hold_reason = $14 \
         WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL",
        args![
            archive.id,
            project_id,
            days,
            query,
            archive.criteria_version,
            archive.expire_after_days,
            stored.expiry_set_at,
            schedule_json(archive.schedule),
            archive.state.as_str(),
            archive.state.suspend_reason().map(|reason| reason.as_str()),
            stored.rules_version,
            stored.hold.as_ref().map(|hold| hold.placed_at),
            stored.hold.as_ref().map(|hold| hold.placed_by.clone()),
            stored.hold.as_ref().map(|hold| hold.reason.clone()),
        ],
        "online archive",
    )
    .await
}

/// An archive of a cluster of the project.
///
/// # Errors
/// The database's.
pub async fn fetch(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cluster_id: ClusterId,
    id: ArchiveId,
) -> Result<Option<StoredArchive>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM online_archives \
         WHERE id = $1 AND project_id = $2 AND cluster_id = $3 AND deleted_at IS NULL"
    );
    let values = args![id, authorized.project_id(), cluster_id];
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), values).await
}

/// The archives of a cluster of the project, oldest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cluster_id: ClusterId,
    page: Page,
) -> Result<Listed<StoredArchive>, StoreError> {
    let tail = "FROM online_archives \
                WHERE project_id = $1 AND cluster_id = $2 AND deleted_at IS NULL";
    let values = args![authorized.project_id(), cluster_id];
    tx.fetch_page(COLUMNS, tail, "created_at, id", values, page).await
}

/// The archives of one collection, oldest first.
///
/// # Errors
/// The database's.
pub async fn on_namespace(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cluster_id: ClusterId,
    namespace: &Namespace,
) -> Result<Vec<StoredArchive>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM online_archives WHERE project_id = $1 AND cluster_id = $2 \
         AND database_name = $3 AND collection_name = $4 AND deleted_at IS NULL \
         ORDER BY created_at, id"
    );
    let values =
        args![authorized.project_id(), cluster_id, namespace.database, namespace.collection];
    tx.fetch_all(sqlx::AssertSqlSafe(sql), values).await
}

/// How many archives the project has, deleted ones left out.
///
/// # Errors
/// The database's.
pub async fn count_of_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM online_archives WHERE project_id = $1 AND deleted_at IS NULL";
    tx.count(sql, args![authorized.project_id()]).await
}

/// Deletes an archive for clients; its files stay until the purge.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such archive.
pub async fn delete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ArchiveId,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute_one(
        "UPDATE online_archives SET state = $3, suspend_reason = NULL, deleted_at = $4 \
         WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL",
        args![id, authorized.project_id(), ArchiveState::Deleted.as_str(), now_ms],
        "online archive",
    )
    .await
}

/// Takes the deletion of an archive back, while its table is whole: it becomes PAUSED, in that cluster.
/// Whether it did.
///
/// # Errors
/// The database's.
pub async fn undelete(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ArchiveId,
    cluster: &Cluster,
) -> Result<bool, StoreError> {
    let paused = ArchiveState::Paused.as_str();
    let changed = tx
        .execute(
            "UPDATE online_archives SET state = $3, deleted_at = NULL, cluster_id = $4, \
             cluster_name = $5 WHERE id = $1 AND project_id = $2 AND deleted_at IS NOT NULL \
             AND purging_at IS NULL",
            args![id, authorized.project_id(), paused, cluster.id, cluster.name],
        )
        .await?;
    Ok(changed == 1)
}

/// Gives an orphaned archive a collection: it becomes PAUSED. Whether it did.
///
/// # Errors
/// The database's.
pub async fn reattach(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: ArchiveId,
    namespace: &Namespace,
) -> Result<bool, StoreError> {
    let (orphaned, paused) = (ArchiveState::Orphaned.as_str(), ArchiveState::Paused.as_str());
    let Namespace { database, collection } = namespace;
    let changed = tx
        .execute(
            "UPDATE online_archives SET state = $4, database_name = $5, collection_name = $6 \
             WHERE id = $1 AND project_id = $2 AND state = $3",
            args![id, authorized.project_id(), orphaned, paused, database, collection],
        )
        .await?;
    Ok(changed == 1)
}

/// A deleted archive of a cluster of the project, or of one that is gone, as long as its row is there.
///
/// # Errors
/// The database's.
pub async fn fetch_deleted(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cluster_id: ClusterId,
    id: ArchiveId,
) -> Result<Option<StoredArchive>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM online_archives \
         WHERE id = $1 AND project_id = $2 AND deleted_at IS NOT NULL AND (cluster_id = $3 \
         OR NOT EXISTS (SELECT 1 FROM clusters WHERE clusters.id = online_archives.cluster_id))"
    );
    let values = args![id, authorized.project_id(), cluster_id];
    tx.fetch_optional(sqlx::AssertSqlSafe(sql), values).await
}

/// Deletes every archive of a cluster; how many there were.
///
/// # Errors
/// The database's.
pub async fn delete_of_cluster(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    cluster_id: ClusterId,
) -> Result<u64, StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE online_archives SET state = $3, suspend_reason = NULL, deleted_at = $4 \
         WHERE cluster_id = $1 AND project_id = $2 AND deleted_at IS NULL",
        args![cluster_id, authorized.project_id(), ArchiveState::Deleted.as_str(), now_ms],
    )
    .await
}

#[cfg(test)]
pub(crate) mod tests;
