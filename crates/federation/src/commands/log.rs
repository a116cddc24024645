//! Noting queries: when one ends, however it ends, the catalog gets a record of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bson::{Bson, RawBsonRef};
use portolan_runtime::Runtime;
use portolan_wire::{Command, CommandContext};

use crate::endpoint::EndpointMode;
use crate::reader::Documents;
use crate::session::{Figures, Session};
use crate::{Catalog, FederationError, QueryRecord};

/// A query that is being answered. Dropping it makes the record.
pub(super) struct Noted {
    record: Option<QueryRecord>,
    catalog: Arc<dyn Catalog>,
    runtime: Runtime,
    figures: Arc<Figures>,
}

impl Noted {
    pub(super) fn new(session: &Session, context: &CommandContext, command: &Command) -> Self {
        let now_ms = session.runtime.now_ms();
        let user = context.user.as_ref().map(|user| format!("{}.{}", user.database, user.name));
        let record = QueryRecord {
            cluster_id: session.cluster_id,
            archive_only: session.mode == EndpointMode::Archive,
            command: command.name.clone(),
            namespace: command.namespace().unwrap_or_else(|_| command.database.clone()),
            query: asked(command),
            comment: command.comment().map(str::to_owned),
            user,
            started_at: now_ms,
            ended_at: now_ms,
            documents: 0,
            bytes: 0,
            error: None,
        };
        let (catalog, runtime) = (Arc::clone(&session.catalog), session.runtime.clone());
        Self { record: Some(record), catalog, runtime, figures: Arc::clone(&session.figures) }
    }

    pub(super) fn count(&mut self, documents: u64) {
        if let Some(record) = &mut self.record {
            record.documents += documents;
        }
    }

    pub(super) fn fail(&mut self, error: &FederationError) {
        if let Some(record) = &mut self.record {
            record.error = Some(error.to_string());
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        record.ended_at = self.runtime.now_ms();
        record.bytes = self.figures.bytes.load(Ordering::Relaxed);
        // Outside a runtime (a test that only drops) there is nobody to tell.
        if tokio::runtime::Handle::try_current().is_ok() {
            let catalog = Arc::clone(&self.catalog);
            self.runtime.spawn("federation.log", async move { catalog.log_query(record).await });
        }
    }
}

/// Longer queries are not kept in the record: only that they were long.
const QUERY_BYTES_MAX: usize = 16 * 1024;

/// The filter or pipeline as it was asked.
fn asked(command: &Command) -> Bson {
    let fields = ["filter", "query", "pipeline"];
    let value: Option<RawBsonRef<'_>> = fields.iter().find_map(|field| command.get(field));
    let length = match value {
        Some(RawBsonRef::Document(document)) => document.as_bytes().len(),
        Some(RawBsonRef::Array(array)) => array.as_bytes().len(),
        _ => 0,
    };
    if length > QUERY_BYTES_MAX {
        return Bson::String(format!("<{length} bytes, too long for the query log>"));
    }
    value.and_then(|value| Bson::try_from(value).ok()).unwrap_or(Bson::Null)
}

/// The same documents; their end, their error or their neglect is noted.
pub(super) fn noting(documents: Documents, noted: Noted) -> Documents {
    use futures::StreamExt;
    let mut noted = noted;
    documents
        .inspect(move |document| match document {
            Ok(_) => noted.count(1),
            Err(error) => noted.fail(error),
        })
        .boxed()
}
