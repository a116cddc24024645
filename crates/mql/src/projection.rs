//! Projections of `find` and of `$project`: which fields of a document pass, and which are computed.
//!
//! Included fields keep the document's order; computed ones are appended (MongoDB manual, "Project
//! Fields to Return from Query"). The positional `$` is refused by name.

mod apply;
mod parse;

use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};

use crate::expr::Expr;
use crate::{Context, Filter, Result};

/// A parsed projection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Projection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Whether only named fields pass.
    inclusion: bool,
    /// Whether `_id` passes.
    id: bool,
    fields: Tree,
    /// Computed fields by path, in the order given.
    computed: Vec<(Vec<String>, Expr)>,
}

/// What happens to the fields of one level.
#[derive(Debug, Default)]
struct Tree {
    fields: Vec<(String, Node)>,
}

#[derive(Debug)]
enum Node {
    /// Passes as a whole, or goes as a whole, as the projection's kind says.
    Named,
    /// `$slice`: how many elements to leave out (from the end when negative), how many to take.
    Slice(Option<i64>, i64),
    /// `$elemMatch`: the first element that matches. The filter is on the field `e`.
    ElemMatch(Box<Filter>),
    /// Computed; whatever the document holds there does not pass.
    Computed,
    Inside(Tree),
}

/// Which of the two dialects is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Of the `find` command, with `$slice` and `$elemMatch` of its own.
    Find,
    /// Of the `$project` stage.
    Stage,
}

impl Projection {
    /// Parses the projection of a `find` command.
    ///
    /// # Errors
    /// Inclusion and exclusion mixed, paths that collide, unknown operators.
    pub fn parse(projection: &RawDocument, context: &Context) -> Result<Self> {
        parse::projection(projection, context, Dialect::Find)
    }

    /// Parses the specification of a `$project` stage.
    pub(crate) fn parse_stage(projection: &RawDocument, context: &Context) -> Result<Self> {
        parse::projection(projection, context, Dialect::Stage)
    }

    /// An exclusion of these fields, as `$unset` means it.
    pub(crate) fn without(fields: &[String], context: &Context) -> Result<Self> {
        let mut projection = RawDocumentBuf::new();
        for field in fields {
            crate::expr::append(&mut projection, field, bson::RawBsonRef::Int32(0))?;
        }
        Self::parse_stage(&projection, context)
    }

    /// The projected document.
    ///
    /// # Errors
    /// Those of computed fields, and bytes that are not BSON.
    pub fn apply(&self, doc: &RawDocument) -> Result<RawDocumentBuf> {
        apply::document(&self.inner, doc)
    }

    /// Whether documents pass unchanged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let inner = &self.inner;
        !inner.inclusion && inner.id && inner.fields.fields.is_empty() && inner.computed.is_empty()
    }
}

impl Tree {
    fn get(&self, name: &str) -> Option<&Node> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, node)| node)
    }

    /// Whether something below is computed.
    fn computes(&self) -> bool {
        self.fields.iter().any(|(_, node)| match node {
            Node::Computed => true,
            Node::Inside(tree) => tree.computes(),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests;
