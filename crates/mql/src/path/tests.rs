//! How paths are followed.

use bson::{Bson, doc};

use super::{Path, get, has_array_on_path, visit};
use crate::testing::raw;

#[test]
fn get_goes_through_documents_only() {
    let doc = raw(doc! {"a": {"b": {"c": 1}}, "x": [{"y": 1}], "z": 5});
    assert_eq!(get(&doc, "a.b.c").and_then(|v| v.as_i32()), Some(1));
    for absent in ["a.b.d", "x.y", "x.0", "z.q", "nope", ""] {
        assert!(get(&doc, absent).is_none(), "{absent}");
    }
}

#[test]
fn arrays_are_seen_anywhere_on_the_path() {
    let doc = raw(doc! {"a": {"b": [1]}, "x": [{"y": 1}], "z": 5});
    for (path, expected) in
        [("a.b", true), ("a", false), ("x.y", true), ("x.0.y", true), ("z", false), ("a.b.c", true)]
    {
        assert_eq!(has_array_on_path(&doc, path), expected, "{path}");
    }
}

fn meanings(doc: bson::Document, path: &str, expand: bool) -> Vec<Option<Bson>> {
    let doc = raw(doc);
    let mut out = Vec::new();
    let stopped = visit(&doc, &Path::new(path), expand, &mut |value, _| {
        out.push(value.map(|v| Bson::try_from(v).unwrap()));
        Ok(false)
    });
    assert!(!stopped.unwrap());
    out
}

#[test]
fn filter_paths_yield_every_meaning() {
    let int = |v: i32| Some(Bson::Int32(v));
    let array = |v: Vec<i32>| Some(Bson::from(v));
    let cases = [
        ("a", doc! {"a": [1, 5]}, vec![int(1), int(5), array(vec![1, 5])]),
        ("a", doc! {"a": []}, vec![array(vec![])]),
        ("a.b", doc! {"a": []}, vec![]),
        ("a.b", doc! {"a": [1, 2]}, vec![]),
        ("a.b", doc! {"a": 1}, vec![None]),
        ("a.b", doc! {}, vec![None]),
        ("a.b", doc! {"a": [{"b": 1}, {}, 3]}, vec![int(1), None]),
        ("a.b", doc! {"a": [[{"b": 1}]]}, vec![]),
        ("a.0", doc! {"a": [[1, 5]]}, vec![array(vec![1, 5])]),
        ("a.0.0", doc! {"a": [[1, 5]]}, vec![int(1)]),
        ("a.0", doc! {"a": [{"0": 7}]}, vec![int(7), Some(Bson::Document(doc! {"0": 7}))]),
        ("a.0.b", doc! {"a": [{"b": 3}]}, vec![None, int(3)]),
        ("a.00", doc! {"a": [4]}, vec![]),
    ];
    for (path, doc, expected) in cases {
        assert_eq!(meanings(doc.clone(), path, true), expected, "{path} of {doc}");
    }
}

#[test]
fn unexpanded_arrays_yield_only_themselves() {
    let one = Some(Bson::from(vec![1]));
    assert_eq!(meanings(doc! {"a": [1]}, "a", false), vec![one.clone()]);
    assert_eq!(meanings(doc! {"a": [{"b": [1]}]}, "a.b", false), vec![one]);
}
