//! Tests of the store. Each test of [`on_each_database!`] runs on a SQLite file in a temporary
//! folder and, when `PORTOLAN_TEST_POSTGRES_URL` names a PostgreSQL server, in a database of its own
//! there.

mod support;

pub(crate) mod fixture;
mod identity;
mod infra;

pub(crate) use support::{TestStore, in_tx, on_each_database};
