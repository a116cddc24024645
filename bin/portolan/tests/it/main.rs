//! Tests of the real binary, as a process of its own.

mod bench;
mod canary;
mod cli;
mod clusters;
mod docs;
mod kill;
mod links;
mod operators;
mod replicas;
mod served;
mod state;
mod support;
