//! The only door to users' live clusters: connecting under the address policy, probing what a server
//! can guarantee, reading raw BSON, and deleting documents under a guard.
//!
//! What to delete and when is decided in `archiver`; this room only promises that a delete removes
//! nothing but a document equal to the one that it was given, as far as the server's
//! [`GuardLevel`](portolan_model::GuardLevel) allows, and that an outcome that is not known is never
//! passed off as a failure. Not here: the archive tables, leases, HTTP.

mod error;
mod fence;
pub mod guard;
pub mod memory;
mod mongo;
mod types;

pub use error::{ClusterError, ErrorKind};
pub use fence::{BatchOutcome, BatchRequest, Fence, FencedBatch, FencedStep, Holder, KeptRecord};
pub use memory::MemoryCluster;
pub use mongo::MongoCluster;
pub use types::{
    Cluster, CollectionInfo, CollectionKind, DeleteRequest, Deleted, DocumentStream, IndexInfo,
    Inserted, NotInserted, Probe, ReadOptions, Refused,
};
