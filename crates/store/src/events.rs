//! Events: what happened to organizations and projects, for their users to read.
//!
//! Table `events`: exactly one of `org_id` and `project_id` is set; `target` is a JSON object of
//! further fields of the event, whose `clusterName` has a column of its own, because lists are
//! filtered by it. Rows outlive what they tell about.

use portolan_auth::{Actor, Authorized, OrgScope, ProjectScope};
use portolan_model::{EpochMs, EventId, EventType, OrgId, ProjectId};
use sqlx::AssertSqlSafe;

use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, Value, args, in_list, projects};

/// Where an event is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventScope {
    /// Among the events of an organization.
    Org(OrgId),
    /// Among the events of a project.
    Project(ProjectId),
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Id.
    pub id: EventId,
    /// When.
    pub created_at: EpochMs,
    /// Such as `GROUP_CREATED` (schema `EventTypeFor…` of the public Atlas OpenAPI).
    pub type_name: String,
    /// Where it is shown.
    pub scope: EventScope,
    /// `API_KEY`, `SERVICE_ACCOUNT`, `USER` or `SYSTEM`.
    pub actor_kind: String,
    /// Id of the actor.
    pub actor_id: String,
    /// Public key, client id or user name.
    pub actor_name: String,
    /// From where.
    pub remote_address: Option<String>,
    /// Further fields.
    pub target: serde_json::Map<String, serde_json::Value>,
}

/// An event to be recorded.
#[derive(Debug, Clone)]
pub struct NewEvent<'a> {
    /// Such as `GROUP_CREATED`.
    pub type_name: &'a str,
    /// Where it is shown.
    pub scope: EventScope,
    /// Who did it.
    pub actor: &'a Actor,
    /// From where.
    pub remote_address: Option<&'a str>,
    /// Further fields, by their names on the wire.
    pub target: &'a [(&'a str, String)],
}

/// Which events to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventFilter<'a> {
    /// Only these types; empty for all.
    pub types: &'a [String],
    /// None of these types.
    pub excluded_types: &'a [String],
    /// Only those about these clusters; empty for all.
    pub cluster_names: &'a [String],
    /// Not before.
    pub from_ms: Option<EpochMs>,
    /// Not after.
    pub until_ms: Option<EpochMs>,
}

impl FromRow for Event {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let scope = match (row.opt_parse("org_id")?, row.opt_parse("project_id")?) {
            (_, Some(project_id)) => EventScope::Project(project_id),
            (Some(org_id), None) => EventScope::Org(org_id),
            (None, None) => return Err(StoreError::corrupt("org_id", "an event of nothing")),
        };
        Ok(Self {
            id: row.parse("id")?,
            created_at: row.int("created_at")?,
            type_name: row.text("type_name")?,
            scope,
            actor_kind: row.text("actor_kind")?,
            actor_id: row.text("actor_id")?,
            actor_name: row.text("actor_name")?,
            remote_address: row.opt_text("remote_address")?,
            target: row.json("target")?,
        })
    }
}

const COLUMNS: &str = "id, created_at, type_name, org_id, project_id, actor_kind, actor_id, \
                       actor_name, remote_address, target";

/// Records an event in the transaction that makes it true.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx<'_>, event: &NewEvent<'_>) -> Result<EventId, StoreError> {
    debug_assert!(
        EventType::by_name(event.type_name).is_some(),
        "{} is not in crates/model/src/event_type.rs",
        event.type_name
    );
    let id = EventId::new(tx.runtime().object_id());
    let (org_id, project_id) = match event.scope {
        EventScope::Org(id) => (Some(id), None),
        EventScope::Project(id) => (None, Some(id)),
    };
    let cluster_name = event.target.iter().find(|(name, _)| *name == "clusterName");
    let cluster_name = cluster_name.map(|(_, value)| value.as_str());
    let fields = event.target.iter();
    let target: serde_json::Map<_, _> =
        fields.map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let now_ms = tx.now_ms();
    tx.execute(
        "INSERT INTO events (id, created_at, type_name, org_id, project_id, actor_kind, \
         actor_id, actor_name, remote_address, target, cluster_name) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        args![
            id,
            now_ms,
            event.type_name,
            org_id,
            project_id,
            event.actor.kind(),
            event.actor.id_text(),
            event.actor.name(),
            event.remote_address,
            serde_json::Value::Object(target).to_string(),
            cluster_name,
        ],
    )
    .await?;
    Ok(id)
}

/// The events of an organization, newest first; those of its projects are not among them.
///
/// # Errors
/// The database's.
pub async fn list_of_org(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    filter: &EventFilter<'_>,
    page: Page,
) -> Result<Listed<Event>, StoreError> {
    list(tx, "org_id", authorized.org_id().to_value(), filter, page).await
}

/// The events of a project, newest first, wherever it was when they happened.
///
/// # Errors
/// The database's.
pub async fn list_of_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    filter: &EventFilter<'_>,
    page: Page,
) -> Result<Listed<Event>, StoreError> {
    projects::require(tx, authorized).await?;
    list(tx, "project_id", authorized.project_id().to_value(), filter, page).await
}

async fn list(
    tx: &mut Tx<'_>,
    column: &str,
    owner: Value,
    filter: &EventFilter<'_>,
    page: Page,
) -> Result<Listed<Event>, StoreError> {
    let mut values = vec![owner];
    values.extend(args![filter.from_ms.unwrap_or(0), filter.until_ms.unwrap_or(i64::MAX)]);
    let mut tail =
        format!("FROM events WHERE {column} = $1 AND created_at >= $2 AND created_at <= $3");
    for (names, condition) in [
        (filter.types, "type_name IN"),
        (filter.excluded_types, "type_name NOT IN"),
        (filter.cluster_names, "cluster_name IN"),
    ] {
        if !names.is_empty() {
            let list = in_list(values.len(), names.len());
            tail.push_str(&format!(" AND {condition} {list}"));
            values.extend(names.iter().map(ToValue::to_value));
        }
    }
    tx.fetch_page(COLUMNS, &tail, "created_at DESC, id DESC", values, page).await
}

/// One event of an organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get_of_org(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    id: EventId,
) -> Result<Event, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE id = $1 AND org_id = $2");
    tx.fetch_one(AssertSqlSafe(sql), args![id, authorized.org_id()], "event").await
}

/// One event of a project.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get_of_project(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    id: EventId,
) -> Result<Event, StoreError> {
    projects::require(tx, authorized).await?;
    let sql = format!("SELECT {COLUMNS} FROM events WHERE id = $1 AND project_id = $2");
    tx.fetch_one(AssertSqlSafe(sql), args![id, authorized.project_id()], "event").await
}
