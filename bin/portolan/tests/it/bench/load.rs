//! A large control state: a backup of a new instance, with made-up rows put in, restored elsewhere.

use std::collections::HashMap;
use std::io::Write;

use portolan_security::Sha256;
use serde_json::{Value, json};

use crate::served::Setting;

const PROJECTS_PER_ORG: usize = 250;

/// How large a state is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// Organizations, each with 250 projects.
    pub(super) orgs: usize,
    pub(super) archives: usize,
}

fn id(kind: u8, number: usize) -> String {
    format!("{kind:02x}{number:022x}")
}

/// The ids of the projects of the organization that can log in.
pub(super) fn own_projects() -> Vec<String> {
    (0..PROJECTS_PER_ORG).map(|number| id(2, number)).collect()
}

/// Restores into `to` what `from` holds and the made-up rows; the number of rows.
pub(super) fn restore_large(from: &Setting, to: &Setting, own_org: &str, size: Size) -> u64 {
    let small = from.dir.join("small.backup");
    from.run(&["backup", "--to", small.to_str().expect("UTF-8")]).expect("backed up");
    let small = zstd::decode_all(std::fs::File::open(small).expect("it")).expect("zstd");
    let large = to.dir.join("large.backup");
    let file = std::fs::File::create(&large).expect("made");
    let mut file = zstd::stream::write::Encoder::new(file, 1).expect("zstd");
    let small = String::from_utf8(small).expect("text");
    file.write_all(&enlarge(&small, own_org, size)).expect("written");
    file.finish().expect("written");
    std::fs::create_dir_all(to.dir.join("keys")).expect("made");
    std::fs::copy(from.dir.join("keys/master.key"), to.dir.join("keys/master.key")).expect("it");
    let restored = to.run(&["restore", "--from", large.to_str().expect("UTF-8")]);
    restored.expect("restored")["rows"].as_u64().expect("a number")
}

fn enlarge(text: &str, own_org: &str, size: Size) -> Vec<u8> {
    let (mut out, mut rows, mut hash) = (Vec::new(), 0_u64, Sha256::new());
    let mut push = |line: &str| {
        hash.update(line.as_bytes());
        hash.update(b"\n");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    };
    for line in text.lines().filter(|line| !line.starts_with("{\"end\"")) {
        push(line);
        rows += u64::from(line.starts_with('['));
        let head: Value = serde_json::from_str(line).expect("JSON");
        let Some(table) = head["table"].as_str() else { continue };
        let columns: Vec<&str> =
            head["columns"].as_array().expect("columns").iter().filter_map(Value::as_str).collect();
        for row in made_up(table, own_org, size) {
            let values: Vec<Value> = columns.iter().map(|name| value(&row, name)).collect();
            push(&Value::Array(values).to_string());
            rows += 1;
        }
    }
    let end = json!({ "end": true, "rows": rows, "sha256": hex::encode(hash.finish()) });
    out.extend_from_slice(end.to_string().as_bytes());
    out.push(b'\n');
    out
}

type Row = HashMap<&'static str, Value>;

/// Columns that a row does not name: what a column of numbers takes as well as one of texts is NULL.
fn value(row: &Row, column: &str) -> Value {
    row.get(column).cloned().unwrap_or(Value::Null)
}

fn made_up(table: &str, own_org: &str, size: Size) -> Vec<Row> {
    let Size { orgs, archives } = size;
    match table {
        "organizations" => (1..orgs).map(organization).collect(),
        "projects" => (0..orgs * PROJECTS_PER_ORG).map(|number| project(number, own_org)).collect(),
        "online_archives" => (0..archives).map(|number| archive(number, size)).collect(),
        "archive_jobs" => (0..archives).map(job).collect(),
        "archive_upkeep" => (0..archives).map(upkeep).collect(),
        _ => Vec::new(),
    }
}

fn organization(number: usize) -> Row {
    let flags = [
        "skip_default_alerts_settings",
        "api_access_list_required",
        "multi_factor_auth_required",
        "restrict_employee_access",
        "gen_ai_features_enabled",
        "streams_cross_group_enabled",
    ];
    let mut row: Row = flags.into_iter().map(|flag| (flag, json!(0))).collect();
    row.insert("id", json!(id(1, number)));
    row.insert("name", json!(format!("Organization {number}")));
    row.insert("name_folded", json!(format!("organization {number}")));
    row.insert("created_at", json!(1_700_000_000_000_i64));
    row
}

fn project(number: usize, own_org: &str) -> Row {
    let org = number / PROJECTS_PER_ORG;
    let org = if org == 0 { own_org.to_owned() } else { id(1, org) };
    HashMap::from([
        ("id", json!(id(2, number))),
        ("org_id", json!(org)),
        ("name", json!(format!("Project {number}"))),
        ("name_folded", json!(format!("project {number}"))),
        ("tags", json!("[]")),
        ("with_default_alerts_settings", json!(1)),
        ("created_at", json!(1_700_000_000_000_i64 + number as i64)),
    ])
}

fn archive(number: usize, size: Size) -> Row {
    HashMap::from([
        ("id", json!(id(3, number))),
        ("project_id", json!(id(2, number * 10 % (size.orgs * PROJECTS_PER_ORG)))),
        ("cluster_id", json!(id(4, number))),
        ("cluster_name", json!("Cluster0")),
        ("database_name", json!("sales")),
        ("collection_name", json!("orders")),
        ("collection_type", json!("STANDARD")),
        ("criteria_type", json!("DATE")),
        ("date_field", json!("at")),
        ("date_format", json!("ISODATE")),
        ("criteria_days", json!(30)),
        ("criteria_version", json!(1)),
        ("partition_fields", json!("[]")),
        ("provider", json!("AWS")),
        ("region", json!("US_EAST_1")),
        ("schedule", json!("[\"DEFAULT\",null,null]")),
        ("state", json!("IDLE")),
        ("level", json!("L1")),
        ("rules_version", json!(0)),
        ("table_uri", json!(format!("file:///nowhere/{number}"))),
        ("created_at", json!(1_700_000_000_000_i64)),
    ])
}

/// Due in a hundred years: what an idle look costs is measured.
fn job(number: usize) -> Row {
    HashMap::from([
        ("archive_id", json!(id(3, number))),
        ("due_at", json!(4_900_000_000_000_i64)),
        ("interval_ms", json!(300_000)),
        ("failures", json!(0)),
        ("run_requested", json!(0)),
        ("full_windows", json!(0)),
        ("updated_at", json!(1_700_000_000_000_i64)),
    ])
}

fn upkeep(number: usize) -> Row {
    HashMap::from([
        ("archive_id", json!(id(3, number))),
        ("due_at", json!(4_900_000_000_000_i64)),
        ("failures", json!(0)),
        ("updated_at", json!(1_700_000_000_000_i64)),
    ])
}
