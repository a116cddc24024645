//! The operators of the language that are known but not implemented, in one table.
//!
//! Every parser asks here before it calls a name unknown, so that a documented operator is refused
//! by its name (code 238) and never answered by accident. What is implemented is in the parsers;
//! a test walks this table and checks that each entry is refused.

/// A family of operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of filters.
    Query,
    /// Stages of pipelines.
    Stage,
    /// Accumulators of `$group`.
    Accumulator,
    /// Expressions.
    Expression,
    /// Of projections.
    Projection,
}

/// Known operators that are refused with code 238.
pub const REFUSED: &[(Kind, &[&str])] = &[
    (Kind::Query, QUERY),
    (Kind::Stage, STAGES),
    (Kind::Accumulator, ACCUMULATORS),
    (Kind::Expression, EXPRESSIONS),
    (Kind::Projection, &["$meta"]),
];

const QUERY: &[&str] = &[
    "$geoIntersects",
    "$geoWithin",
    "$jsonSchema",
    "$near",
    "$nearSphere",
    "$rand",
    "$sampleRate",
    "$text",
    "$where",
    "$within",
    "$uniqueDocs",
    "$maxDistance",
    "$minDistance",
    "$geoNear",
];

const STAGES: &[&str] = &[
    "$bucket",
    "$bucketAuto",
    "$changeStream",
    "$changeStreamSplitLargeEvent",
    "$collStats",
    "$currentOp",
    "$densify",
    "$documents",
    "$facet",
    "$fill",
    "$geoNear",
    "$graphLookup",
    "$indexStats",
    "$listLocalSessions",
    "$listSampledQueries",
    "$listSearchIndexes",
    "$listSessions",
    "$lookup",
    "$merge",
    "$out",
    "$planCacheStats",
    "$querySettings",
    "$queryStats",
    "$rankFusion",
    "$redact",
    "$score",
    "$scoreFusion",
    "$search",
    "$searchMeta",
    "$setWindowFields",
    "$shardedDataDistribution",
    "$unionWith",
    "$vectorSearch",
];

const ACCUMULATORS: &[&str] = &[
    "$accumulator",
    "$bottom",
    "$bottomN",
    "$concatArrays",
    "$covariancePop",
    "$covarianceSamp",
    "$denseRank",
    "$derivative",
    "$documentNumber",
    "$expMovingAvg",
    "$firstN",
    "$integral",
    "$lastN",
    "$linearFill",
    "$locf",
    "$maxN",
    "$median",
    "$minMaxScaler",
    "$minN",
    "$percentile",
    "$rank",
    "$setUnion",
    "$shift",
    "$top",
    "$topN",
];

const EXPRESSIONS: &[&str] = &[
    "$acos",
    "$acosh",
    "$asin",
    "$asinh",
    "$atan",
    "$atan2",
    "$atanh",
    "$bitAnd",
    "$bitNot",
    "$bitOr",
    "$bitXor",
    "$cos",
    "$cosh",
    "$createObjectId",
    "$degreesToRadians",
    "$deserializeEJSON",
    "$firstN",
    "$function",
    "$hash",
    "$hexHash",
    "$lastN",
    "$maxN",
    "$median",
    "$meta",
    "$minN",
    "$percentile",
    "$radiansToDegrees",
    "$rand",
    "$serializeEJSON",
    "$sigmoid",
    "$similarityCosine",
    "$similarityDotProduct",
    "$similarityEuclidean",
    "$sin",
    "$sinh",
    "$subtype",
    "$tan",
    "$tanh",
    "$toArray",
    "$toHashedIndexKey",
    "$toObject",
    "$toUUID",
    "$accumulator",
    "$convertToUUID",
];

/// Whether an operator is known and refused.
pub(crate) fn is_refused(kind: Kind, name: &str) -> bool {
    REFUSED.iter().any(|(k, names)| *k == kind && names.contains(&name))
}

#[cfg(test)]
mod tests;
