//! Tests of the endpoints on a real table, a cluster in memory and a catalog in memory.

mod archive;
mod commands;
mod fenced;
mod levels;
mod random;
mod sharded;
mod union;
mod wire;
mod world;
