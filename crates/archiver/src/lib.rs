//! The move protocol: cold documents leave a live cluster for an archive's table, without one being
//! lost, doubled or altered.
//!
//! A worker takes the lease of a collection, raises the fence of its tables, and drives one move
//! after the other through nine steps (`steps/`), each of them journalled. [`protocol`] is the pure
//! state machine that says what comes next. Killing the process between any two steps is harmless:
//! the next worker reads what is true from the table's log before it does anything.
//!
//! This is the only room that deletes users' documents. Not here: how files are written (`lake`), how
//! a server is asked (`cluster`), what clients may ask for (`control`).

mod alerts;
mod attach;
mod clocks;
pub mod criteria;
mod damage;
mod due;
pub mod effects;
mod error;
mod index_check;
mod journal;
mod lease;
mod load;
mod look;
mod metrics;
mod operations;
mod options;
mod outside;
pub mod protocol;
mod purge;
mod quiet;
mod reattach;
mod reports;
mod resume;
mod rules;
mod run;
mod sampling;
mod scene;
mod source_fence;
mod steps;
mod takeover;
mod upkeep;
mod worker;

pub use error::ArchiverError;
pub use load::{LoadHours, LoadLimits, LoadRules};
pub use metrics::ArchiverMetrics;
pub use options::{ArchiverOptions, Prices};
pub use outside::Outside;
pub use worker::Worker;

#[cfg(test)]
mod tests;
