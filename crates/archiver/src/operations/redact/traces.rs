//! How a redacted document is known where the journal speaks of documents: by its identity, by its `_id` in
//! lists of operations and runs, and in what operators asked for.

use bson::{RawArray, RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_lake::identity_under;
use portolan_model::ShardKey;
use portolan_mql::key;
use portolan_store::operations::{Operation, OperationKind};
use serde_json::{Map, Value};

use super::Request;
use crate::criteria::parse_filter;
use crate::steps::id_of;

/// Stands where an error may have named it.
const UNSAID: &str = "what it said named a document that was redacted";

/// A redacted document.
pub(crate) struct Redacted {
    /// The key of its `_id`.
    id: Vec<u8>,
    /// Its identity, where the request told documents with this `_id` apart.
    whole: Option<Vec<u8>>,
    /// What was named of it.
    document: RawDocumentBuf,
}

impl Redacted {
    pub(super) fn new(request: &Request, shard_key: Option<&ShardKey>) -> Self {
        let apart = shard_key.filter(|_| request.names_shard_key);
        Self {
            id: key::encode(request.id.as_raw_bson_ref()),
            whole: apart.map(|key| identity_under(&request.document, Some(key))),
            document: request.document.clone(),
        }
    }

    /// Whether that is its identity. Keys are prefix-free: an identity that begins with the key of its `_id`
    /// is that of a document with this `_id`.
    pub(crate) fn is(&self, identity: &[u8]) -> bool {
        match &self.whole {
            Some(whole) => identity == whole || identity == self.id,
            None => identity.starts_with(&self.id),
        }
    }

    /// Whether that is its `_id`, as extended JSON.
    pub(crate) fn is_named(&self, text: &str) -> bool {
        let parsed = parse_filter(&format!("{{\"_id\": {text}}}"));
        let id = parsed.ok().and_then(|document| id_of(&document));
        id.is_some_and(|id| self.has(id.as_raw_bson_ref()))
    }

    /// The operation without what it says of it. What was asked for is needed until it ended.
    pub(crate) fn without(&self, operation: &Operation) -> Operation {
        let mut left = operation.clone();
        if let Some(progress) = self.without_entries(&operation.progress) {
            left.progress = progress;
            left.error = operation.error.as_ref().map(|_| UNSAID.to_owned());
        }
        let request = match operation.kind {
            _ if !operation.state.is_final() => None,
            OperationKind::Redact => self.without_attempt(&operation.request),
            _ => self.without_filter(&operation.request),
        };
        left.request = request.unwrap_or(left.request);
        left
    }

    /// The figures without its entries in lists of documents; `None`: there are none.
    fn without_entries(&self, progress: &str) -> Option<String> {
        let mut figures: Map<String, Value> = serde_json::from_str(progress).ok()?;
        let mut found = false;
        for (list, value) in &mut figures {
            let Value::Array(entries) = value else { continue };
            let before = entries.len();
            entries.retain(|entry| match entry.get("_id") {
                Some(id) => !self.is_named(&id.to_string()),
                // Programs before this one listed an `_id` alone.
                None => list != "inCluster" || !self.is_named(&entry.to_string()),
            });
            found |= entries.len() < before;
        }
        found.then(|| Value::Object(figures).to_string())
    }

    /// An earlier attempt to redact it, as its record is kept.
    fn without_attempt(&self, request: &str) -> Option<String> {
        let attempt = Request::parse(request).ok()?;
        let other = self.whole.is_some()
            && attempt.names_shard_key
            && attempt.document.as_bytes() != self.document.as_bytes();
        let same = self.has(attempt.id.as_raw_bson_ref()) && !other;
        same.then(|| attempt.record())
    }

    /// A request without its filter, if that names the `_id`.
    fn without_filter(&self, request: &str) -> Option<String> {
        let mut asked: Map<String, Value> = serde_json::from_str(request).ok()?;
        let filter = parse_filter(asked.get("filter")?.as_str()?).ok()?;
        if !self.is_in(&filter, false) {
            return None;
        }
        asked.remove("filter");
        asked.insert("filterRedacted".to_owned(), true.into());
        Some(Value::Object(asked).to_string())
    }

    fn has(&self, value: RawBsonRef<'_>) -> bool {
        key::encode(value) == self.id
    }

    /// Whether a filter compares `_id`, or an expression anything, with it.
    fn is_in(&self, filter: &RawDocument, compares: bool) -> bool {
        let mut elements = filter.iter().filter_map(Result::ok);
        elements.any(|(name, value)| {
            let name = name.as_str();
            let compares = compares || matches!(name, "_id" | "$expr") || name.starts_with("_id.");
            self.is_value(value, compares)
        })
    }

    fn is_value(&self, value: RawBsonRef<'_>, compares: bool) -> bool {
        let any = |list: &RawArray| {
            list.into_iter().filter_map(Result::ok).any(|item| self.is_value(item, compares))
        };
        match value {
            value if compares && self.has(value) => true,
            RawBsonRef::Document(inner) => self.is_in(inner, compares),
            RawBsonRef::Array(list) => any(list),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
