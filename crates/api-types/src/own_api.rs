//! Wire shapes of Portolan's own API under `/api/portolan/v1`: attached clusters, connection strings,
//! runs, and what an archive is beyond the Admin API.

use std::collections::BTreeMap;

use portolan_model::{Cluster, ClusterKind, EpochMs, Hold, OnlineArchive};
use serde_json::{Value, json};

use crate::online_archive::OnlineArchiveView;
use crate::operators::hold_json;
use crate::time::iso8601;
use crate::{Fields, Problem};

/// A checked attach body. The connection string is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AttachDraft {
    /// Name of the new cluster.
    pub name: String,
    /// Connection string, credentials included.
    pub connection_string: String,
    /// The operator states that documents that match an archive's criteria are no longer written.
    pub writes_quiesced: bool,
}

impl std::fmt::Debug for AttachDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttachDraft").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads the body of `clusters:attach`.
///
/// # Errors
/// A [`Problem`] that names the field; it never repeats the connection string.
pub fn parse_attach(mut fields: Fields) -> Result<AttachDraft, Problem> {
    let draft = AttachDraft {
        name: crate::cluster::read_name(&mut fields)?,
        connection_string: fields.required_string("connectionString")?,
        writes_quiesced: fields.bool("writesQuiesced")?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(draft)
}

/// What there is to show of a cluster here.
#[derive(Debug, Clone)]
pub struct OwnClusterView<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Why it has its level and no higher one.
    pub level_reasons: &'a [String],
    /// Whether it has time-series collections.
    pub time_series: bool,
}

impl OwnClusterView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let cluster = self.cluster;
        let (kind, hosts, quiesced) = match &cluster.kind {
            ClusterKind::Sandbox { .. } => ("SANDBOX", None, None),
            ClusterKind::Attached(attached) => {
                ("ATTACHED", Some(&attached.hosts), Some(attached.writes_quiesced))
            }
        };
        json!({
            "createDate": iso8601(cluster.created_at),
            "groupId": cluster.project_id.to_string(),
            "hosts": hosts,
            "id": cluster.id.to_string(),
            "kind": kind,
            "level": cluster.level.as_str(),
            "levelReasons": self.level_reasons,
            "mongoDBVersion": cluster.version.as_ref().map(|version| version.0.clone()),
            "name": cluster.name,
            "stateName": cluster.state.as_str(),
            "timeSeries": self.time_series,
            "writesQuiesced": quiesced,
        })
    }
}

/// The three ways to a cluster's data, credentials left out; `None` where there is nothing to reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointStrings {
    /// The cluster itself.
    pub cluster: Option<String>,
    /// Its archives.
    pub archive: Option<String>,
    /// Both in one.
    pub cluster_and_archive: Option<String>,
}

impl EndpointStrings {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "archive": self.archive,
            "cluster": self.cluster,
            "clusterAndArchive": self.cluster_and_archive,
        })
    }
}

/// A run of an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// Guard level of the cluster during the run.
    pub level: &'static str,
    /// What is being done, or how it ended.
    pub phase: String,
    /// Counts by name, as they stand.
    pub counts: Vec<(&'static str, i64)>,
    /// What of the cluster it waits for now.
    pub waiting_for: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    pub started_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
    /// Documents moved and bytes read in a second, from its beginning to its end or until now.
    pub rates: (f64, f64),
    /// Milliseconds spent in each phase, the one that it is in included.
    pub phases: BTreeMap<String, i64>,
}

impl RunView {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let (documents, bytes) = self.rates;
        let mut shown = json!({
            "_id": self.id,
            "bytesPerSecond": bytes,
            "documentsPerSecond": documents,
            "endedAt": self.ended_at.map(iso8601),
            "error": self.error,
            "level": self.level,
            "phase": self.phase,
            "phaseMs": self.phases,
            "startedAt": iso8601(self.started_at),
            "waitingFor": self.waiting_for,
        });
        for (name, count) in &self.counts {
            shown[*name] = Value::from(*count);
        }
        shown
    }
}

/// A document that a run names: skipped, kept in the cluster, or deleted by somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDocumentView {
    /// `SKIPPED`, `KEPT` or `VANISHED`.
    pub kind: &'static str,
    /// Its `_id` as extended JSON.
    pub document: String,
    /// Why.
    pub reason: String,
}

impl RunDocumentView {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let id: Value =
            serde_json::from_str(&self.document).unwrap_or_else(|_| self.document.clone().into());
        json!({ "id": id, "kind": self.kind, "reason": self.reason })
    }
}

/// What an archive holds, summed over its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Documents moved.
    pub documents: i64,
    /// Their bytes in the cluster.
    pub bytes_read: i64,
    /// Bytes of the files.
    pub bytes_stored: i64,
    /// Files.
    pub files: i64,
    /// Runs that ended.
    pub runs: i64,
}

/// What an archive is beyond the Admin API.
#[derive(Debug, Clone)]
pub struct OwnArchiveView<'a> {
    /// The archive.
    pub archive: &'a OnlineArchive,
    /// Guard level of its cluster.
    pub level: &'static str,
    /// Guard level when it was made.
    pub level_at_creation: &'static str,
    /// Sums.
    pub totals: Totals,
    /// A hold on everything in it.
    pub hold: Option<&'a Hold>,
    /// When its expiration rule was set last.
    pub expiry_set_at: Option<EpochMs>,
    /// When the archiver looks at it next; `None` when it does not.
    pub next_look_at: Option<EpochMs>,
    /// What went wrong last, until a look succeeds.
    pub last_error: Option<String>,
}

impl OwnArchiveView<'_> {
    /// On the wire: the Admin API's form, with the exact state instead of the collapsed one, and more.
    #[must_use]
    pub fn json(&self) -> Value {
        let archive = self.archive;
        let mut shown = serde_json::to_value(OnlineArchiveView::from(archive))
            .expect("strings, numbers and lists of them always serialize");
        let totals = &self.totals;
        shown["state"] = Value::from(archive.state.as_str());
        shown["stateReason"] = json!(archive.state.suspend_reason().map(|reason| reason.as_str()));
        shown["createDate"] = Value::from(iso8601(archive.created_at));
        shown["criteriaVersion"] = Value::from(archive.criteria_version);
        shown["level"] = Value::from(self.level);
        shown["levelAtCreation"] = Value::from(self.level_at_creation);
        shown["hold"] = self.hold.map_or(Value::Null, hold_json);
        shown["expirationRuleSetAt"] = json!(self.expiry_set_at.map(iso8601));
        shown["nextLookAt"] = json!(self.next_look_at.map(iso8601));
        shown["lastError"] = json!(self.last_error);
        shown["tableUri"] = Value::from(archive.table_uri.clone());
        shown["totals"] = json!({
            "bytesRead": totals.bytes_read,
            "bytesStored": totals.bytes_stored,
            "documents": totals.documents,
            "files": totals.files,
            "runs": totals.runs,
        });
        shown
    }
}

#[cfg(test)]
mod tests;
