//! Tests of the real binary, as a process of its own.

mod cli;
mod clusters;
mod docs;
mod kill;
mod links;
mod support;
