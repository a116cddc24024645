//! Tests of the real binary, as a process of its own.

mod cli;
mod kill;
mod support;
