//! The audit trail: who tried to change what, and what came of it.
//!
//! Table `audit`: one row per mutating request, written with `outcome` NULL before its handler runs;
//! the outcome is set in the transaction of the change itself, so that a change without its row, or a
//! row that claims a change that was rolled back, cannot be. A row that stays without an outcome tells
//! of a process that ended, or of a commit that was not answered. Rows are kept until [`prune`].

use portolan_auth::{Actor, Authorized, Instance};
use portolan_model::{EpochMs, RequestId};

use crate::{FromRow, Listed, Page, Row, StoreError, Tx, args};

/// Most characters of a path that are kept: whoever is refused says what stands in it.
const RESOURCE_CHARS_MAX: usize = 500;
/// Most rows that one call of [`prune`] removes: no transaction grows with what piled up.
const PRUNE_ROWS_MAX: i64 = 1_000;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// The change was made.
    Done,
    /// It was refused; nothing changed.
    Refused,
    /// It failed; nothing changed.
    Failed,
}

impl AuditOutcome {
    /// `DONE`, `REFUSED` or `FAILED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
            Self::Failed => "FAILED",
        }
    }
}

impl std::str::FromStr for AuditOutcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Done, Self::Refused, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| text.to_owned())
    }
}

/// An attempt.
#[derive(Debug, Clone)]
pub struct AuditIntent<'a> {
    /// The request.
    pub request_id: RequestId,
    /// The operation id, such as `deleteOrg`.
    pub operation: &'a str,
    /// The path.
    pub resource: &'a str,
    /// Who tries.
    pub actor: &'a Actor,
    /// From where.
    pub remote_address: Option<&'a str>,
}

/// Records an attempt. To be committed before the handler runs.
///
/// # Errors
/// The database's.
pub async fn intend(tx: &mut Tx<'_>, intent: &AuditIntent<'_>) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO audit (request_id, created_at, operation, resource, actor_kind, actor_id, \
         actor_name, remote_address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            intent.request_id,
            now_ms,
            intent.operation,
            bounded(intent.resource),
            intent.actor.kind(),
            intent.actor.id_text(),
            intent.actor.name(),
            intent.remote_address,
        ],
    )
    .await?;
    Ok(())
}

/// A path, cut where it gets too long, with an ellipsis that says so.
fn bounded(resource: &str) -> String {
    match resource.char_indices().nth(RESOURCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &resource[..end]),
        None => resource.to_owned(),
    }
}

/// Drops rows of attempts before a time, a bounded number; how many.
///
/// # Errors
/// The database's.
pub async fn prune(
    tx: &mut Tx<'_>,
    _system: &Authorized<Instance>,
    before_ms: EpochMs,
) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM audit WHERE request_id IN \
         (SELECT request_id FROM audit WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        args![before_ms, PRUNE_ROWS_MAX],
    )
    .await
}

/// Sets the outcome of an attempt, unless it has one: in the transaction of the change, or in one of
/// its own when there was none. A request that changes things in several transactions may call it in
/// each; the first outcome stays.
///
/// # Errors
/// The database's.
pub async fn settle(
    tx: &mut Tx<'_>,
    request_id: RequestId,
    outcome: AuditOutcome,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    let now_ms = tx.now_ms();
    tx.execute(
        "UPDATE audit SET outcome = $1, outcome_at = $2, detail = $3 \
         WHERE request_id = $4 AND outcome IS NULL",
        args![outcome.as_str(), now_ms, detail, request_id],
    )
    .await?;
    Ok(())
}

/// Whether an attempt has a row without an outcome.
///
/// # Errors
/// The database's.
pub async fn is_open(tx: &mut Tx<'_>, request_id: RequestId) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM audit WHERE request_id = $1 AND outcome IS NULL";
    Ok(tx.count(sql, args![request_id]).await? > 0)
}

/// A row of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The request.
    pub request_id: RequestId,
    /// When it came.
    pub created_at: EpochMs,
    /// The operation id.
    pub operation: String,
    /// The path.
    pub resource: String,
    /// `API_KEY`, `SERVICE_ACCOUNT`, `USER` or `SYSTEM`.
    pub actor_kind: String,
    /// Id of the actor.
    pub actor_id: String,
    /// Public key, client id or user name.
    pub actor_name: String,
    /// From where.
    pub remote_address: Option<String>,
    /// What came of it; `None` when that is not known.
    pub outcome: Option<AuditOutcome>,
    /// When that was.
    pub outcome_at: Option<EpochMs>,
    /// Error code of a refusal.
    pub detail: Option<String>,
}

impl FromRow for AuditRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            request_id: row.parse("request_id")?,
            created_at: row.int("created_at")?,
            operation: row.text("operation")?,
            resource: row.text("resource")?,
            actor_kind: row.text("actor_kind")?,
            actor_id: row.text("actor_id")?,
            actor_name: row.text("actor_name")?,
            remote_address: row.opt_text("remote_address")?,
            outcome: row.opt_parse("outcome")?,
            outcome_at: row.opt_int("outcome_at")?,
            detail: row.opt_text("detail")?,
        })
    }
}

const COLUMNS: &str = "request_id, created_at, operation, resource, actor_kind, actor_id, \
                       actor_name, remote_address, outcome, outcome_at, detail";

/// The trail, newest first; `open_only` leaves those with an outcome out.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<Instance>,
    open_only: bool,
    page: Page,
) -> Result<Listed<AuditRow>, StoreError> {
    let tail = if open_only { "FROM audit WHERE outcome IS NULL" } else { "FROM audit" };
    tx.fetch_page(COLUMNS, tail, "created_at DESC, request_id DESC", args![], page).await
}
