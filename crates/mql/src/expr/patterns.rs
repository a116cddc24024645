//! `$regexMatch`, `$regexFind`, `$regexFindAll`.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf};
use pcre2::bytes::Captures;

use super::parse::{Parser, missing_argument, named_fields};
use super::{Env, Expr, Special, Value};
use crate::filter::{Pattern, regex_failed};
use crate::{MqlError, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Test,
    First,
    All,
}

#[derive(Debug)]
struct Search {
    operator: &'static str,
    wanted: Wanted,
    input: Expr,
    regex: Expr,
    options: Option<Expr>,
    /// The pattern, when it does not depend on the document.
    compiled: Option<Pattern>,
}

pub(super) fn search(name: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let (operator, wanted) = match name {
        "$regexMatch" => ("$regexMatch", Wanted::Test),
        "$regexFind" => ("$regexFind", Wanted::First),
        _ => ("$regexFindAll", Wanted::All),
    };
    let given = named_fields(operator, value, &["input", "regex", "options"])?;
    let input = given[0].ok_or_else(|| missing_argument(operator, "input"))?;
    let regex = given[1].ok_or_else(|| missing_argument(operator, "regex"))?;
    let input = parser.parse(input)?;
    let regex = parser.parse(regex)?;
    let options = given[2].map(|value| parser.parse(value)).transpose()?;
    let compiled = match (regex.constant(), options.as_ref().map(Expr::constant)) {
        (Some(source), None) => pattern(operator, &Value::Ref(source.into()), &Value::Missing)?,
        (Some(source), Some(Some(options))) => {
            pattern(operator, &Value::Ref(source.into()), &Value::Ref(options.into()))?
        }
        _ => None,
    };
    Ok(Expr::Special(Box::new(Search { operator, wanted, input, regex, options, compiled })))
}

/// The pattern, or none if it is null.
fn pattern(operator: &str, source: &Value<'_>, options: &Value<'_>) -> Result<Option<Pattern>> {
    let extra = match options.get() {
        None | Some(RawBsonRef::Null) => "",
        Some(RawBsonRef::String(options)) => options,
        Some(_) => {
            let message = format!("{operator} needs 'options' to be of type string");
            return Err(MqlError::new(51106, message));
        }
    };
    match source.get() {
        _ if source.is_nullish() => Ok(None),
        Some(RawBsonRef::String(source)) => Pattern::new(source, extra).map(Some),
        Some(RawBsonRef::RegularExpression(regex)) => {
            let own = regex.options.as_str();
            if !own.is_empty() && !extra.is_empty() {
                let message = format!(
                    "{operator}: found regex option(s) specified in both 'regex' \
                                       and 'option' fields"
                );
                return Err(MqlError::new(51107, message));
            }
            let options = if own.is_empty() { extra } else { own };
            Pattern::new(regex.pattern.as_str(), options).map(Some)
        }
        _ => {
            let message = format!("{operator} needs 'regex' to be of type string or regex");
            Err(MqlError::new(51105, message))
        }
    }
}

impl Special for Search {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let input = self.input.eval(env)?;
        let found;
        let pattern = match &self.compiled {
            Some(pattern) => Some(pattern),
            None => {
                let options = match &self.options {
                    Some(options) => options.eval(env)?,
                    None => Value::Missing,
                };
                found = pattern(self.operator, &self.regex.eval(env)?, &options)?;
                found.as_ref()
            }
        };
        let (Some(pattern), false) = (pattern, input.is_nullish()) else {
            return Ok(self.nothing());
        };
        let Some(text) = input.as_str() else {
            let message = format!("{} needs 'input' to be of type string", self.operator);
            return Err(MqlError::new(51104, message));
        };
        self.search(pattern, text)
    }
}

impl Search {
    fn nothing<'e>(&self) -> Value<'e> {
        match self.wanted {
            Wanted::Test => Value::boolean(false),
            Wanted::First => Value::NULL,
            Wanted::All => Value::array(RawArrayBuf::new()),
        }
    }

    fn search<'e>(&self, pattern: &Pattern, text: &str) -> Result<Value<'e>> {
        if self.wanted == Wanted::Test {
            return Ok(Value::boolean(pattern.is_match(text)?));
        }
        let mut out = RawArrayBuf::new();
        for captures in pattern.regex().captures_iter(text.as_bytes()) {
            let found = describe(&captures.map_err(regex_failed)?, text);
            if self.wanted == Wanted::First {
                return Ok(Value::document(found));
            }
            out.push(found);
            super::value::check_size(out.as_bytes().len())?;
        }
        Ok(if self.wanted == Wanted::First { Value::NULL } else { Value::array(out) })
    }
}

/// `{match, idx, captures}`, the index in code points.
fn describe(captures: &Captures<'_>, text: &str) -> RawDocumentBuf {
    let part = |index: usize| captures.get(index).and_then(|m| text.get(m.start()..m.end()));
    let start = captures.get(0).map_or(0, |m| m.start());
    let mut groups = RawArrayBuf::new();
    for index in 1..captures.len() {
        match part(index) {
            Some(group) => groups.push(group),
            None => groups.push(RawBsonRef::Null),
        }
    }
    let mut out = RawDocumentBuf::new();
    out.append(cstr!("match"), part(0).unwrap_or(""));
    let before = text.get(..start).unwrap_or("");
    out.append(cstr!("idx"), before.chars().count() as i32);
    out.append(cstr!("captures"), groups);
    out
}
