//! The whole control state as a value, to see that nothing changed. Left out is what every call leaves
//! behind: the audit trail, told apart, and when credentials were used.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::World;

/// Columns that say when and from where a credential was last used.
const USAGE: [&str; 4] = ["last_used_at", "last_used_address", "use_count", "last_auth_at"];

/// Rows by table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) tables: BTreeSet<String>,
    pub(super) audit: BTreeSet<String>,
}

impl State {
    pub(super) async fn of(world: &World) -> Self {
        let mut bytes = Vec::new();
        world.control.store.back_up(&mut bytes).await.expect("a copy");
        let text = String::from_utf8(bytes).expect("text");
        let mut state = Self { tables: BTreeSet::new(), audit: BTreeSet::new() };
        let (mut table, mut used) = (String::new(), Vec::new());
        for line in text.lines().skip(1).filter(|line| !line.starts_with("{\"end\"")) {
            match serde_json::from_str(line).expect("JSON") {
                Value::Array(row) => state.take(&table, &used, row),
                head => (table, used) = columns(&head),
            }
        }
        state
    }

    fn take(&mut self, table: &str, used: &[usize], mut row: Vec<Value>) {
        for at in used {
            row[*at] = Value::Null;
        }
        let row = Value::Array(row).to_string();
        if table == "audit" {
            self.audit.insert(row);
        } else {
            self.tables.insert(format!("{table} {row}"));
        }
    }
}

/// A table's name and which of its columns are about usage.
fn columns(head: &Value) -> (String, Vec<usize>) {
    let names = head["columns"].as_array().expect("columns");
    let used = names.iter().enumerate().filter(|(_, name)| USAGE.iter().any(|it| *name == it));
    (head["table"].as_str().expect("a name").to_owned(), used.map(|(at, _)| at).collect())
}
