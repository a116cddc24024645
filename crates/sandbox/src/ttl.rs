//! Documents that expire: TTL indexes and clustered collections with `expireAfterSeconds` (MongoDB
//! manual, "TTL Indexes"). Once a minute what is older is removed, some hundred documents at a time,
//! so that other writes come in between.

use std::sync::Weak;

use bson::{RawBsonRef, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter};

use crate::commands::fields::as_f64;
use crate::engine::Engine;
use crate::error::{Failure, SandboxError};
use crate::plan::{Hint, Plan};
use crate::scan::{Patience, matching_records};
use crate::store::{CollectionEntry, ID_INDEX, Writing};

/// Time between two looks, as on MongoDB.
const EVERY_MS: u64 = 60_000;
/// Documents that one write removes, at most.
const REMOVED_MAX: usize = 500;

/// Removes what expires for as long as the sandbox lives.
pub(crate) async fn run(engine: Weak<Engine>) {
    while let Some(alive) = engine.upgrade() {
        if let Err(error) = pass(&alive).await {
            tracing::warn!(%error, "expired documents could not be removed");
        }
        let runtime = alive.runtime.clone();
        drop(alive);
        runtime.sleep_ms(EVERY_MS).await;
    }
}

/// What expires in one collection by one index.
#[derive(Debug, Clone)]
struct Expiry {
    namespace: Namespace,
    uuid: [u8; 16],
    index: String,
    path: String,
    after_s: i64,
}

/// One look at all collections.
pub(crate) async fn pass(engine: &Engine) -> Result<(), SandboxError> {
    let store = engine.store.clone();
    let found = engine.runtime.spawn_blocking(move || {
        let entries = store.snapshot()?.catalog()?.all()?;
        Ok::<_, Failure>(entries.iter().flat_map(expiries).collect::<Vec<_>>())
    });
    let found = found.await.map_err(|error| SandboxError::Storage(error.to_string()))??;
    for expiry in found {
        loop {
            let (one, runtime) = (expiry.clone(), engine.runtime.clone());
            let write =
                move |writing: &Writing<'_>| one.remove(writing, &Patience::endless(&runtime));
            if engine.queue.write(write).await? < REMOVED_MAX {
                break;
            }
        }
    }
    Ok(())
}

fn expiries(entry: &CollectionEntry) -> Vec<Expiry> {
    let expiry = |index: &str, path: &str, after_s| Expiry {
        namespace: entry.namespace.clone(),
        uuid: entry.uuid,
        index: index.to_owned(),
        path: path.to_owned(),
        after_s,
    };
    let mut found = Vec::new();
    for index in &entry.indexes {
        if let (Some(after_s), [field]) = (index.options.expire_after_s, index.fields.as_slice()) {
            found.push(expiry(&index.name, &field.path, after_s));
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "it was a whole number")]
    if let Some(after_s) = entry.options.value("expireAfterSeconds").and_then(as_f64) {
        found.push(expiry(ID_INDEX, "_id", after_s as i64));
    }
    found
}

impl Expiry {
    /// Removes documents whose date is older; returns how many.
    fn remove(&self, writing: &Writing<'_>, patience: &Patience) -> Result<usize, Failure> {
        let entry = writing.entry(&self.namespace)?.filter(|entry| entry.uuid == self.uuid);
        let Some(entry) = entry else { return Ok(0) };
        if self.index != ID_INDEX && !entry.indexes.iter().any(|index| index.name == self.index) {
            return Ok(0);
        }
        let filter = self.filter(writing.now_ms)?;
        let mut collection = writing.open(entry)?;
        let hint = Hint::Index(self.index.clone());
        let plan = Plan::choose(&collection.tables.entry, &filter, None, &hint);
        let records =
            matching_records(&collection.tables, plan, &filter, Some(REMOVED_MAX), patience)?;
        for record in &records {
            if let Some(document) = collection.tables.document(*record)? {
                collection.remove(*record, &document)?;
            }
        }
        writing.finish(collection)?;
        Ok(records.len())
    }

    /// Of an array of dates the earliest counts; what is no date never expires.
    fn filter(&self, now_ms: i64) -> Result<Filter, Failure> {
        let until = now_ms.saturating_sub(self.after_s.saturating_mul(1_000));
        let until = RawBsonRef::DateTime(bson::DateTime::from_millis(until));
        let mut filter = bson::Document::new();
        filter.insert(&self.path, bson::doc! { "$lt": bson::Bson::try_from(until)? });
        Ok(Filter::parse(&RawDocumentBuf::try_from(&filter)?, &Context::new(0))?)
    }
}

#[cfg(test)]
mod tests;
