//! What was read from a SQLite database a moment ago, so that it need not be read again before it
//! changes: who a token belongs to, which organization owns a project. It gives the answers that the
//! database would, and is off unless this process alone writes ([`crate::Store::remember_reads`]); on
//! PostgreSQL, where others write, always.
//!
//! Rows are kept by statement and values. They are good while no table that the statement names was
//! changed: a commit says which tables it changes before it begins ([`Memory::changing`]) and when it
//! is over ([`Flux::end`]); meanwhile, nothing about them is recalled or kept. A transaction that recalled
//! something and then needs the database must find it in the state that it recalled
//! ([`Memory::agrees`]), or starts again without recalling.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Row, Value};

/// Tables, one bit each.
pub(crate) type TableSet = u128;
/// Every table, known or not.
pub(crate) const ALL_TABLES: TableSet = TableSet::MAX;
/// Tables that a set has room for.
pub(crate) const TABLES_MAX: usize = TableSet::BITS as usize;

/// Rows of one statement that are kept; longer answers are read anew.
const ROWS_MAX: usize = 1_000;
/// What one of the two generations holds, in rows. An answer counts one row more than it has.
const GENERATION_ROWS: usize = 20_000;

/// The tables of the database, and what goes with what when rows are deleted.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    numbers: HashMap<String, usize>,
    /// For each table, itself and those whose rows a deletion in it may change.
    below: Vec<TableSet>,
}

impl Tables {
    /// `references` are pairs of a table and one that it refers to.
    pub(crate) fn new(names: Vec<String>, references: &[(String, String)]) -> Self {
        let numbers: HashMap<String, usize> =
            names.into_iter().enumerate().map(|(number, name)| (name, number)).collect();
        let mut below: Vec<TableSet> = (0..numbers.len()).map(|number| 1 << number).collect();
        let edges: Vec<(usize, usize)> = references
            .iter()
            .filter_map(|(from, to)| Some((*numbers.get(from)?, *numbers.get(to)?)))
            .collect();
        // As often as the longest chain may be long.
        for _ in 0..numbers.len() {
            for (from, to) in &edges {
                below[*to] |= below[*from];
            }
        }
        Self { numbers, below }
    }

    /// Every table whose name is a word of the statement.
    fn named_in(&self, sql: &str) -> TableSet {
        let words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named = words.filter_map(|word| self.numbers.get(word));
        named.fold(0, |set, number| set | (1 << number))
    }

    /// Every table that the statement may change.
    pub(crate) fn changed_by(&self, sql: &str) -> TableSet {
        let named = self.named_in(sql);
        let replaces = || sql.split_whitespace().any(|word| word == "REPLACE");
        match sql.split_whitespace().next() {
            Some("INSERT" | "UPDATE") if !replaces() => named,
            Some("DELETE") => numbers(named).fold(named, |set, number| set | self.below[number]),
            _ => ALL_TABLES,
        }
    }
}

fn numbers(mut set: TableSet) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let number = set.trailing_zeros() as usize;
        // Clears the lowest bit; of no bits there is none.
        set &= set.checked_sub(1)?;
        Some(number)
    })
}

/// The memory of one store.
pub(crate) struct Memory {
    pub(crate) tables: Tables,
    hasher: RandomState,
    state: Mutex<State>,
}

struct State {
    /// Commits so far.
    version: u64,
    /// When each table last changed.
    changed_at: [u64; TABLES_MAX],
    /// Commits under way that change a table.
    changing: [u32; TABLES_MAX],
    /// A commit was left alone: nobody knows whether it is over. The next writer has waited for its end.
    lost: bool,
    young: HashMap<u64, Entry>,
    /// What was not asked for again since the last time that `young` was full is forgotten with it.
    old: HashMap<u64, Entry>,
    young_rows: usize,
}

struct Entry {
    sql: String,
    values: Vec<Value>,
    one: bool,
    rows: Arc<Vec<Row>>,
    tables: TableSet,
    version: u64,
}

impl Entry {
    fn answers(&self, sql: &str, values: &[Value], one: bool) -> bool {
        self.one == one && self.sql == sql && self.values == values
    }
}

impl State {
    /// Whether nothing about these tables changed since `version` or is changing.
    fn still(&self, tables: TableSet, version: u64) -> bool {
        numbers(tables).all(|at| self.changing[at] == 0 && self.changed_at[at] <= version)
    }

    fn note_change(&mut self, tables: TableSet) {
        self.version += 1;
        for at in numbers(tables) {
            self.changed_at[at] = self.version;
        }
    }

    fn forget(&mut self) {
        self.note_change(ALL_TABLES);
        self.young.clear();
        self.old.clear();
        self.young_rows = 0;
    }

    fn keep(&mut self, key: u64, entry: Entry) {
        let weight = entry.rows.len() + 1;
        if self.young_rows + weight > GENERATION_ROWS {
            self.old = std::mem::take(&mut self.young);
            self.young_rows = 0;
        }
        self.young_rows += weight;
        if let Some(before) = self.young.insert(key, entry) {
            self.young_rows -= before.rows.len() + 1;
        }
    }
}

/// What a transaction has recalled so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recalled {
    /// The state of all of it.
    version: u64,
    tables: TableSet,
}

impl Memory {
    pub(crate) fn new(tables: Tables) -> Self {
        let state = State {
            version: 0,
            changed_at: [0; TABLES_MAX],
            changing: [0; TABLES_MAX],
            lost: false,
            young: HashMap::new(),
            old: HashMap::new(),
            young_rows: 0,
        };
        Self { tables, hasher: RandomState::new(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, sql: &str, values: &[Value], one: bool) -> u64 {
        self.hasher.hash_one((sql, values, one))
    }

    /// The state as it is: for a transaction that begins, and as the mark of what it reads.
    pub(crate) fn version(&self) -> u64 {
        self.state().version
    }

    /// For a transaction that begins.
    pub(crate) fn begin(&self) -> Recalled {
        Recalled { version: self.version(), tables: 0 }
    }

    /// The rows of a statement, if they are known and belong to the state of what was recalled before.
    pub(crate) fn recall(
        &self,
        recalled: &mut Recalled,
        sql: &str,
        values: &[Value],
        one: bool,
    ) -> Option<Arc<Vec<Row>>> {
        let key = self.key(sql, values, one);
        let mut state = self.state();
        if state.lost {
            return None;
        }
        let found = state.young.get(&key).or_else(|| state.old.get(&key))?;
        let (tables, rows) = (recalled.tables | found.tables, found.rows.clone());
        let good = found.answers(sql, values, one)
            && state.still(found.tables, found.version)
            && state.still(tables, recalled.version);
        if !good {
            return None;
        }
        if let Some(entry) = state.old.remove(&key) {
            state.keep(key, entry);
        }
        recalled.tables = tables;
        Some(rows)
    }

    /// Whether the database, which was just read for the first time, was in the state of what was
    /// recalled before.
    pub(crate) fn agrees(&self, recalled: Recalled) -> bool {
        let state = self.state();
        recalled.tables == 0 || (!state.lost && state.still(recalled.tables, recalled.version))
    }

    /// Keeps rows that were read from a state not older than `version`.
    pub(crate) fn keep(
        &self,
        version: u64,
        (sql, values, one): (String, Vec<Value>, bool),
        rows: Arc<Vec<Row>>,
    ) {
        let tables = self.tables.named_in(&sql);
        if tables == 0 || rows.len() > ROWS_MAX {
            return;
        }
        let key = self.key(&sql, &values, one);
        let mut state = self.state();
        if !state.lost && state.still(tables, version) {
            state.keep(key, Entry { sql, values, one, rows, tables, version });
        }
    }

    /// Says that a commit which changes these tables begins.
    pub(crate) fn changing(self: &Arc<Self>, tables: TableSet) -> Flux {
        let mut state = self.state();
        for at in numbers(tables) {
            state.changing[at] += 1;
        }
        drop(state);
        Flux { memory: self.clone(), tables, ended: false }
    }

    /// Says that a transaction has the database's write lock: whatever commit was under way is over.
    pub(crate) fn writer_began(&self) {
        let mut state = self.state();
        if state.lost {
            state.forget();
            state.lost = false;
        }
    }

    /// Forgets everything: somebody else may have written.
    pub(crate) fn forget(&self) {
        self.state().forget();
    }
}

/// A commit under way.
pub(crate) struct Flux {
    memory: Arc<Memory>,
    tables: TableSet,
    ended: bool,
}

impl Flux {
    /// Says that it is over, whether it was made or not.
    pub(crate) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Flux {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        state.note_change(self.tables);
        for at in numbers(self.tables) {
            state.changing[at] -= 1;
        }
        if !self.ended {
            state.lost = true;
        }
    }
}

#[cfg(test)]
mod tests;
