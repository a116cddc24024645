//! `replSetGetStatus` of a set with one member.

use bson::{RawDocumentBuf, doc};
use portolan_wire::Reply;

use super::Call;
use crate::backend::SET_NAME;
use crate::error::{Failure, codes, refuse};
use crate::store::tick;

pub(crate) fn status(call: &Call) -> Result<Reply, Failure> {
    call.admin_only()?;
    if call.context.user.as_ref().is_some_and(|user| !user.may_read("local")) {
        let message = "not authorized on admin to execute command replSetGetStatus";
        return Err(refuse(codes::UNAUTHORIZED, message));
    }
    let runtime = &call.engine.runtime;
    let newest = tick::timestamp(call.engine.store.newest_tick());
    let newest_ms = i64::from(newest.time) * 1000;
    let uptime_s = runtime.boot_ms().saturating_sub(call.engine.started_boot_ms) / 1000;
    let optime = doc! { "ts": newest, "t": 1_i64 };
    Ok(Reply::Document(RawDocumentBuf::try_from(doc! {
        "set": SET_NAME,
        "date": bson::DateTime::from_millis(runtime.now_ms()),
        "myState": 1,
        "term": 1_i64,
        "optimes": {
            "lastCommittedOpTime": optime.clone(),
            "appliedOpTime": optime.clone(),
            "durableOpTime": optime.clone(),
        },
        "members": [{
            "_id": 0,
            "name": &*call.host,
            "health": 1.0,
            "state": 1,
            "stateStr": "PRIMARY",
            "uptime": i64::try_from(uptime_s).unwrap_or(i64::MAX),
            "optime": optime,
            "optimeDate": bson::DateTime::from_millis(newest_ms),
            "self": true,
        }],
    })?))
}
