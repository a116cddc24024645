//! docs/reference/operators.md lists every operator of the language and what becomes of it here. Its tables
//! are made from the parsers: `PORTOLAN_UPDATE_DOCS=1 cargo test -p portolan-mql operators` writes them anew.
//!
//! Names are those of MongoDB's machine-readable description of the language
//! (<https://github.com/mongodb/mql-specifications>).

use std::fmt::Write;
use std::path::Path;

use bson::{Document, doc};

use super::{Kind, REFUSED, is_refused};
use crate::pipeline::ACCUMULATORS;
use crate::testing::raw;
use crate::update::OPERATORS as UPDATES;
use crate::{Context, Filter, MqlError, Pipeline, Update, expr};

const BEGIN: &str = "<!-- operators -->\n";
const END: &str = "<!-- end of operators -->\n";

const QUERY: &[&str] = &[
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$and",
    "$or",
    "$nor",
    "$not",
    "$exists",
    "$type",
    "$regex",
    "$mod",
    "$expr",
    "$comment",
    "$all",
    "$elemMatch",
    "$size",
    "$bitsAllClear",
    "$bitsAllSet",
    "$bitsAnyClear",
    "$bitsAnySet",
    "$jsonSchema",
    "$sampleRate",
    "$alwaysTrue",
    "$alwaysFalse",
];
const STAGES: &[&str] = &[
    "$match",
    "$project",
    "$addFields",
    "$set",
    "$unset",
    "$group",
    "$sort",
    "$limit",
    "$skip",
    "$count",
    "$unwind",
    "$replaceRoot",
    "$replaceWith",
    "$sortByCount",
    "$sample",
    "$lookup",
    "$unionWith",
    "$facet",
    "$bucket",
    "$bucketAuto",
    "$graphLookup",
    "$redact",
    "$documents",
    "$setWindowFields",
    "$fill",
];
/// Stages that this crate refuses, and a sandbox cluster answers by itself or gives what they need.
const SANDBOX: &[&str] = &[
    "$changeStream",
    "$changeStreamSplitLargeEvent",
    "$collStats",
    "$documents",
    "$graphLookup",
    "$listLocalSessions",
    "$lookup",
    "$merge",
    "$out",
    "$unionWith",
];
/// Operators of `$setWindowFields` alone.
const WINDOWS: &[&str] =
    &["$rank", "$denseRank", "$documentNumber", "$shift", "$locf", "$linearFill"];
fn refused(kind: Kind) -> Vec<&'static str> {
    let of_kind = REFUSED.iter().filter(|(other, _)| *other == kind);
    of_kind.flat_map(|(_, names)| *names).copied().collect()
}

fn row(page: &mut String, what: &str, names: impl IntoIterator<Item = &'static str>) {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    writeln!(page, "| {what} | {} | {} |", names.len(), names.join(" ")).expect("text");
}

fn page() -> String {
    let mut page = String::from("\n| what | how many | which |\n|---|---|---|\n");
    let without = |names: &'static [&str], others: &'static [&str]| {
        names.iter().filter(move |name| !others.contains(name)).copied()
    };
    row(&mut page, "filters", QUERY.iter().copied());
    row(&mut page, "filters, refused", refused(Kind::Query));
    row(&mut page, "stages", without(STAGES, SANDBOX));
    row(&mut page, "stages, on sandbox clusters only", SANDBOX.iter().copied());
    let missing = refused(Kind::Stage).into_iter().filter(|name| !SANDBOX.contains(name));
    row(&mut page, "stages, refused", missing);
    row(&mut page, "accumulators", ACCUMULATORS.iter().copied());
    row(&mut page, "operators of windows only", WINDOWS.iter().copied());
    let missing = refused(Kind::Accumulator).into_iter().filter(|name| !WINDOWS.contains(name));
    row(&mut page, "accumulators and operators of windows, refused", missing);
    row(&mut page, "expressions", expr::table::names());
    row(&mut page, "expressions, refused", refused(Kind::Expression));
    row(&mut page, "updates", UPDATES.iter().copied());
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

/// What a parser says of an operator with a nonsensical argument, if it says anything.
fn complaint(kind: Kind, name: &str) -> Option<MqlError> {
    let context = Context::new(0);
    let filter = |filter: Document| Filter::parse(&raw(filter), &context).err();
    let stage = |stage: Document| Pipeline::parse(&[raw(stage)], &context).err();
    match kind {
        // Some stand where a field could, the others on a field.
        Kind::Query => match filter(doc! { name: 1 }) {
            Some(error) if error.message.contains("unknown top level") => {
                filter(doc! { "x": { name: 1 } })
            }
            top => top,
        },
        Kind::Stage => stage(doc! { name: 1 }),
        _ => stage(doc! { "$group": { "_id": 1, "a": { name: 1 } } }),
    }
}

#[test]
fn what_the_page_lists_is_known() {
    let unknown = ["unknown", "Unrecognized", "not implemented"];
    for (kind, names) in
        [(Kind::Query, QUERY), (Kind::Stage, STAGES), (Kind::Accumulator, ACCUMULATORS)]
    {
        for name in names.iter().filter(|name| !SANDBOX.contains(name)) {
            let said = complaint(kind, name).map(|error| error.message).unwrap_or_default();
            assert!(!unknown.iter().any(|word| said.contains(word)), "{name}: {said}");
            assert!(!is_refused(kind, name), "{name}");
        }
        let made_up = complaint(kind, "$madeUp").expect("a refusal");
        assert_ne!(made_up.code, 238, "{}", made_up.message);
    }
    for name in SANDBOX {
        assert!(is_refused(Kind::Stage, name), "{name}");
    }
    for name in &UPDATES {
        let update = raw(doc! { *name: { "a": "" } });
        let parsed = Update::parse(bson::RawBsonRef::Document(&update), &[], &Context::new(0));
        let said = parsed.err().map(|error| error.message).unwrap_or_default();
        assert!(!said.contains("nknown modifier"), "{name}: {said}");
    }
}
