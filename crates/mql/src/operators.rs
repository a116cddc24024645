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
    "$near",
    "$nearSphere",
    "$rand",
    "$text",
    "$where",
    "$within",
    "$uniqueDocs",
    "$maxDistance",
    "$minDistance",
    "$geoNear",
];

const STAGES: &[&str] = &[
    "$changeStream",
    "$changeStreamSplitLargeEvent",
    "$collStats",
    "$currentOp",
    "$densify",
    "$documents",
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
    "$score",
    "$scoreFusion",
    "$search",
    "$searchMeta",
    "$shardedDataDistribution",
    "$unionWith",
    "$vectorSearch",
];

const ACCUMULATORS: &[&str] = &[
    "$accumulator",
    "$concatArrays",
    "$covariancePop",
    "$covarianceSamp",
    "$denseRank",
    "$derivative",
    "$documentNumber",
    "$expMovingAvg",
    "$integral",
    "$linearFill",
    "$locf",
    "$minMaxScaler",
    "$rank",
    "$setUnion",
    "$shift",
];

const EXPRESSIONS: &[&str] = &[
    "$createObjectId",
    "$deserializeEJSON",
    "$function",
    "$hash",
    "$hexHash",
    "$median",
    "$meta",
    "$percentile",
    "$serializeEJSON",
    "$sigmoid",
    "$similarityCosine",
    "$similarityDotProduct",
    "$similarityEuclidean",
    "$subtype",
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
mod page;
#[cfg(test)]
mod tests;
