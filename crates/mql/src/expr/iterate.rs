//! Operators that evaluate an expression per element: `$map`, `$filter`, `$reduce`.

use bson::{RawArrayBuf, RawBsonRef};

use super::parse::{Parser, check_variable, missing_argument, named_fields};
use super::value::{check_size, elements};
use super::{Env, Expr, Frame, Special, Value};
use crate::{MqlError, Result};

#[derive(Debug)]
struct Map {
    input: Expr,
    slot: usize,
    body: Expr,
}

impl Special for Map {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let input = self.input.eval(env)?;
        let Some(array) = array_or_null(&input, 16883, "$map")? else { return Ok(Value::NULL) };
        let mut out = RawArrayBuf::new();
        for element in elements(array)? {
            let frame = bind(self.slot, vec![Value::Ref(element)], env);
            let inner = Env { root: env.root, frame: Some(&frame) };
            out.push(self.body.eval(&inner)?.get().unwrap_or(RawBsonRef::Null));
            check_size(out.as_bytes().len())?;
        }
        Ok(Value::array(out))
    }
}

pub(super) fn map(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let given = named_fields(name, value, &["input", "as", "in"])?;
    let input = given[0].ok_or_else(|| missing_argument(name, "input"))?;
    let body = given[2].ok_or_else(|| missing_argument(name, "in"))?;
    let input = parser.parse(input)?;
    let variable = variable_name(given[1])?;
    let (slot, body) = parser.scoped(&[variable], |parser| parser.parse(body))?;
    Ok(Expr::Special(Box::new(Map { input, slot, body })))
}

#[derive(Debug)]
struct Select {
    input: Expr,
    slot: usize,
    condition: Expr,
    limit: Option<Expr>,
}

impl Special for Select {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let input = self.input.eval(env)?;
        let Some(array) = array_or_null(&input, 28651, "$filter")? else { return Ok(Value::NULL) };
        let mut left = self.limit(env)?;
        let mut out = RawArrayBuf::new();
        for element in elements(array)? {
            if left == 0 {
                break;
            }
            let frame = bind(self.slot, vec![Value::Ref(element)], env);
            let inner = Env { root: env.root, frame: Some(&frame) };
            if self.condition.eval(&inner)?.is_truthy() {
                out.push(element);
                left -= 1;
            }
        }
        Ok(Value::array(out))
    }
}

impl Select {
    fn limit<'e>(&'e self, env: &Env<'e>) -> Result<i64> {
        let Some(limit) = &self.limit else { return Ok(i64::MAX) };
        let value = limit.eval(env)?;
        if value.is_nullish() {
            return Ok(i64::MAX);
        }
        match value.as_integer() {
            Some(limit) if limit > 0 => Ok(limit),
            Some(_) => Err(MqlError::new(327392, "$filter: limit must be greater than 0")),
            None => {
                Err(MqlError::new(327391, "$filter: limit must be represented as a 32-bit integer"))
            }
        }
    }
}

pub(super) fn filter(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let given = named_fields(name, value, &["input", "as", "cond", "limit"])?;
    let input = given[0].ok_or_else(|| missing_argument(name, "input"))?;
    let condition = given[2].ok_or_else(|| missing_argument(name, "cond"))?;
    let input = parser.parse(input)?;
    let limit = given[3].map(|value| parser.parse(value)).transpose()?;
    let variable = variable_name(given[1])?;
    let (slot, condition) = parser.scoped(&[variable], |parser| parser.parse(condition))?;
    Ok(Expr::Special(Box::new(Select { input, slot, condition, limit })))
}

#[derive(Debug)]
struct Reduce {
    input: Expr,
    initial: Expr,
    slot: usize,
    body: Expr,
}

impl Special for Reduce {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let input = self.input.eval(env)?;
        let Some(array) = array_or_null(&input, 40080, "$reduce")? else { return Ok(Value::NULL) };
        let mut total: Value<'static> = self.initial.eval(env)?.into_owned();
        for element in elements(array)? {
            let frame = bind(self.slot, vec![Value::Ref(element), total.reborrow()], env);
            let inner = Env { root: env.root, frame: Some(&frame) };
            let next = self.body.eval(&inner)?.into_owned();
            total = next;
        }
        Ok(total)
    }
}

pub(super) fn reduce(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let given = named_fields(name, value, &["input", "initialValue", "in"])?;
    let input = given[0].ok_or_else(|| missing_argument(name, "input"))?;
    let initial = given[1].ok_or_else(|| missing_argument(name, "initialValue"))?;
    let body = given[2].ok_or_else(|| missing_argument(name, "in"))?;
    let (input, initial) = (parser.parse(input)?, parser.parse(initial)?);
    let (slot, body) = parser.scoped(&["this", "value"], |parser| parser.parse(body))?;
    Ok(Expr::Special(Box::new(Reduce { input, initial, slot, body })))
}

fn bind<'f>(slot: usize, values: Vec<Value<'f>>, env: &Env<'f>) -> Frame<'f> {
    Frame { first: slot, values, parent: env.frame }
}

fn variable_name(value: Option<RawBsonRef<'_>>) -> Result<&str> {
    match value {
        None => Ok("this"),
        Some(RawBsonRef::String(name)) => check_variable(name).map(|()| name),
        Some(_) => Err(MqlError::failed_to_parse("'as' must be a string")),
    }
}

/// The array to iterate, `None` for null, an error for anything else.
pub(super) fn array_or_null<'v>(
    value: &'v Value<'_>,
    code: i32,
    operator: &str,
) -> Result<Option<&'v bson::RawArray>> {
    if value.is_nullish() {
        return Ok(None);
    }
    match value.as_array() {
        Some(array) => Ok(Some(array)),
        None => {
            let message = format!("input to {operator} must be an array not {}", value.type_name());
            Err(MqlError::new(code, message))
        }
    }
}
