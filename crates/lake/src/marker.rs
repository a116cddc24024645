//! What our commits say about themselves in `commitInfo`, and what a log entry did.
//!
//! The fixed application ids of `txn` actions carry the numbers (fence, committed, confirmed); the
//! marker carries the token, so that our own commit is told from another worker's. A commit without
//! a marker is another engine's.

use std::collections::HashMap;

use serde_json::Value;

use crate::LakeError;

/// `txn` application id whose version is the fence's epoch.
pub(crate) const TXN_FENCE: &str = "portolan/fence";
/// `txn` application id whose version is the number of the last committed move.
pub(crate) const TXN_COMMITTED: &str = "portolan/committed";
/// `txn` application id whose version is the number of the last confirmed move.
pub(crate) const TXN_CONFIRMED: &str = "portolan/confirmed";

/// What one of our commits says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marker {
    pub(crate) kind: String,
    pub(crate) owner: String,
    pub(crate) epoch: i64,
    pub(crate) token: String,
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) config_version: i64,
}

const KIND: &str = "portolanKind";
const OWNER: &str = "portolanOwner";
const EPOCH: &str = "portolanEpoch";
const TOKEN: &str = "portolanToken";
const SEQ: &str = "portolanSeq";
const ID: &str = "portolanId";
const CONFIG_VERSION: &str = "portolanConfigVersion";

impl Marker {
    pub(crate) fn to_metadata(&self) -> HashMap<String, Value> {
        [
            (KIND, self.kind.clone()),
            (OWNER, self.owner.clone()),
            (EPOCH, self.epoch.to_string()),
            (TOKEN, self.token.clone()),
            (SEQ, self.seq.to_string()),
            (ID, self.id.clone()),
            (CONFIG_VERSION, self.config_version.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
    }

    fn parse(info: &Value) -> Option<Self> {
        let text = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| text(name).and_then(|value| value.parse().ok());
        Some(Self {
            kind: text(KIND)?,
            owner: text(OWNER)?,
            epoch: number(EPOCH)?,
            token: text(TOKEN)?,
            seq: number(SEQ)?,
            id: text(ID)?,
            config_version: number(CONFIG_VERSION)?,
        })
    }
}

/// What a log entry did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) marker: Option<Marker>,
    /// Whether it added or removed files.
    pub(crate) changes_files: bool,
    /// Their paths.
    pub(crate) files: Vec<String>,
}

impl Entry {
    /// Reads a log entry: one JSON action a line.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LakeError> {
        let mut entry = Self::default();
        for action in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
            let action = action.map_err(|e| LakeError::Internal(format!("log entry: {e}")))?;
            if let Some(info) = action.get("commitInfo") {
                entry.marker = Marker::parse(info);
            }
            for file in [action.get("add"), action.get("remove")].into_iter().flatten() {
                entry.changes_files = true;
                entry.files.extend(file["path"].as_str().map(str::to_owned));
            }
        }
        Ok(entry)
    }
}
