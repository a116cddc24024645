//! From a projection document to a tree of fields.

use std::sync::Arc;

use bson::{RawArray, RawBsonRef, RawDocument, rawdoc};

use super::{Dialect, Inner, Node, Projection, Tree};
use crate::expr::Expr;
use crate::mutate::split;
use crate::number::Number;
use crate::operators::{Kind, is_known};
use crate::{Context, Filter, MqlError, Result, types};

struct Parser<'c> {
    context: &'c Context,
    dialect: Dialect,
    /// Known once a field other than `_id` was included or excluded.
    inclusion: Option<bool>,
    id: Option<bool>,
    fields: Tree,
    computed: Vec<(Vec<String>, Expr)>,
}

pub(super) fn projection(
    projection: &RawDocument,
    context: &Context,
    dialect: Dialect,
) -> Result<Projection> {
    let (fields, computed) = (Tree::default(), Vec::new());
    let mut parser = Parser { context, dialect, inclusion: None, id: None, fields, computed };
    parser.level(projection, "")?;
    if dialect == Dialect::Stage && projection.is_empty() {
        let message = "Invalid $project :: caused by :: projection specification must have at \
                       least one field";
        return Err(MqlError::new(51272, message));
    }
    Ok(parser.finish())
}

impl Parser<'_> {
    fn finish(self) -> Projection {
        // `{_id: 1}` alone includes, `{_id: 0}` alone excludes; computed fields include.
        let inclusion =
            self.inclusion.unwrap_or(self.id == Some(true) || !self.computed.is_empty());
        let id = self.id.unwrap_or(true);
        let (fields, computed) = (self.fields, self.computed);
        Projection { inner: Arc::new(Inner { inclusion, id, fields, computed }) }
    }

    fn level(&mut self, doc: &RawDocument, prefix: &str) -> Result<()> {
        for field in doc {
            let (name, value) = field?;
            let path = match prefix {
                "" => name.as_str().to_owned(),
                _ => format!("{prefix}.{}", name.as_str()),
            };
            self.field(&path, value)?;
        }
        Ok(())
    }

    fn field(&mut self, path: &str, value: RawBsonRef<'_>) -> Result<()> {
        check_path(path)?;
        match value {
            RawBsonRef::Boolean(_)
            | RawBsonRef::Int32(_)
            | RawBsonRef::Int64(_)
            | RawBsonRef::Double(_)
            | RawBsonRef::Decimal128(_) => self.flag(path, types::is_truthy(value)),
            RawBsonRef::Document(doc) => self.document(path, doc),
            other => self.compute(path, other),
        }
    }

    fn document(&mut self, path: &str, doc: &RawDocument) -> Result<()> {
        let first = doc.into_iter().next().transpose()?;
        let Some((name, value)) = first else {
            let message =
                "An empty sub-projection is not a valid value. Found empty object at path";
            return Err(MqlError::new(51270, message));
        };
        let find = self.dialect == Dialect::Find;
        match name.as_str() {
            "$slice" if find && is_find_slice(value) => {
                let (skip, take) = slice(value)?;
                self.insert(path, Node::Slice(skip, take))
            }
            "$elemMatch" if find => self.elem_match(path, value),
            // Elsewhere an expression, or nothing.
            "$slice" | "$elemMatch" => self.compute(path, RawBsonRef::Document(doc)),
            name if is_known(Kind::Projection, name) => Err(MqlError::not_implemented(name)),
            name if name.starts_with('$') => self.compute(path, RawBsonRef::Document(doc)),
            _ => self.level(doc, path),
        }
    }

    fn flag(&mut self, path: &str, include: bool) -> Result<()> {
        if path == "_id" {
            self.id = Some(include);
            return Ok(());
        }
        self.decide(path, include)?;
        self.insert(path, Node::Named)
    }

    fn decide(&mut self, path: &str, include: bool) -> Result<()> {
        match self.inclusion {
            Some(inclusion) if inclusion != include => {
                let (code, this, that) = if include {
                    (31253, "inclusion", "exclusion")
                } else {
                    (31254, "exclusion", "inclusion")
                };
                let message = format!("Cannot do {this} on field {path} in {that} projection");
                Err(MqlError::new(code, message))
            }
            _ => {
                self.inclusion = Some(include);
                Ok(())
            }
        }
    }

    fn compute(&mut self, path: &str, value: RawBsonRef<'_>) -> Result<()> {
        self.decide(path, true)?;
        let expr = Expr::parse(value, self.context)?;
        self.insert(path, Node::Computed)?;
        self.computed.push((split(path), expr));
        Ok(())
    }

    fn elem_match(&mut self, path: &str, value: RawBsonRef<'_>) -> Result<()> {
        let RawBsonRef::Document(condition) = value else {
            let message = "elemMatch: Invalid argument, object required";
            return Err(MqlError::new(31274, message));
        };
        if path.contains('.') {
            let message = "Cannot use $elemMatch projection on a nested field.";
            return Err(MqlError::new(31275, message));
        }
        let filter = rawdoc! { "e": { "$elemMatch": condition.to_owned() } };
        self.decide(path, true)?;
        let filter = Filter::parse(&filter, self.context)?;
        self.insert(path, Node::ElemMatch(Box::new(filter)))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<()> {
        insert(&mut self.fields, &split(path), node)
            .map_err(|()| MqlError::new(31249, format!("Path collision at {path}")))
    }
}

fn insert(tree: &mut Tree, path: &[String], node: Node) -> std::result::Result<(), ()> {
    let Some((first, rest)) = path.split_first() else { return Err(()) };
    let position = tree.fields.iter().position(|(name, _)| name == first);
    match (position, rest.is_empty()) {
        (Some(_), true) => Err(()),
        (None, true) => {
            tree.fields.push((first.clone(), node));
            Ok(())
        }
        (Some(at), false) => match &mut tree.fields[at].1 {
            Node::Inside(inner) => insert(inner, rest, node),
            _ => Err(()),
        },
        (None, false) => {
            let mut inner = Tree::default();
            insert(&mut inner, rest, node)?;
            tree.fields.push((first.clone(), Node::Inside(inner)));
            Ok(())
        }
    }
}

fn check_path(path: &str) -> Result<()> {
    if path.ends_with(".$") {
        return Err(MqlError::not_implemented(format!("the positional projection {path}")));
    }
    let parts: Vec<&str> = path.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        let message = "FieldPath must not end with a '.' or contain empty parts.";
        return Err(MqlError::new(40353, message));
    }
    if parts.iter().any(|part| part.starts_with('$')) {
        let message = format!("FieldPath field names may not start with '$': {path}");
        return Err(MqlError::new(16410, message));
    }
    Ok(())
}

/// `{$slice: n}` and `{$slice: [skip, n]}`; with anything else first it is the expression.
fn is_find_slice(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Array(array) => {
            matches!(array.into_iter().next(), Some(Ok(first)) if Number::of(first).is_some())
        }
        other => Number::of(other).is_some(),
    }
}

fn slice(value: RawBsonRef<'_>) -> Result<(Option<i64>, i64)> {
    let integer = |value: RawBsonRef<'_>| {
        let found = Number::of(value).and_then(Number::as_integer);
        found.ok_or_else(|| MqlError::new(28667, "$slice takes whole numbers"))
    };
    match value {
        RawBsonRef::Array(array) => match pair(array)?.as_slice() {
            [skip, take] => {
                let (skip, take) = (integer(*skip)?, integer(*take)?);
                if take <= 0 {
                    return Err(MqlError::new(28729, "$slice takes a positive number of elements"));
                }
                Ok((Some(skip), take))
            }
            _ => Err(MqlError::new(28667, "$slice takes one or two numbers")),
        },
        other => Ok((None, integer(other)?)),
    }
}

fn pair(array: &RawArray) -> Result<Vec<RawBsonRef<'_>>> {
    Ok(array.into_iter().collect::<std::result::Result<_, _>>()?)
}
