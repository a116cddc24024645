//! Every operator of MongoDB is either implemented or refused by its name, and nothing else is known.

use bson::{Document, RawBsonRef, RawDocumentBuf, doc};

use super::supplement::SUPPLEMENT;
use super::{KNOWN, Kind, names};
use crate::pipeline::ACCUMULATORS;
use crate::testing::raw;
use crate::update::OPERATORS as UPDATES;
use crate::{Collections, Context, Documents, Filter, MqlError, Others, Pipeline};
use crate::{Projection, Result, Update, expr, filter};

pub(super) const KINDS: [Kind; 8] = [
    Kind::Query,
    Kind::Stage,
    Kind::Accumulator,
    Kind::Window,
    Kind::Expression,
    Kind::Projection,
    Kind::Update,
    Kind::Modifier,
];

/// What a parser makes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has the operator; the argument may be wrong.
    Taken,
    /// Code 238 with its name.
    Refused,
    /// As MongoDB says it of nonsense.
    Unknown,
}

/// Other collections, all of them empty.
struct Nothing;

impl Collections for Nothing {
    fn read(&self, _: &str, _: &Filter) -> Result<Documents> {
        Ok(Box::new(std::iter::empty()))
    }

    fn is_indexed(&self, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }
}

/// A context of a sandbox cluster.
pub(super) fn with_others() -> Context {
    Context::new(0).with_others(Others::new(Nothing))
}

/// How MongoDB's errors for names that it does not know begin.
const UNKNOWN: [&str; 8] = [
    "unknown top level operator: ",
    "unknown operator: ",
    "Unrecognized pipeline stage name: ",
    "unknown group operator ",
    "Unrecognized window function, ",
    "Unrecognized expression ",
    "Unknown modifier: ",
    "Unrecognized clause in $push: ",
];

fn answer(name: &str, parsed: Result<()>) -> Answer {
    match parsed {
        Err(error) if (error.code, error.name) == (238, "NotImplemented") => {
            assert!(error.message.contains(name), "{name}: {}", error.message);
            Answer::Refused
        }
        Err(error) if UNKNOWN.iter().any(|words| error.message.starts_with(words)) => {
            Answer::Unknown
        }
        _ => Answer::Taken,
    }
}

/// A filter's operator stands where a field could, or on a field; what one place has the other has not.
fn answer_of_filters(name: &str, context: &Context) -> Answer {
    let filter = |filter: Document| answer(name, Filter::parse(&raw(filter), context).map(drop));
    let places = [filter(doc! {name: 1}), filter(doc! {"x": {name: 1}})];
    match places {
        [one, other] if one == other => one,
        [Answer::Taken, Answer::Unknown] | [Answer::Unknown, Answer::Taken] => Answer::Taken,
        _ => panic!("{name}: {places:?}"),
    }
}

/// What becomes of an operator with a trivial argument.
pub(super) fn asked(kind: Kind, name: &str, context: &Context) -> Answer {
    let stage = |stage: Document| Pipeline::parse(&[raw(stage)], context).map(drop);
    let projection = |doc: Document| Projection::parse(&raw(doc), context).map(drop);
    let update = |doc: Document| {
        let update: RawDocumentBuf = raw(doc);
        Update::parse(RawBsonRef::Document(&update), &[], context).map(drop)
    };
    let parsed = match kind {
        Kind::Query => return answer_of_filters(name, context),
        Kind::Stage => stage(doc! {name: {}}),
        Kind::Accumulator => stage(doc! {"$group": {"_id": 1, "a": {name: 1}}}),
        Kind::Window => {
            stage(doc! {"$setWindowFields": {"sortBy": {"x": 1}, "output": {"a": {name: 1}}}})
        }
        Kind::Expression => stage(doc! {"$set": {"a": {name: 1}}}),
        Kind::Projection if name == "$" => projection(doc! {"a.$": 1}),
        Kind::Projection => projection(doc! {"a": {name: 1}}),
        Kind::Update => update(doc! {name: {"a": 1}}),
        Kind::Modifier => update(doc! {"$push": {"a": {"$each": [1], name: 1}}}),
    };
    answer(name, parsed)
}

#[test]
fn a_known_operator_is_implemented_or_refused_by_name_and_nothing_else_is_known() {
    for context in [Context::new(0), with_others()] {
        for kind in KINDS {
            for name in names(kind) {
                assert_ne!(asked(kind, name, &context), Answer::Unknown, "{kind:?} {name}");
            }
            assert_eq!(asked(kind, "$madeUp", &context), Answer::Unknown, "{kind:?}");
        }
    }
}

#[test]
fn what_parsers_implement_is_known() {
    for name in expr::table::names() {
        assert!(names(Kind::Expression).any(|known| known == name), "{name}");
        assert_eq!(asked(Kind::Expression, name, &Context::new(0)), Answer::Taken, "{name}");
        assert_eq!(expr::table::names().filter(|other| *other == name).count(), 1, "{name}");
    }
    let others = ACCUMULATORS.iter().map(|name| (Kind::Accumulator, *name));
    let others = others.chain(UPDATES.map(|name| (Kind::Update, name)));
    for (kind, name) in others {
        assert!(names(kind).any(|known| known == name), "{name}");
    }
    for name in filter::names() {
        assert!(names(Kind::Query).any(|known| known == name), "{name}");
        assert_eq!(filter::names().filter(|other| *other == name).count(), 1, "{name}");
    }
}

#[test]
fn a_refusal_has_the_name() {
    let error = |parsed: Result<Filter>| -> MqlError { parsed.unwrap_err() };
    let refused = error(Filter::parse(&raw(doc! {"$where": "1"}), &Context::new(0)));
    assert_eq!((refused.code, refused.message.as_str()), (238, "$where is not implemented"));
    assert_eq!(asked(Kind::Stage, "$densify", &with_others()), Answer::Refused);
    assert_eq!(asked(Kind::Window, "$derivative", &with_others()), Answer::Refused);
    assert_eq!(asked(Kind::Projection, "$meta", &with_others()), Answer::Refused);
}

#[test]
fn an_operator_of_windows_is_no_accumulator_and_a_filter_stands_in_its_place() {
    let context = Context::new(0);
    assert_eq!(asked(Kind::Window, "$rank", &context), Answer::Taken);
    assert_eq!(asked(Kind::Accumulator, "$rank", &context), Answer::Unknown);
    let misplaced = [doc! {"$gt": 1}, doc! {"$regex": "a"}, doc! {"x": {"$and": []}}];
    for filter in misplaced {
        let error = Filter::parse(&raw(filter.clone()), &context).unwrap_err();
        assert!(error.message.starts_with("unknown "), "{filter}: {}", error.message);
    }
}

#[test]
fn the_supplement_has_only_what_the_table_lacks() {
    for (kind, name, source) in SUPPLEMENT {
        let mut listed = KNOWN.iter().filter(|(other, _)| other == kind);
        assert!(!listed.any(|(_, names)| names.contains(name)), "{name}");
        assert!(source.starts_with("https://"), "{name}");
        assert_eq!(names(*kind).filter(|other| other == name).count(), 1, "{name}");
    }
}
