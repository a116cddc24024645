//! The compiled filter: boolean structure over predicates on paths.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::schema::Schema;
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
    Schema(Schema),
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
            Self::Schema(schema) => schema.accepts(doc),
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
            Self::Path(
                path,
                Test::Compare(Operator::Eq, value) | Test::Collated(Operator::Eq, value, _),
            ) => {
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
            Self::Always(_) | Self::Not(_) | Self::Expr(_) | Self::Schema(_) => Ok(None),
        }
    }

    /// What a document breaks that does not match; `raw` is the filter as it was given.
    pub(super) fn explain_mismatch(
        &self,
        raw: &RawDocument,
        doc: &RawDocument,
    ) -> Result<RawDocumentBuf> {
        if let Self::Schema(schema) = self {
            return schema.explain(doc);
        }
        let Self::And(nodes) = self else { return clause(raw, doc) };
        let mut broken = RawArrayBuf::new();
        let given = raw
            .iter()
            .filter(|element| element.as_ref().is_ok_and(|(name, _)| name.as_str() != "$comment"));
        for (index, (node, element)) in nodes.iter().zip(given).enumerate() {
            if node.matches(doc)? {
                continue;
            }
            let (name, value) = element?;
            let mut part = RawDocumentBuf::new();
            part.append(name, value);
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            broken.push(rawdoc! { "index": index, "details": node.explain_mismatch(&part, doc)? });
        }
        Ok(rawdoc! { "operatorName": "$and", "clausesNotSatisfied": broken })
    }
}

/// One condition that does not hold, with the value that it looked at.
fn clause(given: &RawDocument, doc: &RawDocument) -> Result<RawDocumentBuf> {
    let Some((name, value)) = given.into_iter().next().transpose()? else {
        return Ok(RawDocumentBuf::new());
    };
    let inner = match value {
        RawBsonRef::Document(inner) => inner.into_iter().next().transpose()?,
        _ => None,
    };
    let operator = match inner {
        _ if name.as_str().starts_with('$') => name.as_str(),
        Some((inner, _)) if inner.as_str().starts_with('$') => inner.as_str(),
        _ => "$eq",
    };
    let mut details = rawdoc! { "operatorName": operator, "specifiedAs": given.to_owned() };
    match crate::path::get(doc, name.as_str()) {
        Some(considered) => {
            let reason = match operator {
                "$type" => "type did not match",
                "$regex" => "regular expression did not match",
                "$in" => "no matching value found in array",
                _ => "comparison failed",
            };
            details.append(cstr!("reason"), reason);
            details.append(cstr!("consideredValue"), considered);
            if operator == "$type" {
                details.append(cstr!("consideredType"), crate::types::name_of(considered));
            }
        }
        None if name.as_str().starts_with('$') => {
            details.append(cstr!("reason"), "expression did not match");
        }
        None => details.append(cstr!("reason"), "field was missing"),
    }
    Ok(details)
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
