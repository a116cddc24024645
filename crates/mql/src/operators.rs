//! What MongoDB calls its operators, so that a parser that meets a name which it does not implement can tell
//! a documented operator from nonsense: the first is refused by its name (code 238), never answered by
//! accident; the second is unknown, in MongoDB's words. What is implemented is in the parsers and nowhere
//! else; tests walk these names and hold the parsers against them.

mod known;
mod supplement;

use known::KNOWN;
use supplement::SUPPLEMENT;

use crate::MqlError;

/// A family of operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of filters.
    Query,
    /// Stages of pipelines.
    Stage,
    /// Accumulators of `$group`.
    Accumulator,
    /// Of `$setWindowFields`.
    Window,
    /// Expressions.
    Expression,
    /// Of the projections of `find`.
    Projection,
    /// Of updates.
    Update,
    /// Modifiers of `$push`.
    Modifier,
}

/// Whether MongoDB has an operator of this name.
pub(crate) fn is_known(kind: Kind, name: &str) -> bool {
    names(kind).any(|known| known == name)
}

/// The error for a name that a parser does not implement.
pub(crate) fn refuse(kind: Kind, name: &str, unknown: impl FnOnce() -> MqlError) -> MqlError {
    if is_known(kind, name) { MqlError::not_implemented(name) } else { unknown() }
}

fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
    let of_kind = KNOWN.iter().filter(move |(other, _)| *other == kind);
    let supplement = SUPPLEMENT.iter().filter(move |(other, ..)| *other == kind);
    of_kind.flat_map(|(_, names)| *names).copied().chain(supplement.map(|(_, name, _)| *name))
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
