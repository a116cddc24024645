//! Records the commit that a released build was made from, for `/version`, the system status and a
//! response header. Debug builds carry zeros: asking git at each of their builds would relink them
//! after every commit. `PORTOLAN_BUILD_COMMIT` overrides both, for builds outside a checkout.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=PORTOLAN_BUILD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("PORTOLAN_BUILD_COMMIT").ok();
    let released = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = given.or_else(|| released.then(checked_out).flatten());
    let commit = commit.filter(|commit| is_commit(commit)).unwrap_or_else(|| "0".repeat(40));
    println!("cargo::rustc-env=PORTOLAN_COMMIT={commit}");
}

fn checked_out() -> Option<String> {
    let log = Path::new("../../.git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_owned())
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
