//! Tests of the store. Each test of [`on_each_database!`] is three: one on a SQLite file in a temporary
//! folder, one on SQLite in memory, and one in a database of its own on the PostgreSQL server that
//! [`crate::scratch::POSTGRES_VARIABLE`] names. Without a server `cargo test` lists the latter as ignored.

pub(crate) mod support;

pub(crate) mod fixture;
mod identity;
mod infra;
mod upgrade;

pub(crate) use support::{
    TestStore, in_tx, on_each_database, on_each_lasting_database, on_lasting_databases,
};
