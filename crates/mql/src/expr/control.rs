//! Operators that choose what to evaluate: conditions, literals, variables.

use bson::RawBsonRef;

use super::parse::{Parser, check_variable, missing_argument, named_fields};
use super::{Comparison, Env, Expr, Frame, Special, Value};
use crate::{MqlError, Result};

pub(super) fn literal(_: &str, value: RawBsonRef<'_>, _: &mut Parser<'_>) -> Result<Expr> {
    Ok(Expr::Constant(value.into()))
}

pub(super) fn and(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    Ok(Expr::And(parser.arguments(name, value, 0, usize::MAX)?))
}

pub(super) fn or(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    Ok(Expr::Or(parser.arguments(name, value, 0, usize::MAX)?))
}

pub(super) fn not(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let mut arguments = parser.arguments(name, value, 1, 1)?;
    Ok(Expr::Not(Box::new(arguments.remove(0))))
}

pub(super) fn compare(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let comparison = match name {
        "$cmp" => Comparison::Cmp,
        "$eq" => Comparison::Eq,
        "$ne" => Comparison::Ne,
        "$gt" => Comparison::Gt,
        "$gte" => Comparison::Gte,
        "$lt" => Comparison::Lt,
        _ => Comparison::Lte,
    };
    let mut arguments = parser.arguments(name, value, 2, 2)?;
    let right = arguments.remove(1);
    let sides = Box::new((arguments.remove(0), right));
    Ok(Expr::Compare(comparison, sides, parser.collation().cloned()))
}

/// `$cond` and `$switch`: the first branch whose condition is true.
#[derive(Debug)]
struct Branches {
    branches: Vec<(Expr, Expr)>,
    default: Option<Expr>,
}

impl Special for Branches {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        for (condition, then) in &self.branches {
            if condition.eval(env)?.is_truthy() {
                return then.eval(env);
            }
        }
        match &self.default {
            Some(default) => default.eval(env),
            None => Err(MqlError::new(
                40066,
                "$switch could not find a matching branch for an input, and no default was \
                 specified.",
            )),
        }
    }
}

pub(super) fn cond(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let mut parts = match value {
        RawBsonRef::Document(_) => {
            let names = ["if", "then", "else"];
            let mut parts = Vec::new();
            for (given, name) in named_fields("$cond", value, &names)?.into_iter().zip(names) {
                let given = given.ok_or_else(|| missing_argument("$cond", name))?;
                parts.push(parser.parse(given)?);
            }
            parts
        }
        other => parser.arguments(name, other, 3, 3)?,
    };
    let default = parts.pop();
    let then = parts.pop().unwrap_or(Expr::Missing);
    let branches = vec![(parts.pop().unwrap_or(Expr::Missing), then)];
    Ok(Expr::Special(Box::new(Branches { branches, default })))
}

pub(super) fn switch(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let given = named_fields(name, value, &["branches", "default"])?;
    let Some(list) = given[0].and_then(RawBsonRef::as_array) else {
        return Err(MqlError::new(40061, "$switch expected an array for 'branches'"));
    };
    let mut branches = Vec::new();
    for branch in list {
        let parts = named_fields("a $switch branch", branch?, &["case", "then"])?;
        let (Some(case), Some(then)) = (parts[0], parts[1]) else {
            let message = "$switch requires each branch have a 'case' and a 'then' expression";
            return Err(MqlError::new(40068, message));
        };
        branches.push((parser.parse(case)?, parser.parse(then)?));
    }
    if branches.is_empty() {
        return Err(MqlError::new(40068, "$switch requires at least one branch."));
    }
    let default = given[1].map(|value| parser.parse(value)).transpose()?;
    Ok(Expr::Special(Box::new(Branches { branches, default })))
}

#[derive(Debug)]
struct IfNull(Vec<Expr>);

impl Special for IfNull {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let mut last = Value::Missing;
        for expr in &self.0 {
            last = expr.eval(env)?;
            if !last.is_nullish() {
                break;
            }
        }
        Ok(last)
    }
}

pub(super) fn if_null(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let arguments = parser.arguments(name, value, 0, usize::MAX)?;
    if arguments.len() < 2 {
        let message = format!("$ifNull needs at least two arguments, had: {}", arguments.len());
        return Err(MqlError::new(1257300, message));
    }
    Ok(Expr::Special(Box::new(IfNull(arguments))))
}

#[derive(Debug)]
struct Let {
    first: usize,
    bindings: Vec<Expr>,
    body: Expr,
}

impl Special for Let {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let mut values = Vec::with_capacity(self.bindings.len());
        for binding in &self.bindings {
            values.push(binding.eval(env)?);
        }
        let frame = Frame { first: self.first, values, parent: env.frame };
        let inner = Env { root: env.root, frame: Some(&frame) };
        Ok(self.body.eval(&inner)?.into_owned())
    }
}

pub(super) fn let_in(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let given = named_fields(name, value, &["vars", "in"])?;
    let (Some(vars), Some(body)) = (given[0].and_then(RawBsonRef::as_document), given[1]) else {
        return Err(MqlError::new(16876, "$let needs an object 'vars' and an expression 'in'"));
    };
    let (mut names, mut bindings) = (Vec::new(), Vec::new());
    for element in vars {
        let (name, value) = element?;
        check_variable(name.as_str())?;
        bindings.push(parser.parse(value)?);
        names.push(name.as_str());
    }
    let (first, body) = parser.scoped(&names, |parser| parser.parse(body))?;
    Ok(Expr::Special(Box::new(Let { first, bindings, body })))
}
