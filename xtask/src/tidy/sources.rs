//! Checks of single files: headers, sizes, forbidden words, shared lints.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Lines of code (comments and blank lines left out) that a file may have.
const FILE_LINES_MAX: usize = 600;
/// Lines that a function may have, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Macros that print or give up; libraries log and return errors instead.
const MACROS_REFUSED: &[&str] = &["dbg!(", "todo!(", "unimplemented!("];

/// Findings about sources and manifests.
pub(crate) fn check(root: &Path, files: &[String]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        findings.extend(check_words(file, &text));
        if file.ends_with(".rs") {
            findings.extend(check_rust(file, &text));
        }
        if file.ends_with("Cargo.toml")
            && file != "Cargo.toml"
            && !text.contains("[lints]\nworkspace = true")
        {
            findings.push(format!("{file}: must take the workspace's lints"));
        }
    }
    Ok(findings)
}

/// Paths of one machine have no place in the project.
fn check_words(file: &str, text: &str) -> Option<String> {
    // `.ci/run` alone may look for what stands beside the checkout.
    let own_rules = matches!(file, "xtask/src/tidy/sources.rs" | ".ci/run");
    let refused = ["/work/main", "/root/", "../shared", "index.crates.io"];
    let word = refused.into_iter().find(|word| text.contains(word) && !own_rules)?;
    Some(format!("{file}: names {word}, which means nothing elsewhere"))
}

fn check_rust(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(format!("{file}: must start with //! (why it exists, what is not here)"));
    }
    let lines = text.lines().filter(|line| is_code(line)).count();
    if lines > FILE_LINES_MAX {
        findings.push(format!("{file}: {lines} lines of code, at most {FILE_LINES_MAX}"));
    }
    for word in MACROS_REFUSED {
        if text.contains(word) && !file.starts_with("xtask/") {
            findings.push(format!("{file}: {word}…) has no place in the product"));
        }
    }
    for (name, length) in long_functions(text) {
        findings
            .push(format!("{file}: fn {name} has {length} lines, at most {FUNCTION_LINES_MAX}"));
    }
    findings
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// Functions that are too long. Relies on rustfmt: a function ends at the first line that is only a
/// closing brace at the indentation of its signature. A signature that a semicolon ends has no body.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let ends = |line: &&str| {
            let at_its_level = line.len() - line.trim_start().len() == indent;
            **line == closing || (at_its_level && line.ends_with(';'))
        };
        let length = lines[start..].iter().position(ends).unwrap_or(0) + 1;
        if length > FUNCTION_LINES_MAX {
            found.push((name.to_owned(), length));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async "];
    let mut rest = line;
    while let Some(shorter) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = shorter;
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found_and_a_short_one_is_not() {
        let body = "    x();\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("//! x\npub async fn long() {{\n{body}}}\nfn short() {{\n}}\n");
        assert_eq!(long_functions(&text), [("long".to_owned(), FUNCTION_LINES_MAX + 2)]);
        let text = format!(
            "trait T {{\n    fn a(&self) -> u8;\n\n{}    fn b() {{\n    }}\n}}\n",
            "    // x\n".repeat(FUNCTION_LINES_MAX)
        );
        assert!(long_functions(&text).is_empty());
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(check_rust("a.rs", "fn a() {}\n").len(), 1);
        assert!(check_rust("a.rs", "//! Why.\nfn a() {}\n").is_empty());
    }
}
