//! The compiled filter: boolean structure over predicates on paths.

use bson::{RawBson, RawDocument};

use super::test::{Clause, Operator, Test};
use crate::Result;
use crate::expr::Expr;
use crate::path::{Path, visit};

/// A condition on a document.
#[derive(Debug)]
pub(crate) enum Node {
    Always(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// Some meaning of the path passes the test.
    Path(Path, Test),
    Expr(Expr),
}

impl Node {
    /// Conditions on one path: every predicate is existential on its own, and negation negates the
    /// whole existential.
    pub(crate) fn on_path(path: &str, clause: Clause) -> Self {
        match clause {
            Clause::Is(test) => Self::Path(Path::new(path), test),
            Clause::Not(inner) => Self::Not(Box::new(Self::on_path(path, *inner))),
            Clause::All(clauses) => {
                Self::all(clauses.into_iter().map(|c| Self::on_path(path, c)).collect())
            }
        }
    }

    /// A conjunction; one condition stands for itself.
    pub(crate) fn all(mut nodes: Vec<Node>) -> Self {
        match nodes.len() {
            0 => Self::Always(true),
            1 => nodes.remove(0),
            _ => Self::And(nodes),
        }
    }

    pub(crate) fn matches(&self, doc: &RawDocument) -> Result<bool> {
        match self {
            Self::Always(answer) => Ok(*answer),
            Self::And(nodes) => {
                for node in nodes {
                    if !node.matches(doc)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(nodes) => {
                for node in nodes {
                    if node.matches(doc)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(node) => Ok(!node.matches(doc)?),
            Self::Path(path, test) => {
                visit(doc, path, test.expands(), &mut |value, _| test.holds(value))
            }
            Self::Expr(expr) => expr.is_true_for(doc),
        }
    }

    /// The values a path must equal, from equalities that every match satisfies.
    pub(super) fn values_on(&self, path: &str) -> Option<Vec<&RawBson>> {
        match self {
            Self::And(nodes) => nodes.iter().find_map(|node| node.values_on(path)),
            Self::Path(found, Test::Compare(Operator::Eq, value)) if found.text == path => {
                (!matches!(value, RawBson::Null)).then(|| vec![value])
            }
            Self::Path(found, Test::In(list)) if found.text == path => list.plain_values(),
            _ => None,
        }
    }

    pub(super) fn equalities<'n>(&'n self, out: &mut Vec<(&'n str, &'n RawBson)>) {
        match self {
            Self::And(nodes) => nodes.iter().for_each(|node| node.equalities(out)),
            Self::Or(nodes) if nodes.len() == 1 => nodes[0].equalities(out),
            Self::Path(path, Test::Compare(Operator::Eq, value)) => {
                out.push((path.text.as_str(), value));
            }
            _ => {}
        }
    }

    pub(super) fn matched_index(&self, doc: &RawDocument) -> Result<Option<usize>> {
        match self {
            Self::And(nodes) => last_index(nodes, doc),
            Self::Or(nodes) => {
                for node in nodes {
                    if node.matches(doc)? {
                        return node.matched_index(doc);
                    }
                }
                Ok(None)
            }
            Self::Path(path, test) => path_index(path, test, doc),
            Self::Always(_) | Self::Not(_) | Self::Expr(_) => Ok(None),
        }
    }
}

fn last_index(nodes: &[Node], doc: &RawDocument) -> Result<Option<usize>> {
    let mut found = None;
    for node in nodes {
        found = node.matched_index(doc)?.or(found);
    }
    Ok(found)
}

fn path_index(path: &Path, test: &Test, doc: &RawDocument) -> Result<Option<usize>> {
    let mut found = None;
    visit(doc, path, test.expands(), &mut |value, outer| {
        let holds = test.holds(value)?;
        if holds {
            found = match outer {
                Some(index) => Some(index),
                None => test.element_index(value)?,
            };
        }
        Ok(holds)
    })?;
    Ok(found)
}
