//! Holds ARCHITECTURE.md against the truth: the room table against `cargo metadata`, and every path
//! that the document names against the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::run;

/// Findings about rooms, arrows and paths.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let levels = room_levels(&text);
    let mut findings = arrows(&levels)?;
    findings.extend(missing_paths(root, &text));
    Ok(findings)
}

/// Crate name → level, from the rows `| 0 | `model` | … |`.
fn room_levels(text: &str) -> BTreeMap<String, u8> {
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let level = cells.next()?.parse().ok()?;
            let room = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((room.to_owned(), level))
        })
        .collect()
}

fn arrows(levels: &BTreeMap<String, u8>) -> Result<Vec<String>> {
    let metadata = run::output(&run::cargo(), &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?;
    let mut findings = Vec::new();
    for package in packages {
        let Some(room) = room_of(&package["name"]) else { continue };
        let Some(level) = levels.get(room) else {
            findings.push(format!("room `{room}` is not in the table of ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let is_test_only = dependency["kind"] == "dev";
            let Some(target) = room_of(&dependency["name"]) else { continue };
            if !is_test_only && levels.get(target).is_none_or(|below| below >= level) {
                findings.push(format!("room `{room}` (level {level}) must not use `{target}`"));
            }
        }
    }
    Ok(findings)
}

fn room_of(name: &serde_json::Value) -> Option<&str> {
    name.as_str()?.strip_prefix("portolan-")
}

/// Paths in back quotes that hold a slash and end in `.rs` or `/` must exist.
fn missing_paths(root: &Path, text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|path| path.contains('/') && !path.contains([' ', '{', '<', '…', '*']))
        .map(|path| path.split("::").next().unwrap_or(path))
        .filter(|path| path.ends_with(".rs") || path.ends_with(".md") || path.ends_with('/'))
        .filter(|path| !root.join(path).exists() && !root.join("crates").join(path).exists())
        .map(|path| format!("ARCHITECTURE.md names {path}, which does not exist"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_read_from_the_table() {
        let text =
            "| level | crate | x |\n|---|---|---|\n| 0 | `model` | a |\n| 3 | `control` | b |\n";
        let levels = room_levels(text);
        assert_eq!(levels.get("model"), Some(&0));
        assert_eq!(levels.get("control"), Some(&3));
        assert_eq!(levels.len(), 2);
    }

    #[test]
    fn a_missing_path_is_found() {
        let found =
            missing_paths(&run::root(), "see `xtask/src/main.rs` and `nowhere/at/all.rs::x`");
        assert_eq!(found.len(), 1);
    }
}
