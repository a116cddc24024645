//! Dependencies that nobody uses: each name in a manifest must stand somewhere in the package's sources.
//! What is not here: which package may use which room (`architecture`).

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// Packages whose library has another name.
const RENAMED: [(&str, &str); 1] = [("md-5", "md5")];

/// What the program asks for with the features that tests need anyway, so that both share one build.
const FOR_FEATURES: [&str; 4] = ["ahash", "data-encoding", "hashbrown", "regex-automata"];

/// Findings about manifests. `files` are those that git knows.
pub(crate) fn check(root: &Path, files: &[String]) -> Result<Vec<String>> {
    let metadata = run::output(&run::cargo(), &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().context("cargo lists no packages")? {
        let manifest = Path::new(package["manifest_path"].as_str().context("a manifest")?);
        let folder = manifest.parent().context("a folder")?.strip_prefix(root)?;
        let of_package =
            |file: &&String| Path::new(file).starts_with(folder) && file.ends_with(".rs");
        let mut sources = String::new();
        for file in files.iter().filter(of_package) {
            sources.push_str(&std::fs::read_to_string(root.join(file)).unwrap_or_default());
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["rename"].as_str().or(dependency["name"].as_str());
            let name = name.context("a dependency without a name")?;
            let is_used = names(&sources, library(name).as_str());
            if !is_used && !FOR_FEATURES.contains(&name) {
                findings.push(format!("{}: nothing uses {name}", manifest.display()));
            }
        }
    }
    Ok(findings)
}

fn library(package: &str) -> String {
    let renamed = RENAMED.iter().find(|(known, _)| *known == package);
    renamed.map_or(package, |(_, library)| library).replace('-', "_")
}

/// Whether a text holds a word that is no part of a longer one.
fn names(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_words() {
        assert!(names("use serde::de;", "serde"));
        assert!(!names("use serde_json::Value; my_serde()", "serde"));
        assert_eq!(library("md-5"), "md5");
        assert_eq!(library("tokio-util"), "tokio_util");
    }
}
