//! Operators that MongoDB has and the package behind `known.rs` lacks, each with where it is written down.
//! A name that the package lists, too, does not belong here; a test says so.

use super::Kind;

const FILTERS: &str = "https://github.com/mongodb/mongo/blob/master/src/mongo/db/query/compiler/parsers/matcher/expression_parser.cpp";
const EXPRESSIONS: &str =
    "https://github.com/mongodb/mongo/blob/master/src/mongo/db/pipeline/expression.cpp";
const COMPLETIONS: &str = "https://github.com/mongodb-js/devtools-shared/blob/main/packages/mongodb-constants/src/expression-operators.ts";
const PROJECTIONS: &str = "https://www.mongodb.com/docs/manual/reference/operator/projection/";
const MODIFIERS: &str = "https://www.mongodb.com/docs/manual/reference/operator/update-array/";
const ENCRYPTED: &str = "https://www.mongodb.com/docs/manual/reference/operator/aggregation/";

/// Kind, name, source.
pub(super) const SUPPLEMENT: &[(Kind, &str, &str)] = &[
    (Kind::Query, "$alwaysFalse", FILTERS),
    (Kind::Query, "$alwaysTrue", FILTERS),
    (Kind::Query, "$geoNear", FILTERS),
    (Kind::Query, "$options", FILTERS),
    (
        Kind::Query,
        "$uniqueDocs",
        "https://www.mongodb.com/docs/v2.6/reference/operator/query/uniqueDocs/",
    ),
    (Kind::Query, "$within", FILTERS),
    (
        Kind::Stage,
        "$listClusterCatalog",
        "https://www.mongodb.com/docs/manual/reference/operator/aggregation/listClusterCatalog/",
    ),
    (
        Kind::Stage,
        "$querySettings",
        "https://www.mongodb.com/docs/manual/reference/operator/aggregation/querySettings/",
    ),
    (
        Kind::Stage,
        "$queryStats",
        "https://www.mongodb.com/docs/manual/reference/operator/aggregation/queryStats/",
    ),
    (Kind::Expression, "$const", EXPRESSIONS),
    (Kind::Expression, "$createUUID", COMPLETIONS),
    (Kind::Expression, "$currentDate", COMPLETIONS),
    (Kind::Expression, "$encStrContains", ENCRYPTED),
    (Kind::Expression, "$encStrEndsWith", ENCRYPTED),
    (Kind::Expression, "$encStrNormalizedEq", ENCRYPTED),
    (Kind::Expression, "$encStrStartsWith", ENCRYPTED),
    (
        Kind::Expression,
        "$toUUID",
        "https://www.mongodb.com/docs/manual/reference/operator/aggregation/toUUID/",
    ),
    (Kind::Projection, "$", PROJECTIONS),
    (Kind::Projection, "$elemMatch", PROJECTIONS),
    (Kind::Projection, "$meta", PROJECTIONS),
    (Kind::Projection, "$slice", PROJECTIONS),
    (Kind::Modifier, "$each", MODIFIERS),
    (Kind::Modifier, "$position", MODIFIERS),
    (Kind::Modifier, "$slice", MODIFIERS),
    (Kind::Modifier, "$sort", MODIFIERS),
];
