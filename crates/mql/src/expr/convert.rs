//! `$convert`, the `$to…` family, `$type` and `$isNumber`.

use bson::oid::ObjectId;
use bson::spec::ElementType;
use bson::{Decimal128, RawBsonRef};

use super::arithmetic::{decimal_value, to_decimal};
use super::calendar::{Civil, Zone};
use super::date_parts::date_ms;
use super::parse::{Parser, missing_argument, named_fields};
use super::value::Value;
use super::{Env, Expr, Special};
use crate::number::Number;
use crate::{MqlError, Result, code, types};

pub(super) fn type_of<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::string(args[0].type_name()))
}

pub(super) fn is_number<'e>(args: Vec<Value<'e>>) -> Result<Value<'e>> {
    Ok(Value::boolean(args[0].as_number().is_some()))
}

/// The target type, fixed or computed, and what to answer instead of an error or null.
#[derive(Debug)]
struct Convert {
    input: Expr,
    to: Expr,
    on_error: Option<Expr>,
    on_null: Option<Expr>,
}

impl Special for Convert {
    fn eval<'e>(&'e self, env: &Env<'e>) -> Result<Value<'e>> {
        let input = self.input.eval(env)?;
        let to = self.to.eval(env)?;
        if input.is_nullish() {
            return match &self.on_null {
                Some(expr) => expr.eval(env),
                None => Ok(Value::NULL),
            };
        }
        if to.is_nullish() {
            return Ok(Value::NULL);
        }
        match (convert(&input, target(&to)?), &self.on_error) {
            (Err(error), Some(expr)) if error.code == code::CONVERSION_FAILURE => expr.eval(env),
            (result, _) => Ok(result?.into_owned()),
        }
    }
}

fn target(to: &Value<'_>) -> Result<ElementType> {
    let found = match (to.as_str(), to.as_integer()) {
        (Some(name), _) => types::by_name(name),
        (None, Some(code)) => types::by_code(code),
        (None, None) => None,
    };
    found.ok_or_else(|| MqlError::bad_value("$convert's 'to' argument is not a known type"))
}

pub(super) fn convert_to(
    name: &str,
    value: RawBsonRef<'_>,
    parser: &mut Parser<'_>,
) -> Result<Expr> {
    let given = named_fields(name, value, &["input", "to", "onError", "onNull"])?;
    let input = given[0].ok_or_else(|| missing_argument(name, "input"))?;
    let to = given[1].ok_or_else(|| missing_argument(name, "to"))?;
    if to.as_document().is_some_and(|doc| doc.get("type").ok().flatten().is_some()) {
        return Err(MqlError::not_implemented("$convert with a subtype"));
    }
    Ok(Expr::Special(Box::new(Convert {
        input: parser.parse(input)?,
        to: parser.parse(to)?,
        on_error: given[2].map(|value| parser.parse(value)).transpose()?,
        on_null: given[3].map(|value| parser.parse(value)).transpose()?,
    })))
}

/// `$toInt` and its like.
pub(super) fn shorthand(
    name: &str,
    value: RawBsonRef<'_>,
    parser: &mut Parser<'_>,
) -> Result<Expr> {
    let to = match name {
        "$toBool" => "bool",
        "$toInt" => "int",
        "$toLong" => "long",
        "$toDouble" => "double",
        "$toDecimal" => "decimal",
        "$toString" => "string",
        "$toObjectId" => "objectId",
        _ => "date",
    };
    let input = parser.arguments(name, value, 1, 1)?.remove(0);
    let to = Expr::Constant(bson::RawBson::String(to.to_owned()));
    Ok(Expr::Special(Box::new(Convert { input, to, on_error: None, on_null: None })))
}

fn failure(message: String) -> MqlError {
    MqlError::new(code::CONVERSION_FAILURE, message)
}

fn unsupported(input: &Value<'_>, to: &str) -> MqlError {
    failure(format!(
        "Unsupported conversion from {} to {to} in $convert with no onError value",
        input.type_name()
    ))
}

fn convert<'e>(input: &Value<'_>, to: ElementType) -> Result<Value<'e>> {
    match to {
        ElementType::Boolean => {
            Ok(Value::boolean(input.as_number().is_none_or(|n| !n.is_zero()) && input.is_truthy()))
        }
        ElementType::Int32 => to_int(input),
        ElementType::Int64 => to_long(input).map(|v| Value::Ref(RawBsonRef::Int64(v))),
        ElementType::Double => to_double(input),
        ElementType::Decimal128 => to_decimal128(input),
        ElementType::String => to_text(input).map(Value::string),
        ElementType::ObjectId => to_object_id(input),
        ElementType::DateTime => to_date(input),
        _ => Err(unsupported(input, "the requested type")),
    }
}

fn to_int<'e>(input: &Value<'_>) -> Result<Value<'e>> {
    if matches!(input.get(), Some(RawBsonRef::DateTime(_))) {
        return Err(unsupported(input, "int"));
    }
    let wide = to_long(input)?;
    let overflow = || {
        failure("Conversion would overflow target type in $convert with no onError value".into())
    };
    i32::try_from(wide).map(Value::int).map_err(|_| overflow())
}

fn to_long(input: &Value<'_>) -> Result<i64> {
    match input.get() {
        Some(RawBsonRef::Boolean(flag)) => Ok(i64::from(flag)),
        Some(RawBsonRef::DateTime(date)) => Ok(date.timestamp_millis()),
        Some(RawBsonRef::String(text)) => text.parse().map_err(|_| bad_number(text)),
        _ => {
            let Some(number) = input.as_number() else { return Err(unsupported(input, "long")) };
            number.truncated().ok_or_else(|| {
                let message = "Conversion would overflow target type in $convert with no onError \
                               value";
                failure(message.to_owned())
            })
        }
    }
}

fn bad_number(text: &str) -> MqlError {
    failure(format!("Failed to parse number '{text}' in $convert with no onError value"))
}

fn to_double<'e>(input: &Value<'_>) -> Result<Value<'e>> {
    let value = match input.get() {
        Some(RawBsonRef::Boolean(flag)) => f64::from(u8::from(flag)),
        Some(RawBsonRef::DateTime(date)) => date.timestamp_millis() as f64,
        Some(RawBsonRef::String(text)) => parse_double(text)?,
        _ => match input.as_number() {
            Some(number @ Number::Decimal(decimal)) => {
                let double = decimal.to_f64();
                let finite = matches!(decimal, crate::decimal::Decimal::Finite(_));
                if finite && double.is_infinite() {
                    let message = "Conversion would overflow target type in $convert with no \
                                   onError value";
                    return Err(failure(message.to_owned()));
                }
                number.to_f64()
            }
            Some(number) => number.to_f64(),
            None => return Err(unsupported(input, "double")),
        },
    };
    Ok(Value::double(value))
}

/// Rust's grammar is wider than decimal numbers by words only; it takes no spaces.
fn parse_double(text: &str) -> Result<f64> {
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let word = matches!(text.trim_start_matches(['+', '-']), "NaN" | "Infinity" | "inf" | "nan");
    if !digits && !word {
        return Err(bad_number(text));
    }
    text.parse().map_err(|_| bad_number(text))
}

fn to_decimal128<'e>(input: &Value<'_>) -> Result<Value<'e>> {
    match input.get() {
        Some(RawBsonRef::Boolean(flag)) => Ok(decimal_value(to_decimal(Number::Int(flag.into())))),
        Some(RawBsonRef::DateTime(date)) => {
            Ok(decimal_value(to_decimal(Number::Int(date.timestamp_millis()))))
        }
        Some(RawBsonRef::String(text)) => {
            let parsed: std::result::Result<Decimal128, _> = text.parse();
            parsed.map(|v| Value::Ref(RawBsonRef::Decimal128(v))).map_err(|_| bad_number(text))
        }
        _ => match input.as_number() {
            Some(number) => Ok(decimal_value(to_decimal(number))),
            None => Err(unsupported(input, "decimal")),
        },
    }
}

fn to_text(input: &Value<'_>) -> Result<String> {
    match input.get() {
        Some(RawBsonRef::String(text) | RawBsonRef::Symbol(text)) => Ok(text.to_owned()),
        Some(RawBsonRef::Boolean(flag)) => Ok(flag.to_string()),
        Some(RawBsonRef::Int32(v)) => Ok(v.to_string()),
        Some(RawBsonRef::Int64(v)) => Ok(v.to_string()),
        Some(RawBsonRef::Double(v)) => Ok(text_of_double(v)),
        Some(RawBsonRef::Decimal128(v)) => Ok(v.to_string()),
        Some(RawBsonRef::ObjectId(id)) => Ok(id.to_hex()),
        Some(RawBsonRef::DateTime(date)) => Ok(text_of_date(date.timestamp_millis())),
        _ => Err(unsupported(input, "string")),
    }
}

/// The shortest text that reads back as the same double, in C's style.
pub(super) fn text_of_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -5..=15 => value.to_string(),
        exponent if exponent < 0 => format!("{digits}e-{:02}", -exponent),
        exponent => format!("{digits}e+{exponent:02}"),
    }
}

/// ISO 8601 with milliseconds and `Z`.
pub(crate) fn text_of_date(ms: i64) -> String {
    let civil = Civil::of(ms);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        civil.year,
        civil.month,
        civil.day,
        civil.hour(),
        civil.minute(),
        civil.second(),
        civil.millisecond()
    )
}

fn to_object_id<'e>(input: &Value<'_>) -> Result<Value<'e>> {
    match input.get() {
        Some(RawBsonRef::ObjectId(id)) => Ok(Value::Ref(RawBsonRef::ObjectId(id))),
        Some(RawBsonRef::String(text)) => match ObjectId::parse_str(text) {
            Ok(id) => Ok(Value::Ref(RawBsonRef::ObjectId(id))),
            Err(_) => Err(failure(format!(
                "Failed to parse objectId '{text}' in $convert with no onError value"
            ))),
        },
        _ => Err(unsupported(input, "objectId")),
    }
}

fn to_date<'e>(input: &Value<'_>) -> Result<Value<'e>> {
    match input.get() {
        Some(RawBsonRef::String(text)) => parse_date(text, None).map(Value::date),
        Some(RawBsonRef::Int64(ms)) => Ok(Value::date(ms)),
        Some(RawBsonRef::Double(_) | RawBsonRef::Decimal128(_)) => to_long(input).map(Value::date),
        Some(RawBsonRef::DateTime(_) | RawBsonRef::Timestamp(_) | RawBsonRef::ObjectId(_)) => {
            date_ms(input).map(Value::date)
        }
        _ => Err(unsupported(input, "date")),
    }
}

/// ISO 8601: a date, optionally a time to the minute, second or fraction, optionally an offset.
pub(super) fn parse_date(text: &str, zone: Option<Zone>) -> Result<i64> {
    let failed = || failure(format!("Error parsing date string '{text}'"));
    let mut reader = Reader(text);
    let ms = reader.date().ok_or_else(failed)?;
    let offset = reader.0.trim_start();
    if !offset.is_empty() && zone.is_some() {
        let message = "you cannot pass in a date/time string with time zone information together \
                       with a timezone argument";
        return Err(failure(message.to_owned()));
    }
    let zone = match offset {
        "" => zone.unwrap_or(Zone::UTC),
        "z" => Zone::UTC,
        other => Zone::parse(other).map_err(|_| failed())?,
    };
    zone.to_utc(ms).ok_or_else(failed)
}

/// Reads a date from the front of a text.
struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let end = self.0.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if end < min {
            return None;
        }
        let number = self.0[..end].parse().ok()?;
        self.0 = &self.0[end..];
        Some(number)
    }

    fn skip(&mut self, wanted: &[char]) -> Option<()> {
        self.0 = self.0.strip_prefix(wanted)?;
        Some(())
    }

    fn ranged(&mut self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        self.number(1, 2).filter(|number| range.contains(number))
    }

    fn date(&mut self) -> Option<i64> {
        let year = self.number(4, 4)?;
        self.skip(&['-', '/'])?;
        let month = self.ranged(1..=12)?;
        self.skip(&['-', '/'])?;
        let day = self.ranged(1..=super::calendar::days_in_month(year, month))?;
        let time_ms = if self.skip(&['T', 't', ' ']).is_some() { self.time()? } else { 0 };
        Civil { year, month, day, time_ms }.to_ms()
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.ranged(0..=23)?;
        self.skip(&[':'])?;
        let minute = self.ranged(0..=59)?;
        let mut ms = (hour * 60 + minute) * 60_000;
        if self.skip(&[':']).is_some() {
            ms += self.ranged(0..=59)? * 1_000;
            if self.skip(&['.', ',']).is_some() {
                ms += self.fraction()?;
            }
        }
        Some(ms)
    }

    /// Digits behind the second, cut to milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        let end = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let digits: String = self.0[..end].chars().chain("000".chars()).take(3).collect();
        self.0 = &self.0[end..];
        (end > 0).then(|| digits.parse().ok()).flatten()
    }
}
