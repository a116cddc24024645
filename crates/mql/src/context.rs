//! What a command knows besides its documents: the time, `let` variables, limits, a seed, a
//! collation, and the way to other collections.
//!
//! Values are fixed for the life of one command, so `$$NOW` is the same for every document.

use bson::Bson;

use crate::collation::Collation;
use crate::others::Others;

/// Bounds on what one query may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a blocking stage (`$sort`, `$group`, …) may hold before it fails with code 292.
    pub memory_bytes: usize,
    /// Nesting of a query, expression or document before it is refused.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 100 * 1024 * 1024, depth: 100 }
    }
}

/// The constants of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The value of `$$NOW`, in epoch milliseconds.
    pub now_ms: i64,
    /// The command's `let` variables, by name without `$$`. One that is undefined has no value.
    pub vars: Vec<(String, Bson)>,
    /// Bounds on memory and nesting.
    pub limits: Limits,
    /// Seed of `$sample` and `$rand`; this crate draws no randomness of its own.
    pub seed: u64,
    /// How strings compare; `None` is the simple collation, by bytes.
    pub collation: Option<Collation>,
    /// The other collections that stages may read; `None` refuses these stages by name.
    pub others: Option<Others>,
}

impl Context {
    /// A context at a point in time, without variables, with default limits.
    pub fn new(now_ms: i64) -> Self {
        Self {
            now_ms,
            vars: Vec::new(),
            limits: Limits::default(),
            seed: now_ms as u64,
            collation: None,
            others: None,
        }
    }

    /// The same context with the command's `let` variables.
    pub fn with_vars(mut self, vars: Vec<(String, Bson)>) -> Self {
        self.vars = vars;
        self
    }

    /// The same context with a collation.
    pub fn with_collation(mut self, collation: Option<Collation>) -> Self {
        self.collation = collation;
        self
    }

    /// The same context with the way to other collections.
    pub fn with_others(mut self, others: Others) -> Self {
        self.others = Some(others);
        self
    }
}
