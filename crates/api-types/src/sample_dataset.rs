//! Loads of sample data (`SampleDatasetStatus`).

use portolan_model::{EpochMs, JobId};
use serde_json::{Value, json};

use crate::time::iso8601;

/// A load as its answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLoadView {
    /// Its id.
    pub id: JobId,
    /// Into which cluster.
    pub cluster_name: String,
    /// `WORKING`, `COMPLETED` or `FAILED`.
    pub state: &'static str,
    /// When it was asked for.
    pub created_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
    /// Why it failed.
    pub error: Option<String>,
}

impl SampleLoadView {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut shown = json!({
            "_id": self.id.to_string(),
            "clusterName": self.cluster_name,
            "createDate": iso8601(self.created_at),
            "state": self.state,
        });
        if let Some(ended_at) = self.ended_at {
            shown["completeDate"] = Value::from(iso8601(ended_at));
        }
        if let Some(error) = &self.error {
            shown["errorMessage"] = Value::from(error.clone());
        }
        shown
    }
}
