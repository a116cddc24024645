//! docs/reference/api.md lists exactly the operations that the router serves. To rewrite the list:
//! `PORTOLAN_UPDATE_DOCS=1 cargo test -p portolan --test it docs`.

use std::path::Path;

use portolan_admin_api::{OperationInfo, Outcome, operations};

const BEGIN: &str = "<!-- operations -->\n";
const END: &str = "<!-- end of operations -->\n";

#[test]
fn the_api_reference_lists_every_operation() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api.md");
    let text = std::fs::read_to_string(&file).expect("docs/reference/api.md");
    let (head, rest) = text.split_once(BEGIN).expect("the beginning of the list");
    let (listed, tail) = rest.split_once(END).expect("the end of the list");
    let expected = table();
    if std::env::var_os("PORTOLAN_UPDATE_DOCS").is_some() {
        std::fs::write(&file, format!("{head}{BEGIN}{expected}{END}{tail}")).expect("written");
        return;
    }
    assert_eq!(listed, expected, "see the header of this file");
}

fn table() -> String {
    let head = "\n| method | path | operation | versions | answers |\n|---|---|---|---|---|\n";
    let rows: String = operations().iter().map(row).collect();
    format!("{head}{rows}\n")
}

fn row(operation: &OperationInfo) -> String {
    let OperationInfo { method, path, operation_id, versions, outcome, .. } = operation;
    let versions = if versions.is_empty() { "–".to_owned() } else { versions.join(", ") };
    let outcome = match outcome {
        Outcome::Served(statuses) => {
            statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        Outcome::Refused(_) => "403 `FEATURE_UNSUPPORTED`".to_owned(),
    };
    format!("| {method} | `{path}` | `{operation_id}` | {versions} | {outcome} |\n")
}

#[test]
fn the_page_of_refused_operations_is_complete() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/unsupported.md");
    let text = std::fs::read_to_string(&file).expect("docs/reference/unsupported.md");
    let (table, _) = text.split_once("Other operations").expect("the first table");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|line| line.split('|').nth(1).unwrap_or_default().split(", "));
    let names: Vec<&str> = names.map(|name| name.trim().trim_matches('`')).collect();
    let refused: Vec<&str> = operations()
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Refused(_)))
        .map(|one| one.operation_id)
        .collect();
    let missing: Vec<_> = refused.iter().filter(|name| !names.contains(name)).collect();
    let wrong: Vec<_> = names.iter().filter(|name| !refused.contains(name)).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "missing {missing:?}, not refused {wrong:?}");
}
