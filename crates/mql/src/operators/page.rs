//! docs/reference/operators.md lists every operator of MongoDB and what becomes of it here. Its tables are made
//! from the names that are known and what the parsers say to each:
//! `PORTOLAN_UPDATE_DOCS=1 cargo test -p portolan-mql operators` writes them anew.

use std::fmt::Write;
use std::path::Path;

use super::tests::{Answer, KINDS, asked, with_others};
use super::{Kind, names};
use crate::Context;

const BEGIN: &str = "<!-- operators -->\n";
const END: &str = "<!-- end of operators -->\n";

/// Stages that this crate refuses and a sandbox cluster answers by itself.
const SANDBOX: [&str; 6] = [
    "$changeStream",
    "$changeStreamSplitLargeEvent",
    "$collStats",
    "$listLocalSessions",
    "$merge",
    "$out",
];

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Query => "filters",
        Kind::Stage => "stages",
        Kind::Accumulator => "accumulators of `$group`",
        Kind::Window => "operators of `$setWindowFields`",
        Kind::Expression => "expressions",
        Kind::Projection => "projections of `find`",
        Kind::Update => "updates",
        Kind::Modifier => "modifiers of `$push`",
    }
}

fn row(page: &mut String, what: &str, names: &[&'static str]) {
    if names.is_empty() {
        return;
    }
    let mut names = names.to_vec();
    names.sort_unstable();
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    writeln!(page, "| {what} | {} | {} |", names.len(), names.join(" ")).expect("text");
}

fn page() -> String {
    let mut page = String::from("\n| what | how many | which |\n|---|---|---|\n");
    let (alone, sandbox) = (Context::new(0), with_others());
    for kind in KINDS {
        let [mut taken, mut there, mut refused] = [const { Vec::new() }; 3];
        for name in names(kind) {
            let by_itself = kind == Kind::Stage && SANDBOX.contains(&name);
            let column = match (asked(kind, name, &alone), asked(kind, name, &sandbox)) {
                (Answer::Taken, _) => &mut taken,
                (_, Answer::Taken) => &mut there,
                _ if by_itself => &mut there,
                _ => &mut refused,
            };
            column.push(name);
        }
        let what = title(kind);
        row(&mut page, what, &taken);
        row(&mut page, &format!("{what}, on sandbox clusters only"), &there);
        row(&mut page, &format!("{what}, refused"), &refused);
    }
    page.push('\n');
    page
}

#[test]
fn the_page_says_what_the_parsers_do() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/operators.md");
    let text = std::fs::read_to_string(&file).expect("docs/reference/operators.md");
    let (head, rest) = text.split_once(BEGIN).expect("the beginning of the tables");
    let (listed, tail) = rest.split_once(END).expect("the end of the tables");
    let expected = page();
    if std::env::var_os("PORTOLAN_UPDATE_DOCS").is_some() {
        std::fs::write(&file, format!("{head}{BEGIN}{expected}{END}{tail}")).expect("written");
        return;
    }
    assert_eq!(listed, expected, "see the header of this file");
}

#[test]
fn what_a_sandbox_answers_by_itself_is_refused_elsewhere() {
    for name in SANDBOX {
        assert_eq!(asked(Kind::Stage, name, &with_others()), Answer::Refused, "{name}");
    }
}
