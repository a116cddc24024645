//! Tests of how a redacted document is known in what the journal says.

use bson::rawdoc;
use portolan_model::{ArchiveId, JobId};
use portolan_store::operations::OperationState;

use super::*;

fn redacted(request: &str, shard_key: Option<&ShardKey>) -> Redacted {
    Redacted::new(&Request::parse(request).expect("a request"), shard_key)
}

fn canary() -> Redacted {
    redacted(r#"{"id": "\"canary\"", "reason": "r"}"#, None)
}

fn ended(kind: OperationKind, request: &str, progress: &str) -> Operation {
    let (id, archive) = (JobId::new([1; 12]), ArchiveId::new([2; 12]));
    Operation {
        state: OperationState::Failed,
        progress: progress.to_owned(),
        error: Some("E11000: dup key: { _id: \"canary\" }".to_owned()),
        ..Operation::new(id, archive, kind, request.to_owned(), 1)
    }
}

#[test]
fn an_identity_is_known_with_and_without_its_shard_key() {
    let (sharded, document) = (ShardKey::ranged(&["t"]), rawdoc! { "_id": 3_i64, "t": "a" });
    let other = rawdoc! { "_id": 3, "t": "b" };
    let identity = |document| identity_under(document, Some(&sharded));
    let any = redacted(r#"{"id": "3", "reason": "r"}"#, Some(&sharded));
    assert!(any.is(&identity(&document)) && any.is(&identity(&other)));
    assert!(any.is(&identity_under(&document, None)));
    assert!(!any.is(&identity_under(&rawdoc! { "_id": 31 }, None)));
    let one = r#"{"id": "3", "shardKey": "{\"t\": \"a\"}", "reason": "r"}"#;
    let one = redacted(one, Some(&sharded));
    assert!(one.is(&identity(&document)) && !one.is(&identity(&other)));
    assert!(one.is_named("3") && one.is_named(r#"{"$numberLong": "3"}"#) && !one.is_named("4"));
    assert!(!one.is_named("BLAKE3 00"), "not every list entry is an _id");
}

#[test]
fn entries_of_lists_go_and_others_stay() {
    let progress = r#"{"conflicts": 2, "notRestored": [{"_id": "canary", "reason": "it is there"},
        {"_id": "other", "reason": "it is there"}], "inCluster": ["canary", "other"],
        "more": [{"_id": "canary", "equal": true}, {"file": "canary"}, 3]}"#;
    let left = canary().without(&ended(OperationKind::Restore, "{}", progress));
    let figures: Value = serde_json::from_str(&left.progress).expect("figures");
    assert_eq!(figures["notRestored"][0]["_id"], "other");
    assert_eq!((&figures["inCluster"][0], &figures["conflicts"]), (&"other".into(), &2.into()));
    assert_eq!(figures["more"].as_array().map(Vec::len), Some(2));
    assert_eq!(left.error.as_deref(), Some(UNSAID));
    let others = ended(OperationKind::Restore, "{}", r#"{"inCluster": ["other"]}"#);
    assert_eq!(canary().without(&others), others);
}

#[test]
fn a_filter_goes_that_compares_the_id() {
    let named = [
        r#"{"_id": "canary"}"#,
        r#"{"$or": [{"_id": {"$in": ["x", "canary"]}}, {"a": 1}]}"#,
        r#"{"$expr": {"$eq": ["$_id", "canary"]}}"#,
    ];
    for filter in named {
        let request = serde_json::json!({ "filter": filter, "onConflict": "STOP" }).to_string();
        let left = canary().without(&ended(OperationKind::Restore, &request, "{}"));
        let asked: Value = serde_json::from_str(&left.request).expect("a request");
        assert_eq!(asked, serde_json::json!({ "filterRedacted": true, "onConflict": "STOP" }));
        let queued = Operation {
            state: OperationState::Queued,
            ..ended(OperationKind::Restore, &request, "{}")
        };
        assert_eq!(canary().without(&queued), queued, "it is needed");
    }
    let request = serde_json::json!({ "filter": r#"{"name": "canary"}"# }).to_string();
    let other = ended(OperationKind::Restore, &request, "{}");
    assert_eq!(canary().without(&other), other);
}

#[test]
fn an_earlier_attempt_keeps_a_hash() {
    let attempt = r#"{"id": "\"canary\"", "reason": "request 12", "evenIfLive": false}"#;
    let left = canary().without(&ended(OperationKind::Redact, attempt, "{}"));
    assert!(left.request.contains("idHash") && left.request.contains("request 12"));
    assert!(!left.request.contains("canary"), "{}", left.request);
    let sharded = ShardKey::ranged(&["t"]);
    let of = |t: &str| format!(r#"{{"id": "3", "shardKey": "{{\"t\": \"{t}\"}}", "reason": "r"}}"#);
    let one = redacted(&of("a"), Some(&sharded));
    let other = ended(OperationKind::Redact, &of("b"), "{}");
    assert_eq!(one.without(&other), other, "another document with this _id");
    assert_ne!(one.without(&ended(OperationKind::Redact, &of("a"), "{}")).request, of("a"));
}
