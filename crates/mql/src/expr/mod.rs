//! Aggregation expressions, as used by `$expr`, pipelines, projections and pipeline updates.
//!
//! `parse` compiles them; `table` is the one list of operators; the other modules hold operators
//! by subject. Values borrow from the document as long as they can. Comparisons here are by total
//! order: no type brackets, no descent into arrays.

mod accumulate;
mod arithmetic;
mod arrays;
mod bits;
mod calendar;
mod chance;
mod control;
mod convert;
mod date_parts;
mod dates;
mod dates_parse;
mod decimal_math;
mod field;
mod iterate;
mod objects;
mod parse;
mod patterns;
mod rounding;
mod sets;
mod several;
mod strings;
mod sum;
pub(crate) mod table;
mod trigonometry;
mod value;

use std::cmp::Ordering;
use std::fmt::Debug;

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

pub(crate) use accumulate::{Deviation, Extreme};
pub(crate) use arithmetic::{Operation, calculate};
pub(crate) use chance::mixed;
pub(crate) use field::FieldPath;
pub(crate) use parse::Parser;
pub(crate) use parse::check_variable;
pub(crate) use several::wanted;
pub(crate) use sum::Sum;
pub(crate) use value::{Value, append, check_size};

use crate::{Collation, Context, Result, types};

/// An operator whose arguments are evaluated first.
pub(crate) type Eager = for<'e> fn(Vec<Value<'e>>) -> Result<Value<'e>>;

/// An operator that decides itself what to evaluate.
pub(crate) trait Special: Debug + Send + Sync {
    /// The operator's value.
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>>;
}

/// A comparison by total order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Cmp,
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) enum Expr {
    /// `$$REMOVE`: no value.
    Missing,
    Constant(RawBson),
    Root,
    Field(FieldPath),
    Variable(usize, Option<FieldPath>),
    Object(Vec<(String, Expr)>),
    Array(Vec<Expr>),
    /// An argument that was given: no value counts as null, not as not given.
    OrNull(Box<Expr>),
    Compare(Comparison, Box<(Expr, Expr)>, Option<Collation>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Apply(Eager, Vec<Expr>),
    Special(Box<dyn Special>),
}

/// What an expression is evaluated against.
#[derive(Clone, Copy)]
pub(crate) struct Env<'e> {
    pub(crate) root: &'e RawDocument,
    pub(crate) frame: Option<&'e Frame<'e>>,
}

/// Variables bound by one operator, inside those of the operators around it.
pub(crate) struct Frame<'e> {
    /// The slot of the first value.
    pub(crate) first: usize,
    pub(crate) values: Vec<Value<'e>>,
    pub(crate) parent: Option<&'e Frame<'e>>,
}

impl<'e> Env<'e> {
    fn variable(&self, slot: usize) -> Value<'e> {
        let mut frame = self.frame;
        while let Some(current) = frame {
            if let Some(value) = slot.checked_sub(current.first).and_then(|i| current.values.get(i))
            {
                return value.reborrow();
            }
            frame = current.parent;
        }
        Value::Missing
    }
}

impl Expr {
    /// Compiles an expression.
    pub(crate) fn parse(value: RawBsonRef<'_>, context: &Context) -> Result<Self> {
        Parser::new(context).parse(value)
    }

    /// The value for a document.
    pub(crate) fn evaluate<'e>(&'e self, root: &'e RawDocument) -> Result<Value<'e>> {
        self.eval(&Env { root, frame: None })
    }

    /// Whether the expression is true for a document.
    pub(crate) fn is_true_for(&self, root: &RawDocument) -> Result<bool> {
        Ok(self.evaluate(root)?.is_truthy())
    }

    pub(crate) fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        match self {
            Self::Missing => Ok(Value::Missing),
            Self::Constant(value) => Ok(Value::Ref(value.as_raw_bson_ref())),
            Self::Root => Ok(Value::Ref(RawBsonRef::Document(env.root))),
            Self::Field(path) => path.of_document(env.root),
            Self::Variable(slot, None) => Ok(env.variable(*slot)),
            Self::Variable(slot, Some(path)) => path.of_value(env.variable(*slot)),
            Self::Object(fields) => object(fields, env),
            Self::Array(items) => array(items, env),
            Self::OrNull(inner) => match inner.eval(env)? {
                Value::Missing => Ok(Value::NULL),
                value => Ok(value),
            },
            Self::Compare(comparison, sides, collation) => {
                let (left, right) = (sides.0.eval(env)?, sides.1.eval(env)?);
                Ok(comparison.answer(compare_values(&left, &right, collation.as_ref())))
            }
            Self::And(parts) => Ok(Value::boolean(!any(parts, env, false)?)),
            Self::Or(parts) => Ok(Value::boolean(any(parts, env, true)?)),
            Self::Not(inner) => Ok(Value::boolean(!inner.eval(env)?.is_truthy())),
            Self::Apply(operator, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(argument.eval(env)?);
                }
                operator(values)
            }
            Self::Special(special) => special.eval(env),
        }
    }

    /// Paths whose values must equal a constant, by bytes, for this to be true.
    pub(crate) fn demanded_equalities<'x>(&'x self, out: &mut Vec<(String, &'x RawBson)>) {
        match self {
            Self::And(parts) => parts.iter().for_each(|part| part.demanded_equalities(out)),
            Self::Compare(Comparison::Eq, sides, None) => match &**sides {
                (Self::Field(path), Self::Constant(value))
                | (Self::Constant(value), Self::Field(path)) => out.push((path.text(), value)),
                _ => {}
            },
            _ => {}
        }
    }

    /// The constant this is, if it does not depend on the document.
    pub(crate) fn constant(&self) -> Option<&RawBson> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }
}

/// Whether some part has the given truth; evaluation stops there.
fn any<'e>(parts: &'e [Expr], env: &Env<'e>, truth: bool) -> Result<bool> {
    for part in parts {
        if part.eval(env)?.is_truthy() == truth {
            return Ok(true);
        }
    }
    Ok(false)
}

fn object<'e>(fields: &'e [(String, Expr)], env: &Env<'e>) -> Result<Value<'e>> {
    let mut doc = RawDocumentBuf::new();
    for (name, expr) in fields {
        if let Some(value) = expr.eval(env)?.get() {
            append(&mut doc, name, value)?;
            check_size(doc.as_bytes().len())?;
        }
    }
    Ok(Value::Owned(RawBson::Document(doc)))
}

fn array<'e>(items: &'e [Expr], env: &Env<'e>) -> Result<Value<'e>> {
    let mut out = RawArrayBuf::new();
    for item in items {
        out.push(item.eval(env)?.get().unwrap_or(RawBsonRef::Null));
        check_size(out.as_bytes().len())?;
    }
    Ok(Value::Owned(RawBson::Array(out)))
}

/// The total order with missing values below everything but minKey.
pub(crate) fn compare_values(
    a: &Value<'_>,
    b: &Value<'_>,
    collation: Option<&Collation>,
) -> Ordering {
    match (a.get(), b.get()) {
        (None, None) => Ordering::Equal,
        (None, Some(RawBsonRef::Undefined)) | (Some(RawBsonRef::Undefined), None) => {
            Ordering::Equal
        }
        (None, Some(RawBsonRef::MinKey)) => Ordering::Greater,
        (Some(RawBsonRef::MinKey), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => crate::compare::compare_in(a, b, collation),
    }
}

impl Comparison {
    fn answer<'e>(self, order: Ordering) -> Value<'e> {
        Value::boolean(match self {
            Self::Cmp => return Value::Ref(RawBsonRef::Int32(order as i32)),
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
        })
    }
}

impl Value<'_> {
    /// What the value means as a condition; missing is false.
    pub(crate) fn is_truthy(&self) -> bool {
        self.get().is_some_and(types::is_truthy)
    }
}

#[cfg(test)]
mod tests;
