//! Events of organizations and projects, their types, and the filters of their lists.

use portolan_model::{EpochMs, EventId, EventType};
use serde_json::{Map, Value, json};

use crate::error::Problem;
use crate::links::Base;
use crate::time::{iso8601, parse_iso8601};

/// Reads `minDate` or `maxDate`.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` when it is no ISO 8601 time.
pub fn read_date(name: &str, text: &str) -> Result<EpochMs, Problem> {
    parse_iso8601(text).ok_or_else(|| Problem::invalid_query(name, "it must be an ISO 8601 time"))
}

/// Most values of one repeated filter.
pub const FILTER_VALUES_MAX: usize = 100;

/// Reads the values of `eventType` or `excludedEventType`. A well-formed name that this build never
/// writes is no error: clients filter by types of Atlas, and nothing is listed.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` for too many values or one that is no name of a type.
pub fn read_types(name: &str, values: Vec<String>) -> Result<Vec<String>, Problem> {
    let is_name = |text: &String| {
        let letters = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        !text.is_empty() && text.len() <= 128 && text.bytes().all(letters)
    };
    read_names(name, values, is_name, "it must be the name of an event type")
}

/// Reads the values of `clusterNames`.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` for too many values or one that is no name of a cluster.
pub fn read_clusters(name: &str, values: Vec<String>) -> Result<Vec<String>, Problem> {
    let is_name = |text: &String| {
        let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !text.is_empty() && text.len() <= 64 && text.bytes().all(letters)
    };
    read_names(name, values, is_name, "it must be the name of a cluster")
}

fn read_names(
    name: &str,
    values: Vec<String>,
    is_name: impl Fn(&String) -> bool,
    rule: &str,
) -> Result<Vec<String>, Problem> {
    if values.len() > FILTER_VALUES_MAX {
        let rule = format!("it may be given at most {FILTER_VALUES_MAX} times");
        return Err(Problem::invalid_query(name, &rule));
    }
    if values.iter().all(is_name) { Ok(values) } else { Err(Problem::invalid_query(name, rule)) }
}

/// Checks that a span of time begins before it ends.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` naming `maxDate`.
pub fn check_span(from: Option<EpochMs>, until: Option<EpochMs>) -> Result<(), Problem> {
    match (from, until) {
        (Some(from), Some(until)) if from > until => {
            Err(Problem::invalid_query("maxDate", "it must not be before minDate"))
        }
        _ => Ok(()),
    }
}

/// A type of events on the wire (`EventTypeDetails`). This build has no alerts, so none can be one.
#[must_use]
pub fn event_type_json(event_type: &EventType) -> Value {
    json!({
        "alertable": false,
        "description": event_type.description,
        "eventType": event_type.name,
    })
}

/// The answer of an activity feed (`ActivityFeedLinkResponse`).
#[must_use]
pub fn activity_feed_json(link: &str, base: &Base, path: &str) -> Value {
    json!({ "link": link, "links": base.links(path, &[]) })
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
    /// Whether `raw` is wanted: what the event is, apart from who is shown it.
    pub include_raw: bool,
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
        if self.include_raw {
            body.insert("raw".to_owned(), self.raw());
        }
        Value::Object(body)
    }

    /// `raw` of the public OpenAPI: the same event in the names of Atlas's own records.
    fn raw(&self) -> Value {
        let description = EventType::by_name(self.type_name).map(|known| known.description);
        let owner = if self.owner.0 == "groupId" { "cid" } else { "orgId" };
        json!({
            "_t": self.type_name,
            owner: self.owner.1,
            "cre": iso8601(self.created_at),
            "description": description,
            "id": self.id.to_string(),
            "severity": "INFO",
        })
    }
}
