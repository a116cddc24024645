//! Events of organizations and projects.

use portolan_model::{EpochMs, EventId};
use serde_json::{Map, Value, json};

use crate::error::{ErrorCode, Problem};
use crate::links::Base;
use crate::time::{iso8601, parse_iso8601};

/// Reads `minDate` or `maxDate`.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` when it is no ISO 8601 time.
pub fn read_date(name: &str, text: &str) -> Result<EpochMs, Problem> {
    parse_iso8601(text).ok_or_else(|| {
        let detail =
            format!("Invalid query parameter {name} specified: it must be an ISO 8601 time.");
        Problem::new(ErrorCode::InvalidQueryParameter, detail).with(name)
    })
}

/// An event as its answers show it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView<'a> {
    /// Its id.
    pub id: EventId,
    /// When.
    pub created_at: EpochMs,
    /// Such as `GROUP_CREATED`.
    pub type_name: &'a str,
    /// `orgId` or `groupId`, and the id.
    pub owner: (&'a str, String),
    /// Path of the list that it stands in, below `/api/atlas/v2`.
    pub list_path: String,
    /// `API_KEY`, `SERVICE_ACCOUNT`, `USER` or `SYSTEM`.
    pub actor_kind: &'a str,
    /// Id of the actor.
    pub actor_id: &'a str,
    /// Public key, client id or user name.
    pub actor_name: &'a str,
    /// From where.
    pub remote_address: Option<&'a str>,
    /// Further fields, by their names on the wire.
    pub target: &'a Map<String, Value>,
}

impl EventView<'_> {
    /// On the wire. Which fields tell of the actor depends on its kind.
    #[must_use]
    pub fn json(&self, base: &Base) -> Value {
        let mut body = self.target.clone();
        let actor: &[(&str, &str)] = match self.actor_kind {
            "API_KEY" => &[("apiKeyId", self.actor_id), ("publicKey", self.actor_name)],
            "SERVICE_ACCOUNT" => &[("serviceAccountId", self.actor_id)],
            "USER" => &[("userId", self.actor_id), ("username", self.actor_name)],
            _ => &[],
        };
        body.extend(actor.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        body.extend(self.remote_address.map(|at| ("remoteAddress".to_owned(), json!(at))));
        let path = format!("{}/{}", self.list_path, self.id);
        for (name, value) in [
            ("created", json!(iso8601(self.created_at))),
            ("eventTypeName", json!(self.type_name)),
            ("id", json!(self.id.to_string())),
            ("isGlobalAdmin", json!(false)),
            ("links", base.links(&path, &[])),
            (self.owner.0, json!(self.owner.1)),
        ] {
            body.insert(name.to_owned(), value);
        }
        Value::Object(body)
    }
}
