//! `$jsonSchema` by table.

use bson::{Document, doc};

use crate::testing::raw;
use crate::{Context, Filter};

fn filter(schema: Document) -> Filter {
    Filter::parse(&raw(doc! { "$jsonSchema": schema }), &Context::new(0)).unwrap()
}

fn refused(schema: Document) -> i32 {
    let filter = raw(doc! { "$jsonSchema": schema });
    Filter::parse(&filter, &Context::new(0)).unwrap_err().code
}

#[track_caller]
fn check(schema: Document, accepted: Vec<Document>, rejected: Vec<Document>) {
    let filter = filter(schema.clone());
    for (documents, expected) in [(accepted, true), (rejected, false)] {
        for document in documents {
            let found = filter.matches(&raw(document.clone())).unwrap();
            assert_eq!(found, expected, "{schema} on {document}");
        }
    }
}

#[test]
fn types_numbers_and_strings() {
    let a = |schema: Document| doc! { "properties": { "a": schema } };
    check(
        a(doc! { "bsonType": ["int", "string"] }),
        vec![doc! { "a": 1 }, doc! { "a": "x" }, doc! {}],
        vec![doc! { "a": 1.0 }],
    );
    check(a(doc! { "type": "number" }), vec![doc! { "a": 1_i64 }], vec![doc! { "a": "1" }]);
    check(
        a(doc! { "minimum": 2, "maximum": 5, "exclusiveMaximum": true }),
        vec![doc! { "a": 2 }, doc! { "a": 4.9 }, doc! { "a": "x" }],
        vec![doc! { "a": 5 }, doc! { "a": 1 }],
    );
    check(
        a(doc! { "multipleOf": 3 }),
        vec![doc! { "a": 9 }, doc! { "a": 0 }],
        vec![doc! { "a": 4 }, doc! { "a": 4.5 }],
    );
    check(
        a(doc! { "minLength": 2, "maxLength": 3, "pattern": "^ä" }),
        vec![doc! { "a": "äb" }, doc! { "a": 5 }],
        vec![doc! { "a": "ä" }, doc! { "a": "äbcd" }, doc! { "a": "ab" }],
    );
    check(a(doc! { "enum": [1, "x"] }), vec![doc! { "a": 1.0 }], vec![doc! { "a": 2 }]);
}

#[test]
fn arrays_and_documents() {
    let a = |schema: Document| doc! { "properties": { "a": schema } };
    check(
        a(doc! { "minItems": 1, "maxItems": 2, "uniqueItems": true }),
        vec![doc! { "a": [1, 2] }],
        vec![doc! { "a": [] }, doc! { "a": [1, 1.0] }, doc! { "a": [1, 2, 3] }],
    );
    check(
        a(doc! { "items": [{ "bsonType": "int" }], "additionalItems": { "bsonType": "string" } }),
        vec![doc! { "a": [1, "x"] }, doc! { "a": [] }],
        vec![doc! { "a": [1, 2] }, doc! { "a": ["x"] }],
    );
    check(
        a(doc! { "items": { "bsonType": "int" } }),
        vec![doc! { "a": [1, 2] }],
        vec![doc! { "a": [1, "x"] }],
    );
    check(
        doc! { "required": ["a", "b"], "dependencies": { "c": ["d"] }, "maxProperties": 4 },
        vec![doc! { "a": 1, "b": 1 }, doc! { "a": 1, "b": 1, "c": 1, "d": 1 }],
        vec![doc! { "a": 1 }, doc! { "a": 1, "b": 1, "c": 1 }],
    );
    check(
        doc! {
            "properties": { "a": {} }, "patternProperties": { "^x": { "bsonType": "int" } },
            "additionalProperties": false,
        },
        vec![doc! { "a": 1, "xy": 2 }],
        vec![doc! { "a": 1, "xy": "2" }, doc! { "z": 1 }],
    );
    check(
        doc! { "oneOf": [{ "required": ["a"] }, { "required": ["b"] }], "not": { "required": ["z"] } },
        vec![doc! { "a": 1 }, doc! { "b": 1 }],
        vec![doc! { "a": 1, "b": 1 }, doc! {}, doc! { "a": 1, "z": 1 }],
    );
}

#[test]
fn malformed_schemas_are_refused() {
    for (schema, code) in [
        (doc! { "nope": 1 }, 9),
        (doc! { "$ref": "x" }, 9),
        (doc! { "encrypt": {} }, 238),
        (doc! { "bsonType": "float" }, 2),
        (doc! { "type": "integer" }, 2),
        (doc! { "exclusiveMinimum": true }, 9),
        (doc! { "minimum": "x" }, 14),
        (doc! { "required": [] }, 9),
        (doc! { "allOf": [] }, 2),
        (doc! { "maxLength": -1 }, 9),
    ] {
        assert_eq!(refused(schema.clone()), code, "{schema}");
    }
}

#[test]
fn a_mismatch_is_explained() {
    let filter = filter(doc! {
        "title": "people", "required": ["name", "age"],
        "properties": { "age": { "bsonType": "int", "description": "in years" } },
    });
    assert!(filter.explain_mismatch(&raw(doc! { "name": "x", "age": 1 })).unwrap().is_none());
    let details = filter.explain_mismatch(&raw(doc! { "age": "1" })).unwrap().unwrap();
    let expected = doc! {
        "operatorName": "$jsonSchema", "title": "people",
        "schemaRulesNotSatisfied": [
            {
                "operatorName": "required", "specifiedAs": { "required": ["name", "age"] },
                "missingProperties": ["name"],
            },
            { "operatorName": "properties", "propertiesNotSatisfied": [{
                "propertyName": "age", "description": "in years", "details": [{
                    "operatorName": "bsonType", "specifiedAs": { "bsonType": "int" },
                    "reason": "type did not match", "consideredValue": "1",
                    "consideredType": "string",
                }],
            }] },
        ],
    };
    assert_eq!(Document::try_from(details).unwrap(), expected);
}
