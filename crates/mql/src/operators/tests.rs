//! Every known operator that is not implemented is refused by its name, and no other.

use bson::{Document, doc};

use super::{Kind, REFUSED};
use crate::testing::raw;
use crate::{Context, Filter, MqlError, Pipeline, Projection, expr};

fn refusal(kind: Kind, name: &str) -> MqlError {
    let context = Context::new(0);
    let stage = |stage: Document| Pipeline::parse(&[raw(stage)], &context).map(drop);
    match kind {
        // Some stand where a field could, the others on a field.
        Kind::Query => {
            let top = Filter::parse(&raw(doc! {name: 1}), &context).unwrap_err();
            let field = Filter::parse(&raw(doc! {"x": {name: 1}}), &context).unwrap_err();
            assert_eq!(top.code, field.code, "{name}");
            field
        }
        Kind::Stage => stage(doc! {name: {}}).unwrap_err(),
        Kind::Accumulator => stage(doc! {"$group": {"_id": 1, "a": {name: 1}}}).unwrap_err(),
        Kind::Expression => stage(doc! {"$set": {"a": {name: 1}}}).unwrap_err(),
        Kind::Projection => Projection::parse(&raw(doc! {"a": {name: 1}}), &context).unwrap_err(),
    }
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    for (kind, names) in REFUSED {
        for name in *names {
            let error = refusal(*kind, name);
            assert_eq!((error.code, error.name), (238, "NotImplemented"), "{name}");
            assert!(error.message.contains(name), "{}", error.message);
        }
    }
}

#[test]
fn nothing_is_both_implemented_and_refused() {
    for name in expr::table::names() {
        assert!(!super::is_refused(Kind::Expression, name), "{name}");
        let again = expr::table::names().filter(|other| *other == name).count();
        assert_eq!(again, 1, "{name}");
    }
}
