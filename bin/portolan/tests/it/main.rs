//! Tests of the real binary, as a process of its own.

mod attach;
mod bench;
mod canary;
mod cli;
mod clusters;
mod detached;
mod docs;
mod kill;
mod kill_operations;
mod kill_recovery;
mod kill_situations;
mod kill_stage;
mod lent;
mod links;
mod monitoring;
mod operators;
mod replicas;
mod router;
mod served;
mod sharded;
mod state;
mod support;
