//! The read-only endpoints of a cluster with archives: *archive*, and *cluster and archive* as one.
//!
//! A query is planned (`plan`), files that cannot hold an answer are pruned, and the
//! rest is united with what the live cluster holds, such that no document appears twice, none is
//! left out and none is older than it should be, also while documents are being moved
//! (`union`). Filters, sorts and pipelines are evaluated by `mql` on exact bytes.
//! Served through `wire`; everything that is not supported is refused by name.
//!
//! What is not here: how documents get into the archive, where users and archives are stored.

mod catalog;
mod commands;
mod endpoint;
mod error;
mod id_range;
mod judge;
mod pin;
mod plan;
mod query;
mod reader;
mod returned;
mod rows;
mod session;
mod sorter;
mod source_fence;
mod union;

pub use catalog::{Allowance, ArchiveSource, Catalog, Kept, QueryRecord};
pub use endpoint::{Endpoint, EndpointMode, Limits};
pub use error::FederationError;

#[cfg(test)]
mod tests;
