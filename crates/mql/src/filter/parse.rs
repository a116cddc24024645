//! From a filter document to [`Node`]s. Every operator is either here or refused by name.

use bson::spec::ElementType;
use bson::{RawArray, RawBson, RawBsonRef, RawDocument, rawdoc};

use super::test::{BitsWanted, Membership, may_hold_strings};
use super::{Clause, Node, Operator, Pattern, Schema, Test};
use crate::expr::Expr;
use crate::number::Number;
use crate::operators::{self, Kind};
use crate::{Context, MqlError, Result, types};

/// Where in a filter the parser is.
#[derive(Clone, Copy)]
struct Scope<'c> {
    context: &'c Context,
    /// Inside `$elemMatch`, where `$expr` cannot see the whole document.
    nested: bool,
    depth: usize,
}

impl<'c> Scope<'c> {
    fn deeper(self) -> Result<Self> {
        if self.depth >= self.context.limits.depth {
            return Err(MqlError::bad_value("the filter is nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

pub(super) fn document(filter: &RawDocument, context: &Context) -> Result<Node> {
    conjunction(filter, Scope { context, nested: false, depth: 0 })
}

fn conjunction(filter: &RawDocument, scope: Scope<'_>) -> Result<Node> {
    let scope = scope.deeper()?;
    let mut nodes = Vec::new();
    for element in filter {
        let (name, value) = element?;
        match name.as_str() {
            "$comment" => {}
            operator if operator.starts_with('$') => nodes.push(logical(operator, value, scope)?),
            path => nodes.push(Node::on_path(path, field_clause(value, scope)?)),
        }
    }
    Ok(Node::all(nodes))
}

/// An operator that stands where a field name could.
fn logical(operator: &str, value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Node> {
    match TOP.iter().find(|(name, _)| *name == operator) {
        Some((_, parse)) => parse(operator, value, scope),
        None => Err(refusal(operator, || {
            MqlError::bad_value(format!(
                "unknown top level operator: {operator}. If you have a field name that starts \
                 with a '$' symbol, consider using $getField or $setField."
            ))
        })),
    }
}

/// What stands in the wrong place is implemented, and as unknown there as in MongoDB.
fn refusal(operator: &str, unknown: impl FnOnce() -> MqlError) -> MqlError {
    if names().any(|name| name == operator) {
        return unknown();
    }
    operators::refuse(Kind::Query, operator, unknown)
}

/// The names of all operators.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let top = TOP.iter().map(|(name, _)| *name);
    top.chain(FIELD.iter().map(|(name, _)| *name)).chain(BESIDE)
}

type Parse<T> = fn(&str, RawBsonRef<'_>, Scope<'_>) -> Result<T>;

/// Operators that stand where a field name could.
static TOP: &[(&str, Parse<Node>)] = &[
    ("$and", |name, value, scope| Ok(Node::all(branches(name, value, scope)?))),
    ("$or", |name, value, scope| Ok(Node::Or(branches(name, value, scope)?))),
    ("$nor", |name, value, scope| Ok(Node::Not(Box::new(Node::Or(branches(name, value, scope)?))))),
    ("$expr", |_, value, scope| expression(value, scope)),
    ("$jsonSchema", |_, value, scope| Ok(Node::Schema(Schema::parse(value, scope.context)?))),
    ("$sampleRate", |_, value, scope| Ok(Node::Expr(sample_rate(value, scope.context)?))),
    ("$alwaysTrue", |_, _, _| Ok(Node::Always(true))),
    ("$alwaysFalse", |_, _, _| Ok(Node::Always(false))),
];

/// Operators on the values of a field.
static FIELD: &[(&str, Parse<Clause>)] = &[
    ("$eq", |_, value, scope| is(comparison(Operator::Eq, value, scope)?)),
    ("$ne", |_, value, scope| not_equal(value, scope)),
    ("$gt", |_, value, scope| is(bound(Operator::Gt, value, scope)?)),
    ("$gte", |_, value, scope| is(bound(Operator::Gte, value, scope)?)),
    ("$lt", |_, value, scope| is(bound(Operator::Lt, value, scope)?)),
    ("$lte", |_, value, scope| is(bound(Operator::Lte, value, scope)?)),
    ("$in", |name, value, scope| is(membership(name, value, scope)?)),
    ("$nin", |name, value, scope| not(Clause::Is(membership(name, value, scope)?))),
    ("$exists", |_, value, _| exists(value)),
    ("$type", |_, value, _| is(Test::Type(kinds(value)?))),
    ("$mod", |_, value, _| is(modulo(value)?)),
    ("$size", |_, value, _| is(size(value)?)),
    ("$all", |_, value, scope| all(value, scope)),
    ("$elemMatch", |_, value, scope| is(element_match(value, scope)?)),
    ("$not", |_, value, scope| not(negated(value, scope)?)),
    ("$bitsAllSet", |name, value, _| is(bits(name, BitsWanted::AllSet, value)?)),
    ("$bitsAllClear", |name, value, _| is(bits(name, BitsWanted::AllClear, value)?)),
    ("$bitsAnySet", |name, value, _| is(bits(name, BitsWanted::AnySet, value)?)),
    ("$bitsAnyClear", |name, value, _| is(bits(name, BitsWanted::AnyClear, value)?)),
];

/// Operators that are no condition by themselves, or need what stands beside them.
const BESIDE: [&str; 3] = ["$regex", "$options", "$comment"];

fn is(test: Test) -> Result<Clause> {
    Ok(Clause::Is(test))
}

fn not(clause: Clause) -> Result<Clause> {
    Ok(Clause::Not(Box::new(clause)))
}

fn expression(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Node> {
    if scope.nested {
        return Err(MqlError::bad_value("$expr can only be applied to the top-level document"));
    }
    Ok(Node::Expr(Expr::parse(value, scope.context)?))
}

/// True for this share of the documents.
fn sample_rate(value: RawBsonRef<'_>, context: &Context) -> Result<Expr> {
    let rate = Number::of(value).map(Number::to_f64).filter(|rate| (0.0..=1.0).contains(rate));
    let Some(rate) = rate else {
        return Err(MqlError::bad_value("argument to $sampleRate must be in [0, 1]"));
    };
    let chance = rawdoc! { "$lt": [{ "$rand": {} }, rate] };
    Expr::parse(RawBsonRef::Document(&chance), context)
}

fn branches(operator: &str, value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Vec<Node>> {
    let Some(array) = value.as_array() else {
        return Err(MqlError::bad_value(format!("{operator} must be an array")));
    };
    let mut nodes = Vec::new();
    for entry in array {
        let Some(filter) = entry?.as_document() else {
            let message = format!("{operator} entries need to be full objects");
            return Err(MqlError::bad_value(message));
        };
        nodes.push(conjunction(filter, scope)?);
    }
    if nodes.is_empty() {
        return Err(MqlError::bad_value(format!("{operator} must be a nonempty array")));
    }
    Ok(nodes)
}

/// What is asked of one field: a document of operators, a pattern, or a value to equal.
fn field_clause(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Clause> {
    match value {
        RawBsonRef::Document(doc) if holds_operators(doc)? => operator_clause(doc, scope),
        other => equality(other, scope),
    }
}

/// Whether a document is made of operators: its first name starts with `$` and is not one of the
/// three names of a database reference.
fn holds_operators(doc: &RawDocument) -> Result<bool> {
    match doc.into_iter().next() {
        None => Ok(false),
        Some(first) => {
            let name = first?.0.as_str();
            Ok(name.starts_with('$') && !matches!(name, "$ref" | "$id" | "$db"))
        }
    }
}

fn equality(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Clause> {
    match value {
        RawBsonRef::RegularExpression(regex) => Ok(Clause::Is(Test::Regex(pattern_of(regex)?))),
        other => Ok(Clause::Is(comparison(Operator::Eq, other, scope)?)),
    }
}

fn pattern_of(regex: bson::RawRegexRef<'_>) -> Result<Pattern> {
    Pattern::new(regex.pattern.as_str(), regex.options.as_str())
}

fn operator_clause(doc: &RawDocument, scope: Scope<'_>) -> Result<Clause> {
    let scope = scope.deeper()?;
    let mut clauses = Vec::new();
    for element in doc {
        let (name, value) = element?;
        match name.as_str() {
            "$regex" => clauses.push(regex(value, doc)?),
            "$options" if doc.get("$regex")?.is_none() => {
                return Err(MqlError::bad_value("$options needs a $regex"));
            }
            "$options" | "$comment" => {}
            operator => clauses.push(predicate(operator, value, scope)?),
        }
    }
    Ok(Clause::All(clauses))
}

fn predicate(operator: &str, value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Clause> {
    match FIELD.iter().find(|(name, _)| *name == operator) {
        Some((_, parse)) => parse(operator, value, scope),
        None => {
            Err(refusal(operator, || MqlError::bad_value(format!("unknown operator: {operator}"))))
        }
    }
}

fn not_equal(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Clause> {
    if matches!(value, RawBsonRef::RegularExpression(_)) {
        return Err(MqlError::bad_value("Can't have regex as arg to $ne."));
    }
    not(Clause::Is(comparison(Operator::Eq, value, scope)?))
}

fn comparison(operator: Operator, value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Test> {
    if value == RawBsonRef::Undefined {
        return Err(MqlError::bad_value("cannot compare to undefined"));
    }
    match &scope.context.collation {
        Some(collation) if may_hold_strings(value) => {
            Ok(Test::Collated(operator, value.into(), collation.clone()))
        }
        _ => Ok(Test::Compare(operator, value.into())),
    }
}

fn bound(operator: Operator, value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Test> {
    if matches!(value, RawBsonRef::RegularExpression(_)) {
        return Err(MqlError::bad_value("Can't have RegEx as arg to a comparison predicate"));
    }
    comparison(operator, value, scope)
}

fn membership(operator: &str, value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Test> {
    let Some(array) = value.as_array() else {
        return Err(MqlError::bad_value(format!("{operator} needs an array")));
    };
    let (mut values, mut patterns) = (Vec::new(), Vec::new());
    for element in array {
        match element? {
            RawBsonRef::RegularExpression(regex) => patterns.push(pattern_of(regex)?),
            RawBsonRef::Document(doc) if holds_operators(doc)? => {
                return Err(MqlError::bad_value(format!("cannot nest $ under {operator}")));
            }
            RawBsonRef::Undefined => {
                return Err(MqlError::bad_value("cannot compare to undefined"));
            }
            other => values.push(RawBson::from(other)),
        }
    }
    if values.is_empty() && patterns.is_empty() {
        return Ok(Test::Never);
    }
    Ok(Test::In(Membership::new(values, patterns, scope.context.collation.clone())))
}

fn exists(value: RawBsonRef<'_>) -> Result<Clause> {
    let clause = Clause::Is(Test::Exists);
    if types::is_truthy(value) { Ok(clause) } else { not(clause) }
}

fn kinds(value: RawBsonRef<'_>) -> Result<Vec<ElementType>> {
    let mut out = Vec::new();
    match value {
        RawBsonRef::Array(array) => {
            for element in array {
                add_kind(element?, &mut out)?;
            }
        }
        one => add_kind(one, &mut out)?,
    }
    if out.is_empty() {
        return Err(MqlError::failed_to_parse("$type must match at least one type"));
    }
    Ok(out)
}

fn add_kind(value: RawBsonRef<'_>, out: &mut Vec<ElementType>) -> Result<()> {
    if let Some(name) = value.as_str() {
        if name == "number" {
            out.extend(types::NUMERIC);
            return Ok(());
        }
        let unknown = || MqlError::bad_value(format!("Unknown type name alias: {name}"));
        out.push(types::by_name(name).ok_or_else(unknown)?);
        return Ok(());
    }
    let Some(number) = Number::of(value) else {
        return Err(MqlError::type_mismatch("type must be represented as a number or a string"));
    };
    let kind = number.as_integer().and_then(types::by_code);
    out.push(kind.ok_or_else(|| MqlError::bad_value("Invalid numerical type code"))?);
    Ok(())
}

fn modulo(value: RawBsonRef<'_>) -> Result<Test> {
    let Some(array) = value.as_array() else {
        return Err(MqlError::bad_value("malformed mod, needs to be an array"));
    };
    let parts: Vec<_> = array.into_iter().collect::<std::result::Result<_, _>>()?;
    let [divisor, remainder] = parts.as_slice() else {
        let how = if parts.len() < 2 { "not enough" } else { "too many" };
        return Err(MqlError::bad_value(format!("malformed mod, {how} elements")));
    };
    let whole = |value: &RawBsonRef<'_>, what: &str| {
        let number = Number::of(*value);
        let refused = || MqlError::bad_value(format!("malformed mod, {what} not a number"));
        number.and_then(Number::truncated).ok_or_else(refused)
    };
    let (divisor, remainder) = (whole(divisor, "divisor")?, whole(remainder, "remainder")?);
    if divisor == 0 {
        return Err(MqlError::bad_value("divisor cannot be 0"));
    }
    Ok(Test::Mod { divisor, remainder })
}

fn size(value: RawBsonRef<'_>) -> Result<Test> {
    match Number::of(value).and_then(Number::as_integer) {
        Some(size) if size >= 0 => Ok(Test::Size(size)),
        _ => Err(MqlError::bad_value("Failed to parse $size. Expected a non-negative integer")),
    }
}

fn all(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Clause> {
    let Some(array) = value.as_array() else {
        return Err(MqlError::bad_value("$all needs an array"));
    };
    let mut clauses = Vec::new();
    for element in array {
        clauses.push(match element? {
            RawBsonRef::Document(doc) if holds_operators(doc)? => {
                let mut fields = doc.into_iter();
                match fields.next().transpose()? {
                    Some((name, inner)) if name.as_str() == "$elemMatch" => {
                        Clause::Is(element_match(inner, scope)?)
                    }
                    _ => return Err(MqlError::bad_value("no $ expressions in $all")),
                }
            }
            other => equality(other, scope)?,
        });
    }
    Ok(if clauses.is_empty() { Clause::Is(Test::Never) } else { Clause::All(clauses) })
}

fn element_match(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Test> {
    let Some(doc) = value.as_document() else {
        return Err(MqlError::bad_value("$elemMatch needs an Object"));
    };
    let scope = Scope { nested: true, ..scope };
    let first = doc.into_iter().next().transpose()?.map(|(name, _)| name.as_str());
    let of_values = holds_operators(doc)?
        && !matches!(first, Some("$and" | "$or" | "$nor" | "$where" | "$expr"));
    if of_values {
        return Ok(Test::ElementHolds(Box::new(operator_clause(doc, scope)?)));
    }
    Ok(Test::ElementMatches(Box::new(conjunction(doc, scope)?)))
}

fn negated(value: RawBsonRef<'_>, scope: Scope<'_>) -> Result<Clause> {
    match value {
        RawBsonRef::RegularExpression(regex) => Ok(Clause::Is(Test::Regex(pattern_of(regex)?))),
        RawBsonRef::Document(doc) if doc.is_empty() => {
            Err(MqlError::bad_value("$not cannot be empty"))
        }
        RawBsonRef::Document(doc) => operator_clause(doc, scope),
        _ => Err(MqlError::bad_value("$not needs a regex or a document")),
    }
}

fn regex(value: RawBsonRef<'_>, doc: &RawDocument) -> Result<Clause> {
    let options = match doc.get("$options")? {
        None => None,
        Some(RawBsonRef::String(options)) => Some(options),
        Some(_) => return Err(MqlError::bad_value("$options has to be a string")),
    };
    let pattern = match value {
        RawBsonRef::String(source) => Pattern::new(source, options.unwrap_or(""))?,
        RawBsonRef::RegularExpression(regex) => {
            let own = regex.options.as_str();
            if options.is_some() && !own.is_empty() {
                return Err(MqlError::new(51075, "options set in both $regex and $options"));
            }
            Pattern::new(regex.pattern.as_str(), options.unwrap_or(own))?
        }
        _ => return Err(MqlError::bad_value("$regex has to be a string")),
    };
    Ok(Clause::Is(Test::Regex(pattern)))
}

fn bits(operator: &str, want: BitsWanted, value: RawBsonRef<'_>) -> Result<Test> {
    let mask = match value {
        RawBsonRef::Array(positions) => bit_positions(operator, positions)?,
        RawBsonRef::Binary(binary) => binary.bytes.to_vec(),
        other => match Number::of(other).and_then(Number::as_integer) {
            Some(mask) if mask >= 0 => mask.to_le_bytes().to_vec(),
            _ => {
                let message =
                    format!("{operator} takes a non-negative integer, positions or bytes");
                return Err(MqlError::failed_to_parse(message));
            }
        },
    };
    Ok(Test::Bits { want, mask })
}

fn bit_positions(operator: &str, positions: &RawArray) -> Result<Vec<u8>> {
    let mut mask = Vec::new();
    for position in positions {
        let number = Number::of(position?).and_then(Number::as_integer);
        // Positions beyond any number still address bytes of binary values, within reason.
        let Some(bit) = number.filter(|bit| (0..=65_535).contains(bit)) else {
            let message = format!("bit positions of {operator} must be integers from 0 to 65535");
            return Err(MqlError::bad_value(message));
        };
        let byte = (bit / 8) as usize;
        if mask.len() <= byte {
            mask.resize(byte + 1, 0);
        }
        mask[byte] |= 1 << (bit % 8);
    }
    Ok(mask)
}
