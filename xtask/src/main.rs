//! Checks and chores of the repository: `cargo xtask --help` lists them.
//!
//! Needs nothing but the Rust toolchain, except `conformance`, `mutants`, `operators` and `bench`, which say what they miss.

mod bench;
mod bench_control;
mod bench_memory;
mod bench_sandbox;
mod ci;
mod conformance;
mod mutants;
mod operators;
mod planted;
mod postgres;
mod run;
mod sim;
mod tidy;

use clap::{Parser, Subcommand};

/// Chores of the Portolan repository.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// All that must pass before a change lands: formatting, lints, tidy, the quickstart, conformance.
    Ci,
    /// What a program can check: room table, walks, file headers, sizes, forbidden words.
    Tidy,
    /// Real clients against a real server: SDKs, recorded sequences, MCP, drivers, a fuzzer; PostgreSQL.
    Conformance(conformance::Options),
    /// Worlds in which effects fail while clients write: nothing may be lost, doubled or altered.
    Sim(sim::Options),
    /// Changes pure modules one place at a time; their tests must notice. Needs cargo-mutants.
    Mutants(mutants::Options),
    /// Plants bugs in a copy of the sources, one at a time; the simulation must find each.
    Planted(planted::Options),
    /// Writes the table of MongoDB's operators from a package that MongoDB publishes; needs npm.
    Operators,
    /// Measures, and prints ratios of things run side by side.
    Bench(bench::Options),
    /// Measures the control plane with 100,000 projects and 10,000 archives.
    BenchControl(bench_control::Options),
    /// Measures the memory of a process that archives a source of any size.
    BenchMemory(bench_memory::Options),
    /// Measures a sandbox cluster beside FerretDB on SQLite.
    BenchSandbox(bench_sandbox::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Ci => ci::run(),
        Chore::Tidy => tidy::run(),
        Chore::Conformance(options) => conformance::run(&options),
        Chore::Sim(options) => sim::run(&options),
        Chore::Mutants(options) => mutants::run(&options),
        Chore::Planted(options) => planted::run(&options),
        Chore::Operators => operators::run(),
        Chore::Bench(options) => bench::run(&options),
        Chore::BenchControl(options) => bench_control::run(&options),
        Chore::BenchMemory(options) => bench_memory::run(&options),
        Chore::BenchSandbox(options) => bench_sandbox::run(&options),
    }
}
