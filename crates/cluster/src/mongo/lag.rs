//! How far a replica set's secondaries are behind.
//!
//! Where the account may see the set's status, that is the most of its healthy secondaries; members
//! that are delayed on purpose do not count. Otherwise `hello` tells how far the majority is behind the
//! primary, which every account may ask. A server that tells neither has no lag.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use bson::{Bson, Document, rawdoc};

use super::MongoCluster;
use crate::ClusterError;

/// `state` of the members of a replica set.
const PRIMARY: i64 = 1;
const SECONDARY: i64 = 2;

pub(super) async fn ask(cluster: &MongoCluster) -> Result<Option<u64>, ClusterError> {
    if !cluster.status_refused.load(Ordering::Relaxed) {
        match of_status(cluster).await {
            Ok(lag) => return Ok(lag),
            Err(ClusterError::Unavailable(why)) => return Err(ClusterError::Unavailable(why)),
            // Not allowed, or no replica set: that stays so for this connection.
            Err(_) => cluster.status_refused.store(true, Ordering::Relaxed),
        }
    }
    let hello = cluster.ask("admin", rawdoc! { "hello": 1 }).await?;
    Ok(of_hello(&hello))
}

async fn of_status(cluster: &MongoCluster) -> Result<Option<u64>, ClusterError> {
    let status = cluster.ask("admin", rawdoc! { "replSetGetStatus": 1 }).await?;
    let config = cluster.ask("admin", rawdoc! { "replSetGetConfig": 1 }).await;
    let delayed = config.as_ref().map(delayed_members).unwrap_or_default();
    Ok(of_members(&status, &delayed))
}

/// Names of members that are behind on purpose.
fn delayed_members(reply: &Document) -> HashSet<String> {
    let Ok(config) = reply.get_document("config") else { return HashSet::new() };
    let delay = |member: &Document| {
        ["secondaryDelaySecs", "slaveDelay"].into_iter().find_map(|name| number(member, name))
    };
    members(config)
        .filter(|member| delay(member).is_some_and(|seconds| seconds > 0))
        .filter_map(|member| member.get_str("host").ok().map(str::to_owned))
        .collect()
}

fn of_members(status: &Document, delayed: &HashSet<String>) -> Option<u64> {
    let primary = members(status).find(|member| number(member, "state") == Some(PRIMARY))?;
    let newest = primary.get_datetime("optimeDate").ok()?.timestamp_millis();
    members(status)
        .filter(|member| number(member, "state") == Some(SECONDARY))
        .filter(|member| member.get_str("name").is_ok_and(|name| !delayed.contains(name)))
        .filter_map(|member| member.get_datetime("optimeDate").ok())
        .map(|reached| newest.saturating_sub(reached.timestamp_millis()).max(0).unsigned_abs())
        .max()
}

fn of_hello(hello: &Document) -> Option<u64> {
    let last = hello.get_document("lastWrite").ok()?;
    let date = |name: &str| last.get_datetime(name).ok().map(|date| date.timestamp_millis());
    let (written, majority) = (date("lastWriteDate")?, date("majorityWriteDate")?);
    Some(written.saturating_sub(majority).max(0).unsigned_abs())
}

fn members(document: &Document) -> impl Iterator<Item = &Document> {
    let members = document.get_array("members").map(Vec::as_slice).unwrap_or_default();
    members.iter().filter_map(Bson::as_document)
}

fn number(document: &Document, name: &str) -> Option<i64> {
    match document.get(name)? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "a state or seconds")]
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bson::{DateTime, doc};

    use super::*;

    fn at(seconds: i64) -> DateTime {
        DateTime::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn the_slowest_secondary_counts_unless_it_is_delayed_on_purpose() {
        let status = doc! { "members": [
            { "name": "a:1", "state": 1, "optimeDate": at(100) },
            { "name": "b:1", "state": 2, "optimeDate": at(97) },
            { "name": "c:1", "state": 2_i64, "optimeDate": at(88) },
            { "name": "d:1", "state": 2.0, "optimeDate": at(-3_500) },
            { "name": "e:1", "state": 8, "optimeDate": at(-90_000) },
        ] };
        let config = doc! { "config": { "members": [
            { "host": "a:1", "secondaryDelaySecs": 0_i64 },
            { "host": "d:1", "secondaryDelaySecs": 3_600_i64 },
        ] } };
        assert_eq!(of_members(&status, &delayed_members(&config)), Some(12_000));
        assert_eq!(of_members(&status, &HashSet::new()), Some(3_600_000));
        assert_eq!(of_members(&doc! { "members": [] }, &HashSet::new()), None);
    }

    #[test]
    fn hello_tells_how_far_the_majority_is_behind() {
        let hello = doc! { "lastWrite": { "lastWriteDate": at(9), "majorityWriteDate": at(5) } };
        assert_eq!(of_hello(&hello), Some(4_000));
        assert_eq!(of_hello(&doc! { "isWritablePrimary": true }), None);
    }
}
