//! The MongoDB query language over raw BSON: total order, keys, filters, projections, sorts,
//! pipelines and updates.
//!
//! Everything here is a pure function of documents, a parsed query and a [`Context`]: no I/O, no
//! clock, no randomness. Storage, cursors and the wire protocol live elsewhere. The semantics are
//! those documented for MongoDB 7.0; what is not implemented is refused by name with code 238 and
//! never answered approximately.

mod collation;
pub mod compare;
mod context;
mod decimal;
mod error;
mod expr;
mod filter;
pub mod identity;
pub mod key;
mod mutate;
mod number;
mod operators;
mod others;
pub mod path;
mod pipeline;
mod projection;
mod sort;
#[cfg(test)]
mod testing;
mod types;
mod update;

pub use collation::Collation;
pub use context::{Context, Limits};
pub use error::{MqlError, code};
pub use filter::{Filter, Interval, KeyRange};
pub use others::{Collections, Documents, Others};
pub use pipeline::{Pipeline, PipelineRun};
pub use projection::Projection;
pub use sort::Sort;
pub use update::Update;

pub(crate) type Result<T> = std::result::Result<T, MqlError>;
