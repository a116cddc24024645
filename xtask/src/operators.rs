//! Writes the table of MongoDB's operators that the query language looks unknown names up in. Its source is
//! an npm package that MongoDB makes from its own description of the language; only names are taken.
//! What the package lacks is kept by hand in `crates/mql/src/operators/supplement.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};

use crate::{conformance, run};

/// The folder of `conformance` that pins the package.
const PINNED: &str = "operators";
const PACKAGE: &str = "@mongodb-js/mql-typescript";
const TABLE: &str = "crates/mql/src/operators/known.rs";
/// What the package describes beside operators: the branches of `$switch`.
const NO_OPERATORS: [&str; 1] = ["$case"];
/// Kinds, the names of their lists, and the namespace of the package that has their operators.
const KINDS: [(&str, &str, &str); 6] = [
    ("Query", "FILTERS", "Query"),
    ("Stage", "STAGES", "Stage"),
    ("Accumulator", "ACCUMULATORS", "Accumulator"),
    ("Window", "WINDOWS", "Window"),
    ("Expression", "EXPRESSIONS", "Expression"),
    ("Update", "UPDATES", "Update"),
];

type Names = BTreeMap<String, BTreeSet<String>>;

/// Installs the package outside of the checkout, reads it, writes the table.
pub(crate) fn run() -> Result<()> {
    let folder = conformance::npm_folder(PINNED)?.join("node_modules").join(PACKAGE);
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let manifest: serde_json::Value = serde_json::from_str(&read("package.json")?)?;
    let text = |name: &str| manifest[name].as_str().with_context(|| format!("{name} of {PACKAGE}"));
    let schema = read("out/schema.d.ts")?;
    let names = with_windows(names(&schema), &schema);
    let written = table(&names, text("version")?, text("license")?)?;
    std::fs::write(run::root().join(TABLE), written)?;
    for (_, list, namespace) in KINDS {
        println!("{list}: {}", names[namespace].len());
    }
    Ok(())
}

/// The operators of each namespace: interfaces whose names start with a dollar sign.
fn names(text: &str) -> Names {
    let mut found = Names::new();
    let mut namespace = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("export namespace Aggregation.") {
            namespace = rest.split(' ').next();
        } else if line.starts_with('}') {
            namespace = None;
        }
        let interface = line.strip_prefix("  export interface ").and_then(identifier);
        if let (Some(namespace), Some(name)) = (namespace, interface)
            && !NO_OPERATORS.contains(&name)
        {
            found.entry(namespace.to_owned()).or_default().insert(name.to_owned());
        }
    }
    found
}

fn identifier(text: &str) -> Option<&str> {
    let end = text.find(['<', ' ']).unwrap_or(text.len());
    Some(&text[..end]).filter(|name| name.starts_with('$'))
}

/// The package has the operators of windows among the accumulators, and says of which a group may have.
fn with_windows(mut names: Names, text: &str) -> Names {
    let union = text.split_once("export type Accumulator<S> =").map_or("", |(_, rest)| rest);
    let union = union.split(';').next().unwrap_or_default();
    let of_groups = union.split("Aggregation.Accumulator.").skip(1).filter_map(identifier);
    let of_groups = of_groups.map(str::to_owned).collect();
    let all = names.insert("Accumulator".to_owned(), of_groups).unwrap_or_default();
    names.insert("Window".to_owned(), all);
    names
}

fn table(names: &Names, version: &str, license: &str) -> Result<String> {
    let mut out = format!(
        "//! MongoDB's operators by kind. Made by `cargo xtask operators` from the npm package\n\
         //! `{PACKAGE}` {version} ({license}); names only, not edited by hand. What the\n\
         //! package lacks is in `supplement.rs`.\n\nuse super::Kind;\n\n\
         pub(super) const KNOWN: &[(Kind, &[&str])] = &[\n"
    );
    for (kind, list, _) in KINDS {
        writeln!(out, "    (Kind::{kind}, {list}),")?;
    }
    out.push_str("];\n");
    for (_, list, namespace) in KINDS {
        let found = names.get(namespace).filter(|found| found.len() > 10);
        let found = found.with_context(|| format!("{PACKAGE} {version} lists no {namespace}"))?;
        let plain = |name: &String| name[1..].chars().all(|c| c.is_ascii_alphanumeric());
        ensure!(found.iter().all(plain), "a name that is none in {namespace}");
        writeln!(out, "\nconst {list}: &[&str] = &[")?;
        for name in found {
            writeln!(out, "    \"{name}\",")?;
        }
        out.push_str("];\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
export namespace Aggregation.Accumulator {
  export interface $rank<S> {
    $rank: {};
  }
  export interface $sum<S> {
  }
}
export namespace Aggregation.Expression {
  export interface $case<S> {
  }
  export interface $abs<S> {
  }
  export interface Other {
  }
}
export interface $outside {
}
export type Accumulator<S> =
  | Aggregation.Accumulator.$sum<S>;
export type AccumulatorOperator<S> = Aggregation.Accumulator.$rank<S>;
";

    #[test]
    fn operators_are_told_from_types_and_groups_from_windows() {
        let names = with_windows(names(TEXT), TEXT);
        let of = |kind: &str| names[kind].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(of("Accumulator"), ["$sum"]);
        assert_eq!(of("Window"), ["$rank", "$sum"]);
        assert_eq!(of("Expression"), ["$abs"]);
        assert!(!names.values().any(|names| names.contains("$outside")));
    }

    #[test]
    fn a_package_of_another_form_is_refused() {
        let error = table(&names("export const operators = [];"), "9.9.9", "none").unwrap_err();
        assert!(error.to_string().contains("lists no Query"), "{error}");
    }
}
