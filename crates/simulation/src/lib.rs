//! Worlds in which everything fails: the real archiver and its real journal, on a simulated cluster and
//! a simulated table (or a Delta one), with faults at its effect points and clients that write between
//! any two of them. An oracle asks the read endpoint, as users do, after every effect that could show something.
//!
//! A case is one world from its beginning to rest: a few lives of a worker, each under a fault plan,
//! then lives without faults. Everything is decided by the case, so that one that fails can be played
//! again. `cargo xtask sim` plays many. Nobody depends on this crate.

mod case;
mod clock;
mod model;
mod oracle;
mod planted;
mod sweep;
mod world;
mod writer;

pub use case::{Case, Fault, Life, Moves, Outcome, Tables, play};
pub use planted::Bug;
pub use sweep::{Counts, aim, pairs_after, random_case, singles, trace};
pub use writer::WriterKind;

#[cfg(test)]
mod tests;
