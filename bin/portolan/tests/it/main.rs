//! Tests of the real binary, as a process of its own.

mod cli;
mod docs;
mod kill;
mod links;
mod support;
