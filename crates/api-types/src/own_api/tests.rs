//! The attach body and the shapes of the own API.

use serde_json::{Value, json};

use super::{EndpointStrings, RunView, parse_attach};
use crate::{ErrorCode, Fields, Problem};

fn attach(body: &Value) -> Result<super::AttachDraft, Problem> {
    parse_attach(Fields::parse(body.to_string().as_bytes()).expect("an object"))
}

#[test]
fn attaching_needs_a_name_and_a_string() {
    let body = json!({ "name": "prod", "connectionString": "mongodb://u:secret@h/" });
    let draft = attach(&body).unwrap();
    assert!(!draft.writes_quiesced);
    assert!(!format!("{draft:?}").contains("secret"));
    let missing = attach(&json!({ "name": "prod" })).unwrap_err();
    assert_eq!(missing.code, ErrorCode::MissingAttribute);
    assert_eq!(missing.fields[0].field, "connectionString");
    let name = attach(&json!({ "name": "a b", "connectionString": "x" })).unwrap_err();
    assert_eq!(name.code, ErrorCode::ClusterNameInvalid);
    let mut odd = body;
    odd["password"] = json!("x");
    assert_eq!(attach(&odd).unwrap_err().fields[0].field, "password");
}

#[test]
fn absent_endpoints_are_null() {
    let strings = EndpointStrings { cluster: Some("mongodb://h/".into()), ..Default::default() };
    let shown = strings.json();
    assert_eq!(shown["cluster"], "mongodb://h/");
    assert_eq!(shown["archive"], Value::Null);
}

#[test]
fn a_run_shows_its_counts() {
    let run = RunView {
        id: "a".into(),
        level: "L1",
        phase: "DELETE".into(),
        counts: vec![("documentsRead", 3)],
        waiting_for: Some("lag 12 s".into()),
        error: None,
        started_at: 0,
        ended_at: None,
        rates: (1.5, 300.0),
        phases: [("READ".to_owned(), 800)].into(),
    };
    let shown = run.json();
    assert_eq!(shown["documentsRead"], 3);
    assert_eq!(
        (&shown["documentsPerSecond"], &shown["bytesPerSecond"]),
        (&1.5.into(), &300.0.into())
    );
    assert_eq!(shown["phaseMs"]["READ"], 800);
    assert_eq!(shown["waitingFor"], "lag 12 s");
    assert_eq!(shown["endedAt"], Value::Null);
    assert_eq!(shown["startedAt"], "1970-01-01T00:00:00Z");
}
