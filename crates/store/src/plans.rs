//! A guard for tests: no statement may read a whole table. The first time that a statement runs, the
//! database is asked how it would; a plan that scans a table makes the statement fail, unless
//! [`MAY_SCAN`] says why it may. Off in production; [`crate::scratch`] turns it on, so that every
//! statement that any test runs is explained.
//!
//! SQLite plans by rule, whatever the size of a table. PostgreSQL would scan small ones, so it is told
//! not to: what it scans then, it could only scan.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::error::{Phase, classify};
use crate::{Dialect, StoreError, Tx, Value};

static ENABLED: AtomicBool = AtomicBool::new(false);
static EXPLAINED: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// What may scan, and why: a whole statement, or a part of one that no other has.
const MAY_SCAN: &[(&str, &str)] = &[
    ("SELECT COUNT(*) FROM organizations", "once, when the first one is made"),
    ("FROM endpoints ORDER BY released_at, port", "as many as there are ports to give"),
    (
        "FROM endpoints WHERE released_at IS NULL ORDER BY port",
        "as many as there are ports to give",
    ),
    ("AS standing GROUP BY state, suspend_reason", "all archives, four times in a minute"),
    ("FROM archive_upkeep u JOIN online_archives a", "all archives, four times in a minute"),
    ("SELECT COUNT(*) FROM archive_quarantine", "damaged files, of which there are few"),
    ("SELECT COUNT(*) FROM audit", "an operator's list; no operation of the API reads it"),
    ("FROM audit ORDER BY created_at DESC", "by its index, and no more than a page"),
    ("FROM clusters ORDER BY created_at, id", "every cluster, at the start and by followers"),
    ("FROM live_exports ORDER BY org_id", "every link, once in five minutes"),
    ("FROM schema_migrations", "a few rows, at the start"),
    ("FROM t", "a table of a test"),
    ("UPDATE t", "a table of a test"),
    ("pragma_table_info", "not a table"),
    ("sqlite_master", "a few rows, at the start"),
    ("information_schema", "a few rows, at the start"),
];

/// From now on, in this process.
pub(crate) fn forbid_scans() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Whether a statement is to be explained: the guard is on, and the statement new.
pub(crate) fn is_new(sql: &str) -> bool {
    if !ENABLED.load(Ordering::Relaxed) {
        return false;
    }
    let explained = EXPLAINED.lock().unwrap_or_else(PoisonError::into_inner);
    explained.as_ref().is_none_or(|explained| !explained.contains(sql))
}

fn remember(sql: &str) {
    let mut explained = EXPLAINED.lock().unwrap_or_else(PoisonError::into_inner);
    explained.get_or_insert_default().insert(sql.to_owned());
}

impl Tx<'_> {
    /// # Errors
    /// [`StoreError::Internal`] with the plan when the statement would read a whole table.
    pub(crate) async fn refuse_scan(
        &mut self,
        sql: &str,
        values: &[Value],
    ) -> Result<(), StoreError> {
        let words: Vec<&str> = sql.split_whitespace().collect();
        let explainable =
            matches!(words.first(), Some(&("SELECT" | "UPDATE" | "DELETE" | "INSERT")));
        let may = |part: &str| sql == part || (!is_whole(part) && contains_words(sql, part));
        if explainable && !MAY_SCAN.iter().any(|(part, _)| may(part)) {
            let plan = self.plan(sql, values).await?;
            if let Some(line) = plan.iter().find(|line| scans(line)) {
                let detail = format!("{line:?}: the statement reads a whole table: {sql}");
                return Err(StoreError::Internal { operation: "store.plan", detail });
            }
        }
        remember(sql);
        Ok(())
    }

    async fn plan(&mut self, sql: &str, values: &[Value]) -> Result<Vec<String>, StoreError> {
        let (explain, column) = match self.dialect() {
            Dialect::Sqlite => (format!("EXPLAIN QUERY PLAN {sql}"), 3),
            Dialect::Postgres => (explain_on_postgres(sql, values), 0),
        };
        let dialect = self.dialect();
        let rows = self.connection()?.raw_rows(AssertSqlSafe(explain).into_sql_str()).await;
        let failed = |error| StoreError::Internal {
            operation: "store.plan",
            detail: format!("{}: {sql}", classify(error, dialect, "store.plan", Phase::Work)),
        };
        rows.map_err(failed)?.iter().map(|row| row.at(column)).collect()
    }
}

/// A plan that does not look at values, without the scans that small tables invite.
fn explain_on_postgres(sql: &str, values: &[Value]) -> String {
    let list = |texts: Vec<&str>| match texts.is_empty() {
        true => String::new(),
        false => format!("({})", texts.join(", ")),
    };
    let types = values.iter().map(|value| match value {
        Value::Text(_) => "TEXT",
        Value::Int(_) => "BIGINT",
        Value::Blob(_) => "BYTEA",
    });
    let (types, nulls) = (list(types.collect()), list(vec!["NULL"; values.len()]));
    format!(
        "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; \
         PREPARE explained{types} AS {sql}; EXPLAIN EXECUTE explained{nulls}; \
         DEALLOCATE explained; SET LOCAL enable_seqscan = on"
    )
}

/// Whether an entry is a whole statement.
fn is_whole(part: &str) -> bool {
    part.starts_with("SELECT ")
}

/// `SCAN table` on SQLite, also by an index that is read from end to end; `Seq Scan on table` on
/// PostgreSQL.
fn scans(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '-', '>']);
    let of_table = |rest: &str| !rest.starts_with(['(', '"']) && !rest.starts_with("CONSTANT ROW");
    line.strip_prefix("SCAN ").is_some_and(of_table) || line.starts_with("Seq Scan on ")
}

/// Whether the words of `part` stand in `sql` one after the other.
fn contains_words(sql: &str, part: &str) -> bool {
    let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    sql.match_indices(part).any(|(at, _)| is_end(sql[at + part.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{in_tx, on_each_database};

    #[test]
    fn plans_are_read_rightly() {
        assert!(scans("SCAN events") && scans("SCAN events USING INDEX events_org"));
        assert!(scans("  ->  Seq Scan on events  (cost=0.00..1.00 rows=1 width=4)"));
        assert!(!scans("SEARCH events USING INDEX events_org (org_id=?)"));
        assert!(!scans("SCAN CONSTANT ROW") && !scans("SCAN (subquery-1)"));
        assert!(contains_words("SELECT 1 FROM t WHERE", "FROM t"));
        assert!(!contains_words("SELECT 1 FROM teams", "FROM t"));
    }

    on_each_database! {
        async fn a_statement_that_reads_a_whole_table_is_refused(store) {
            let scan = "SELECT COUNT(*) FROM projects WHERE name_folded = $1";
            let refused = in_tx!(store, tx => tx.count(scan, crate::args!["x"]).await);
            let refused = refused.expect_err("a scan").to_string();
            assert!(refused.contains("reads a whole table"), "{refused}");
            let search = "SELECT COUNT(*) FROM projects WHERE id = $1";
            assert_eq!(in_tx!(store, tx => tx.count(search, crate::args!["x"]).await), Ok(0));
        }
    }
}
