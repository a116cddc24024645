//! What the journal says of single documents, and who may still send one to the cluster: what a redaction
//! asks and removes.

use portolan_model::JobId;
use portolan_store::leases::LeaseKey;
use portolan_store::operations::Operation;
use portolan_store::traces;
use serde_json::{Map, Value};

use super::{Journal, hold};
use crate::lease::Held;
use crate::operations::Redacted;
use crate::{ArchiverError, effects};

impl Journal {
    /// What operators asked for in all archives of a collection, oldest first.
    pub(crate) async fn asked_for(&self, key: &LeaseKey) -> Result<Vec<Operation>, ArchiverError> {
        self.store
            .read_tx("archiver.asked_for", |tx| {
                Box::pin(async move { Ok(traces::asked_for(tx, key).await?) })
            })
            .await
    }

    /// Removes what is said of a redacted document, and notes of which restores nothing is on its way any
    /// more.
    pub(crate) async fn forget_traces(
        &self,
        held: &Held,
        redacted: &Redacted,
        settled: &[JobId],
    ) -> Result<(), ArchiverError> {
        self.store
            .run_tx(effects::FORGET_TRACES, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    for operation in traces::asked_for(tx, &held.key).await? {
                        let mut left = redacted.without(&operation);
                        if settled.contains(&left.id) {
                            left.progress = settle(&left.progress);
                        }
                        if left != operation {
                            traces::rewrite(tx, &left).await?;
                        }
                    }
                    for named in traces::named(tx, &held.key).await? {
                        if redacted.is_named(&named.document) {
                            traces::forget_named(tx, &named).await?;
                        }
                    }
                    for identity in traces::identities(tx, &held.key).await? {
                        if redacted.is(&identity) {
                            traces::forget_identity(tx, &held.key, &identity).await?;
                        }
                    }
                    Ok(traces::forget_bounds(tx, &held.key).await?)
                })
            })
            .await
    }
}

/// The figures of a restore of which nothing is on its way any more.
fn settle(progress: &str) -> String {
    let mut figures: Map<String, Value> = serde_json::from_str(progress).unwrap_or_default();
    figures.insert("settled".to_owned(), true.into());
    Value::Object(figures).to_string()
}
