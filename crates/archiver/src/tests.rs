//! Whole runs against a simulated cluster, a real table in a folder and a real journal in SQLite.

mod faults;
mod races;
mod runs;
mod world;
