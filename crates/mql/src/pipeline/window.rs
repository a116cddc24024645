//! `$setWindowFields`: values computed over the documents around each document of a partition.
//!
//! Windows are counted in documents or measured on the one field sorted by; every accumulator of
//! `$group` works over them, and gaps are filled. What is not here: rates, integrals and moving averages,
//! which are refused by name.

use std::collections::HashMap;
use std::ops::Range;

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::accumulators::{Accumulator, narrow};
use super::parse::too_much_memory;
use crate::expr::{Expr, FieldPath};
use crate::mutate::{set, split};
use crate::number::Number;
use crate::operators::{self, Kind};
use crate::{Context, MqlError, Result, Sort, key, path};

/// A parsed `$setWindowFields`.
#[derive(Debug)]
pub(super) struct WindowFields {
    partition: Expr,
    sort: Sort,
    outputs: Vec<(Vec<String>, Output)>,
}

#[derive(Debug)]
enum Output {
    Accumulate(Accumulator, Expr, Window),
    Rank,
    DenseRank,
    DocumentNumber,
    /// The value of the document so many places further on, or the default.
    Shift(Expr, i64, RawBson),
    /// The last value that is not null.
    LastObserved(Expr),
    /// What lies on the line between the values around it, where there is none.
    Linear(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Window {
    Whole,
    Documents(Bound, Bound),
    /// In units of the field sorted by; milliseconds for dates.
    Range(Bound, Bound),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Unbounded,
    /// Relative to the current document; zero is the document itself.
    At(f64),
}

/// The documents of one execution.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Vec<(Vec<u8>, Vec<u8>, RawDocumentBuf)>,
    bytes: usize,
}

impl WindowFields {
    pub(super) fn parse(spec: &RawDocument, context: &Context) -> Result<Self> {
        for field in spec {
            let (name, _) = field?;
            if !["partitionBy", "sortBy", "output"].contains(&name.as_str()) {
                let message =
                    format!("BSON field '$setWindowFields.{}' is an unknown field.", name.as_str());
                return Err(MqlError::new(40415, message));
            }
        }
        let partition = spec.get("partitionBy")?.unwrap_or(RawBsonRef::Null);
        let sort = match spec.get("sortBy")? {
            None => Sort::default(),
            Some(RawBsonRef::Document(sort)) => Sort::parse(sort)?,
            Some(_) => return Err(MqlError::type_mismatch("'sortBy' must be an object")),
        };
        let Some(RawBsonRef::Document(output)) = spec.get("output")? else {
            let message = "BSON field '$setWindowFields.output' is missing but a required field";
            return Err(MqlError::new(40414, message));
        };
        let sort = sort.collated(context.collation.clone());
        let mut outputs = Vec::new();
        for field in output {
            let (name, value) = field?;
            FieldPath::parse(name.as_str())?;
            let Some(value) = value.as_document() else {
                let message = "the outputs of $setWindowFields must be objects";
                return Err(MqlError::failed_to_parse(message));
            };
            outputs.push((split(name.as_str()), output_of(value, &sort, context)?));
        }
        Ok(Self { partition: Expr::parse(partition, context)?, sort, outputs })
    }

    pub(super) fn add(
        &self,
        waiting: &mut Waiting,
        doc: RawDocumentBuf,
        memory_bytes: usize,
    ) -> Result<()> {
        let partition = self.partition.evaluate(&doc)?;
        if partition.as_array().is_some() {
            let message = "An expression used to partition cannot evaluate to value of type array";
            return Err(MqlError::type_mismatch(message));
        }
        let partition = partition.get().map_or_else(key::missing, key::encode);
        let order = self.sort.key(&doc)?;
        waiting.bytes += partition.len() + order.len() + doc.as_bytes().len();
        waiting.held.push((partition, order, doc));
        if waiting.bytes > memory_bytes {
            return Err(too_much_memory("$setWindowFields", memory_bytes));
        }
        Ok(())
    }

    pub(super) fn finish(&self, waiting: &mut Waiting) -> Result<Vec<RawDocumentBuf>> {
        let mut held = std::mem::take(&mut waiting.held);
        held.sort_by(|(a, x, _), (b, y, _)| a.cmp(b).then_with(|| x.cmp(y)));
        let mut out = Vec::with_capacity(held.len());
        for rows in held.chunk_by(|(a, ..), (b, ..)| a == b) {
            let partition = Partition::of(rows, &self.sort);
            for (row, (.., doc)) in rows.iter().enumerate() {
                let mut doc = doc.clone();
                for (path, output) in &self.outputs {
                    let value = partition.value(output, row)?;
                    doc = set(&doc, path, Some(value.as_raw_bson_ref()))?;
                }
                out.push(doc);
            }
        }
        Ok(out)
    }
}

fn output_of(spec: &RawDocument, sort: &Sort, context: &Context) -> Result<Output> {
    let (mut window, mut operator) = (Window::Whole, None);
    for field in spec {
        let (name, value) = field?;
        match name.as_str() {
            "window" => window = window_of(value, sort)?,
            name => {
                if operator.replace((name.to_owned(), value)).is_some() {
                    let message = "an output of $setWindowFields has one operator";
                    return Err(MqlError::failed_to_parse(message));
                }
            }
        }
    }
    let Some((name, argument)) = operator else {
        return Err(MqlError::failed_to_parse("an output of $setWindowFields needs an operator"));
    };
    let places = ["$rank", "$denseRank", "$documentNumber", "$shift", "$locf", "$linearFill"];
    if places.contains(&name.as_str()) {
        if window != Window::Whole {
            let message = format!("{name} does not accept a 'window' field");
            return Err(MqlError::new(5_371_601, message));
        }
        if sort.is_empty() && name != "$locf" {
            return Err(MqlError::new(5_371_602, format!("{name} needs a sortBy")));
        }
    }
    match name.as_str() {
        "$rank" => Ok(Output::Rank),
        "$denseRank" => Ok(Output::DenseRank),
        "$documentNumber" => Ok(Output::DocumentNumber),
        "$locf" => Ok(Output::LastObserved(Expr::parse(argument, context)?)),
        "$linearFill" => {
            if sort.paths().len() != 1 {
                return Err(MqlError::new(605_001, "$linearFill must be sorted by one field"));
            }
            Ok(Output::Linear(Expr::parse(argument, context)?))
        }
        "$shift" => shift(argument, context),
        name if Accumulator::has(name) => {
            let (accumulator, input) = Accumulator::parse(name, argument, context)?;
            Ok(Output::Accumulate(accumulator, input, window))
        }
        name => Err(operators::refuse(Kind::Window, name, || {
            MqlError::failed_to_parse(format!("Unrecognized window function, {name}"))
        })),
    }
}

fn shift(argument: RawBsonRef<'_>, context: &Context) -> Result<Output> {
    let wrong = || MqlError::failed_to_parse("$shift needs 'output' and a whole number 'by'");
    let spec = argument.as_document().ok_or_else(wrong)?;
    let by = spec.get("by")?.and_then(Number::of).and_then(Number::as_integer).ok_or_else(wrong)?;
    let output = Expr::parse(spec.get("output")?.ok_or_else(wrong)?, context)?;
    let default = match spec.get("default")? {
        None => RawBson::Null,
        Some(value) => match Expr::parse(value, context)?.constant() {
            Some(value) => value.clone(),
            None => return Err(MqlError::failed_to_parse("'default' of $shift must be constant")),
        },
    };
    Ok(Output::Shift(output, by, default))
}

fn window_of(value: RawBsonRef<'_>, sort: &Sort) -> Result<Window> {
    let wrong = |what: &str| MqlError::failed_to_parse(format!("'window' {what}"));
    let spec = value.as_document().ok_or_else(|| wrong("must be an object"))?;
    let (documents, range) = (spec.get("documents")?, spec.get("range")?);
    let unit = match spec.get("unit")? {
        None => 1.0,
        Some(unit) => unit_ms(unit.as_str().unwrap_or_default())?,
    };
    for field in spec {
        if !["documents", "range", "unit"].contains(&field?.0.as_str()) {
            return Err(wrong("has an unknown field"));
        }
    }
    match (documents, range) {
        (None, None) => Ok(Window::Whole),
        (Some(bounds), None) => {
            let [low, high] = bounds_of(bounds, 1.0)?;
            let whole = |bound| matches!(bound, Bound::At(at) if at != f64::trunc(at));
            if whole(low) || whole(high) {
                return Err(wrong("bounds of documents must be whole numbers"));
            }
            if sort.is_empty() && (low, high) != (Bound::Unbounded, Bound::Unbounded) {
                return Err(MqlError::new(5_339_901, "document-based bounds need a sortBy"));
            }
            Ok(Window::Documents(low, high))
        }
        (None, Some(bounds)) => {
            if !matches!(sort.paths(), [(_, true)]) {
                let message = "Range-based window require sortBy a single field ascending";
                return Err(MqlError::new(5_339_902, message));
            }
            let [low, high] = bounds_of(bounds, unit)?;
            Ok(Window::Range(low, high))
        }
        _ => Err(wrong("can have 'documents' or 'range', not both")),
    }
}

/// Milliseconds of a unit of even length; months and years have none.
fn unit_ms(unit: &str) -> Result<f64> {
    Ok(match unit {
        "millisecond" => 1.0,
        "second" => 1_000.0,
        "minute" => 60_000.0,
        "hour" => 3_600_000.0,
        "day" => 86_400_000.0,
        "week" => 604_800_000.0,
        "month" | "quarter" | "year" => {
            return Err(MqlError::not_implemented(format!("a window in the unit '{unit}'")));
        }
        _ => return Err(MqlError::failed_to_parse(format!("unknown time unit value: {unit}"))),
    })
}

fn bounds_of(value: RawBsonRef<'_>, unit: f64) -> Result<[Bound; 2]> {
    let wrong =
        || MqlError::failed_to_parse("Window bounds must be a 2-element array of numbers or words");
    let array = value.as_array().ok_or_else(wrong)?;
    let mut bounds = Vec::new();
    for bound in array {
        bounds.push(match bound? {
            RawBsonRef::String("unbounded") => Bound::Unbounded,
            RawBsonRef::String("current") => Bound::At(0.0),
            other => Bound::At(Number::of(other).ok_or_else(wrong)?.to_f64() * unit),
        });
    }
    let [low, high] = bounds.as_slice() else { return Err(wrong()) };
    if matches!((low, high), (Bound::At(low), Bound::At(high)) if low > high) {
        let message = "Lower bound must not exceed upper bound";
        return Err(MqlError::new(5_339_900, message));
    }
    Ok([*low, *high])
}

/// The documents of one partition, in order.
struct Partition<'p> {
    rows: &'p [(Vec<u8>, Vec<u8>, RawDocumentBuf)],
    /// Where the documents are on the field sorted by; `None` for what is neither number nor date.
    places: Vec<Option<f64>>,
    ranks: HashMap<&'p [u8], (usize, usize)>,
}

impl<'p> Partition<'p> {
    fn of(rows: &'p [(Vec<u8>, Vec<u8>, RawDocumentBuf)], sort: &Sort) -> Self {
        let field = sort.paths().first().map(|(path, _)| path.as_str());
        let place = |doc: &RawDocument| match field.and_then(|field| path::get(doc, field)) {
            Some(RawBsonRef::DateTime(date)) => Some(date.timestamp_millis() as f64),
            other => other.and_then(Number::of).map(Number::to_f64),
        };
        let mut ranks = HashMap::new();
        for (row, (_, order, _)) in rows.iter().enumerate() {
            let dense = ranks.len() + 1;
            ranks.entry(order.as_slice()).or_insert((row + 1, dense));
        }
        Self { rows, places: rows.iter().map(|(.., doc)| place(doc)).collect(), ranks }
    }

    fn value(&self, output: &Output, row: usize) -> Result<RawBson> {
        let doc = |row: usize| -> &RawDocument { &self.rows[row].2 };
        let rank = || self.ranks.get(self.rows[row].1.as_slice()).copied().unwrap_or_default();
        Ok(match output {
            Output::Rank => number(rank().0),
            Output::DenseRank => number(rank().1),
            Output::DocumentNumber => number(row + 1),
            Output::Shift(expr, by, default) => {
                let at = i64::try_from(row).unwrap_or(i64::MAX).saturating_add(*by);
                match usize::try_from(at).ok().filter(|at| *at < self.rows.len()) {
                    Some(at) => expr.evaluate(doc(at))?.into_raw().unwrap_or(RawBson::Null),
                    None => default.clone(),
                }
            }
            Output::LastObserved(expr) => {
                for row in (0..=row).rev() {
                    let value = expr.evaluate(doc(row))?;
                    if !value.is_nullish() {
                        return Ok(value.into_raw().unwrap_or(RawBson::Null));
                    }
                }
                RawBson::Null
            }
            Output::Linear(expr) => self.on_the_line(expr, row)?,
            Output::Accumulate(accumulator, input, window) => {
                let mut state = accumulator.start();
                for row in self.window(*window, row)? {
                    state.add(input.evaluate(doc(row))?, doc(row))?;
                }
                state.finish()
            }
        })
    }

    /// The value of a row, or what lies between the nearest values before and behind it.
    fn on_the_line(&self, expr: &Expr, row: usize) -> Result<RawBson> {
        let own = expr.evaluate(&self.rows[row].2)?;
        if !own.is_nullish() {
            amount(own.get())?;
            return Ok(own.into_raw().unwrap_or(RawBson::Null));
        }
        let before = self.nearest(expr, (0..row).rev())?;
        let behind = self.nearest(expr, row + 1..self.rows.len())?;
        let (Some((x0, y0)), Some((x1, y1))) = (before, behind) else { return Ok(RawBson::Null) };
        let x = self.place(row)?;
        if x0 == x1 {
            let message = "the field that $linearFill is sorted by must not repeat";
            return Err(MqlError::new(6_050_106, message));
        }
        Ok(RawBson::Double(y0 + (y1 - y0) * (x - x0) / (x1 - x0)))
    }

    /// The first of these rows that has a value: where it is, and the value.
    fn nearest(
        &self,
        expr: &Expr,
        rows: impl Iterator<Item = usize>,
    ) -> Result<Option<(f64, f64)>> {
        for row in rows {
            let value = expr.evaluate(&self.rows[row].2)?;
            if !value.is_nullish() {
                return Ok(Some((self.place(row)?, amount(value.get())?)));
            }
        }
        Ok(None)
    }

    fn place(&self, row: usize) -> Result<f64> {
        self.places[row].ok_or_else(|| {
            let message = "the field that $linearFill is sorted by must be a number or a date";
            MqlError::new(605_002, message)
        })
    }

    fn window(&self, window: Window, row: usize) -> Result<Range<usize>> {
        let length = self.rows.len();
        match window {
            Window::Whole => Ok(0..length),
            Window::Documents(low, high) => {
                let at = |bound, open: f64, more: f64| match bound {
                    Bound::Unbounded => open,
                    Bound::At(by) => (row as f64 + by + more).clamp(0.0, length as f64),
                };
                let (start, end) = (at(low, 0.0, 0.0), at(high, length as f64, 1.0));
                Ok(start as usize..(end as usize).max(start as usize))
            }
            Window::Range(low, high) => {
                let Some(here) = self.places[row] else {
                    let message = "the field sorted by must be a number or a date for a range";
                    return Err(MqlError::new(5_429_413, message));
                };
                let inside = |place: &Option<f64>| {
                    let Some(place) = place else { return false };
                    let above = matches!(low, Bound::At(by) if *place < here + by);
                    let below = matches!(high, Bound::At(by) if *place > here + by);
                    !above && !below
                };
                let start = self.places.iter().position(inside).unwrap_or(length);
                let inside = self.places[start..].iter().take_while(|place| inside(place)).count();
                Ok(start..start + inside)
            }
        }
    }
}

fn amount(value: Option<RawBsonRef<'_>>) -> Result<f64> {
    value
        .and_then(Number::of)
        .map(Number::to_f64)
        .ok_or_else(|| MqlError::new(605_003, "Value to be filled must be numeric or nullish"))
}

fn number(count: usize) -> RawBson {
    narrow(i64::try_from(count).unwrap_or(i64::MAX))
}
