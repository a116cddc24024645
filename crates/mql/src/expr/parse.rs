//! From BSON to [`Expr`]: literals, paths, variables, operators.

use bson::{DateTime, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::field::FieldPath;
use super::table::{self, Argument, Build};
use super::{Eager, Expr, Value, append};
use crate::operators::{self, Kind};
use crate::{Collation, Context, MqlError, Result, code};

/// Operators that compare strings and that do it by bytes only.
const UNCOLLATED: &[&str] = &[
    "$max",
    "$maxN",
    "$min",
    "$minN",
    "$in",
    "$indexOfArray",
    "$setDifference",
    "$setEquals",
    "$setIntersection",
    "$setIsSubset",
    "$setUnion",
    "$sortArray",
];

/// Compiles expressions and knows the variables in scope.
pub(crate) struct Parser<'c> {
    context: &'c Context,
    scope: Vec<String>,
    depth: usize,
}

impl<'c> Parser<'c> {
    pub(crate) fn new(context: &'c Context) -> Self {
        Self { context, scope: Vec::new(), depth: 0 }
    }

    /// The collation of comparisons.
    pub(crate) fn collation(&self) -> Option<&'c Collation> {
        self.context.collation.as_ref()
    }

    /// The seed of `$rand`.
    pub(crate) fn seed(&self) -> u64 {
        self.context.seed
    }

    /// Compiles one expression.
    pub(crate) fn parse(&mut self, value: RawBsonRef<'_>) -> Result<Expr> {
        if self.depth >= self.context.limits.depth {
            return Err(MqlError::bad_value("the expression is nested too deeply"));
        }
        self.depth += 1;
        let parsed = match value {
            RawBsonRef::String(text) if text.starts_with("$$") => self.variable(&text[2..]),
            RawBsonRef::String(text) if text.starts_with('$') => field(&text[1..]),
            RawBsonRef::Document(doc) => self.document(doc),
            RawBsonRef::Array(array) => {
                let items: Result<Vec<_>> = array.into_iter().map(|e| self.parse(e?)).collect();
                Ok(fold_array(items?))
            }
            literal => Ok(Expr::Constant(literal.into())),
        };
        self.depth -= 1;
        parsed
    }

    /// Compiles a body that sees more variables; gives the slot of the first.
    pub(crate) fn scoped(
        &mut self,
        names: &[&str],
        parse: impl FnOnce(&mut Self) -> Result<Expr>,
    ) -> Result<(usize, Expr)> {
        let first = self.scope.len();
        for name in names {
            self.scope.push((*name).to_owned());
        }
        let body = parse(self);
        self.scope.truncate(first);
        Ok((first, body?))
    }

    fn document(&mut self, doc: &RawDocument) -> Result<Expr> {
        let mut fields = Vec::new();
        for element in doc {
            let (name, value) = element?;
            let name = name.as_str();
            if name.starts_with('$') {
                if doc.iter_elements().count() > 1 {
                    let message =
                        "an object representing an expression must have exactly one field";
                    return Err(MqlError::new(15983, message));
                }
                return self.operator(name, value);
            }
            if name.contains('.') {
                let message = "FieldPath field names may not contain '.'. \
                               Consider using $getField or $setField.";
                return Err(MqlError::new(16412, message));
            }
            fields.push((name.to_owned(), self.parse(value)?));
        }
        fold_object(fields)
    }

    /// Compiles `{name: value}` as an operator.
    pub(crate) fn operator(&mut self, name: &str, value: RawBsonRef<'_>) -> Result<Expr> {
        if self.collation().is_some() && UNCOLLATED.contains(&name) {
            return Err(MqlError::not_implemented(format!("{name} with a collation")));
        }
        match table::find(name) {
            Some(Build::Args(min, max, apply)) => {
                let arguments = self.arguments(name, value, *min, *max)?;
                Ok(Expr::Apply(*apply, arguments))
            }
            Some(Build::Named(arguments, apply)) => self.named(name, value, arguments, *apply),
            Some(Build::Special(build)) => build(name, value, self),
            None => Err(operators::refuse(Kind::Expression, name, || {
                let message = format!("Unrecognized expression '{name}'");
                MqlError::new(code::INVALID_PIPELINE_OPERATOR, message)
            })),
        }
    }

    /// The arguments of an operator: an array of them, or one that stands alone.
    pub(crate) fn arguments(
        &mut self,
        name: &str,
        value: RawBsonRef<'_>,
        min: usize,
        max: usize,
    ) -> Result<Vec<Expr>> {
        let arguments: Vec<Expr> = match value {
            RawBsonRef::Array(array) => {
                array.into_iter().map(|e| self.parse(e?)).collect::<Result<_>>()?
            }
            one => vec![self.parse(one)?],
        };
        let count = arguments.len();
        if (min..=max).contains(&count) {
            return Ok(arguments);
        }
        Err(if min == max {
            let message =
                format!("Expression {name} takes exactly {min} arguments. {count} were passed in.");
            MqlError::new(16020, message)
        } else {
            let message = format!(
                "Expression {name} takes at least {min} arguments, and at most {max}, but {count} \
                 were passed in."
            );
            MqlError::new(28667, message)
        })
    }

    /// The arguments of an operator that takes a document of names.
    fn named(
        &mut self,
        operator: &str,
        value: RawBsonRef<'_>,
        known: &[(&str, Argument)],
        apply: Eager,
    ) -> Result<Expr> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let given = named_fields(operator, value, &names)?;
        let mut arguments = Vec::new();
        for (given, (name, argument)) in given.into_iter().zip(known) {
            arguments.push(match (given, argument) {
                (Some(value), Argument::Absent | Argument::Text(_)) => {
                    Expr::OrNull(Box::new(self.parse(value)?))
                }
                (Some(value), _) => self.parse(value)?,
                (None, Argument::Text(text)) => Expr::Constant(RawBson::String((*text).to_owned())),
                (None, Argument::Null) => Expr::Constant(RawBson::Null),
                (None, Argument::Absent | Argument::Unset) => Expr::Missing,
                (None, Argument::Required) => return Err(missing_argument(operator, name)),
            });
        }
        Ok(Expr::Apply(apply, arguments))
    }

    fn variable(&mut self, text: &str) -> Result<Expr> {
        let (name, path) = match text.split_once('.') {
            Some((name, path)) => (name, Some(FieldPath::parse(path)?)),
            None => (text, None),
        };
        if let Some(slot) = self.scope.iter().rposition(|known| known == name) {
            return Ok(Expr::Variable(slot, path));
        }
        if let Some((_, value)) = self.context.vars.iter().find(|(known, _)| known == name) {
            return match RawBson::try_from(value.clone())? {
                RawBson::Undefined => Ok(Expr::Missing),
                value => constant(value, path),
            };
        }
        match name {
            "ROOT" | "CURRENT" => Ok(path.map_or(Expr::Root, Expr::Field)),
            "NOW" => constant(RawBson::DateTime(DateTime::from_millis(self.context.now_ms)), path),
            "REMOVE" => Ok(Expr::Missing),
            "CLUSTER_TIME" | "SEARCH_META" | "USER_ROLES" | "JS_SCOPE" | "IS_MR" => {
                Err(MqlError::not_implemented(format!("$${name}")))
            }
            _ => Err(MqlError::new(17276, format!("Use of undefined variable: {name}"))),
        }
    }
}

/// The values of named arguments in the order of `names`.
pub(super) fn named_fields<'v>(
    operator: &str,
    value: RawBsonRef<'v>,
    names: &[&str],
) -> Result<Vec<Option<RawBsonRef<'v>>>> {
    let Some(doc) = value.as_document() else {
        let message = format!("{operator} only supports an object as its argument");
        return Err(MqlError::failed_to_parse(message));
    };
    let mut out = vec![None; names.len()];
    for element in doc {
        let (name, value) = element?;
        match names.iter().position(|known| *known == name.as_str()) {
            Some(index) => out[index] = Some(value),
            None => {
                let message = format!("Unrecognized argument to {operator}: {}", name.as_str());
                return Err(MqlError::failed_to_parse(message));
            }
        }
    }
    Ok(out)
}

pub(super) fn missing_argument(operator: &str, name: &str) -> MqlError {
    MqlError::failed_to_parse(format!("Missing '{name}' parameter to {operator}"))
}

/// Checks the name of a user's variable.
pub(crate) fn check_variable(name: &str) -> Result<()> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || !c.is_ascii());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    if starts && rest {
        return Ok(());
    }
    let message = format!("'{name}' is not a valid name of a user variable");
    Err(MqlError::new(if starts { 16868 } else { 16867 }, message))
}

fn field(path: &str) -> Result<Expr> {
    if path.is_empty() {
        return Err(MqlError::new(16872, "'$' by itself is not a valid FieldPath"));
    }
    Ok(Expr::Field(FieldPath::parse(path)?))
}

fn constant(value: RawBson, path: Option<FieldPath>) -> Result<Expr> {
    let Some(path) = path else { return Ok(Expr::Constant(value)) };
    let found = path.of_value(Value::Owned(value))?;
    Ok(found.into_raw().map_or(Expr::Missing, Expr::Constant))
}

fn fold_array(items: Vec<Expr>) -> Expr {
    if !items.iter().all(|item| item.constant().is_some()) {
        return Expr::Array(items);
    }
    let mut out = RawArrayBuf::new();
    for value in items.iter().filter_map(Expr::constant) {
        out.push(value.as_raw_bson_ref());
    }
    Expr::Constant(RawBson::Array(out))
}

fn fold_object(fields: Vec<(String, Expr)>) -> Result<Expr> {
    if !fields.iter().all(|(_, value)| value.constant().is_some()) {
        return Ok(Expr::Object(fields));
    }
    let mut out = RawDocumentBuf::new();
    for (name, value) in &fields {
        if let Some(value) = value.constant() {
            append(&mut out, name, value.as_raw_bson_ref())?;
        }
    }
    Ok(Expr::Constant(RawBson::Document(out)))
}
