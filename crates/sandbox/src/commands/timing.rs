//! `readConcern`: at which time of the cluster a command reads, and what it waits for before.
//!
//! A read sees durable commits only, all of those acknowledged before it, and none later: so the levels
//! `local`, `available`, `majority` and `linearizable` are the same here. `snapshot` outside of
//! transactions reads at one time that several commands can share
//! (<https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/>).

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocument, Timestamp};
use portolan_wire::{Reply, type_name};

use super::Call;
use crate::error::{Failure, codes, refuse};
use crate::store::{Snapshot, tick};

/// Commands that may read at a time of the past outside of transactions.
const SNAPSHOT_READS: &[&str] = &["find", "aggregate", "distinct"];

/// The time that a command reads at.
pub(crate) struct ReadAt {
    pub(crate) tick: u64,
    pub(crate) snapshot: Snapshot,
}

struct Concern {
    level: Option<String>,
    after: Option<u64>,
    at: Option<u64>,
}

impl Concern {
    fn parse(concern: &RawDocument) -> Result<Self, Failure> {
        let level = match concern.get("level")? {
            None => None,
            Some(RawBsonRef::String(level))
                if matches!(
                    level,
                    "local" | "available" | "majority" | "linearizable" | "snapshot"
                ) =>
            {
                Some(level.to_owned())
            }
            Some(other) => {
                let message = format!("unknown readConcern level {other:?}");
                return Err(refuse(codes::FAILED_TO_PARSE, message));
            }
        };
        let parsed = Self {
            level,
            after: time(concern, "afterClusterTime")?,
            at: time(concern, "atClusterTime")?,
        };
        parsed.check()?;
        Ok(parsed)
    }

    fn is_snapshot(&self) -> bool {
        self.level.as_deref() == Some("snapshot")
    }

    fn check(&self) -> Result<(), Failure> {
        let message = if self.at.is_some() && self.after.is_some() {
            "afterClusterTime and atClusterTime cannot be given together"
        } else if self.at.is_some() && !self.is_snapshot() {
            "atClusterTime field can be set only if level is equal to snapshot"
        } else if self.after.is_some()
            && matches!(self.level.as_deref(), Some("available" | "linearizable"))
        {
            "afterClusterTime field can be set only if level is equal to snapshot, majority, or local"
        } else {
            return Ok(());
        };
        Err(refuse(codes::INVALID_OPTIONS, message))
    }
}

fn time(concern: &RawDocument, field: &str) -> Result<Option<u64>, Failure> {
    match concern.get(field)? {
        None => Ok(None),
        Some(RawBsonRef::Timestamp(Timestamp { time: 0, increment: 0 })) => {
            let message = format!("{field} cannot be a null timestamp");
            Err(refuse(codes::INVALID_OPTIONS, message))
        }
        Some(RawBsonRef::Timestamp(time)) => {
            Ok(Some(u64::from(time.time) << 32 | u64::from(time.increment)))
        }
        Some(other) => {
            let message = format!(
                "BSON field 'readConcern.{field}' is the wrong type '{}', expected type 'timestamp'",
                type_name(&other)
            );
            Err(refuse(codes::TYPE_MISMATCH, message))
        }
    }
}

/// Waits for the time that the command must not read before, and gives the time that it reads at;
/// `None`: the newest commit, or what its transaction sees.
pub(crate) async fn prepare(call: &Call) -> Result<Option<ReadAt>, Failure> {
    let command = &call.command;
    let Some(concern) = command.get_document("readConcern")? else { return Ok(None) };
    let concern = Concern::parse(concern)?;
    if let Some(tick) = concern.after.into_iter().chain(concern.at).max() {
        wait_for(call, tick).await?;
    }
    if !concern.is_snapshot() || (call.in_transaction() && concern.at.is_none()) {
        return Ok(None);
    }
    if !(call.in_transaction() || SNAPSHOT_READS.contains(&command.name.as_str())) {
        let message = format!(
            "read concern snapshot is not supported by the command {} outside of transactions",
            command.name
        );
        return Err(refuse(codes::INVALID_OPTIONS, message));
    }
    call.blocking(move |call| {
        let store = &call.engine.store;
        let (tick, snapshot) = match concern.at {
            Some(tick) => (tick, store.snapshot_at(tick)?),
            None => store.hold()?,
        };
        Ok(Some(ReadAt { tick, snapshot }))
    })
    .await
}

/// The cluster's time follows the clock with every commit, so a time that has not come yet is reached
/// by an empty commit a moment later. A time of another clock, far ahead of this one, is refused.
async fn wait_for(call: &Call, wanted: u64) -> Result<(), Failure> {
    let (store, runtime) = (&call.engine.store, &call.engine.runtime);
    while store.newest_tick() < wanted {
        let time = tick::timestamp(wanted);
        let wanted_ms = (i64::from(time.time) + 1) * 1_000;
        let left_ms = wanted_ms.saturating_sub(runtime.now_ms());
        if left_ms > 2_000 {
            let now = tick::timestamp(store.newest_tick());
            let message = format!(
                "readConcern afterClusterTime value must not be greater than the current \
                 clusterTime. Requested clusterTime: {time}; current clusterTime: {now}"
            );
            return Err(refuse(codes::INVALID_OPTIONS, message));
        }
        runtime.sleep_ms(u64::try_from(left_ms).unwrap_or(0)).await;
        call.engine.queue.write(|_| Ok(())).await?;
    }
    Ok(())
}

/// Tells the client which time was read at.
pub(crate) fn tell(at: u64, reply: Reply) -> Reply {
    let at = tick::timestamp(at);
    match reply {
        Reply::Document(mut document) => {
            document.append(cstr!("atClusterTime"), at);
            Reply::Document(document)
        }
        Reply::Cursor(mut cursor) => {
            cursor.at_cluster_time = Some(at);
            Reply::Cursor(cursor)
        }
        tail @ Reply::Tail(_) => tail,
    }
}

#[cfg(test)]
mod tests;
