//! The one list of expression operators: name, arguments, implementation.

use bson::RawBsonRef;

use super::parse::Parser;
use super::{
    Eager, Expr, accumulate, arithmetic, arrays, bits, chance, control, convert, date_parts, dates,
    iterate, objects, patterns, rounding, sets, several, strings, trigonometry,
};
use crate::Result;

/// How an operator is compiled.
pub(super) enum Build {
    /// So many arguments, evaluated first.
    Args(usize, usize, Eager),
    /// A document of named arguments, evaluated first and passed in this order.
    Named(&'static [(&'static str, Argument)], Eager),
    /// By a function of its own.
    Special(fn(&str, RawBsonRef<'_>, &mut Parser<'_>) -> Result<Expr>),
}

/// What a named argument is when it is not given.
pub(super) enum Argument {
    Required,
    /// No value; one that is given but missing is null.
    Absent,
    /// No value, whether given or not.
    Unset,
    Null,
    Text(&'static str),
}

use Argument::{Absent, Null, Required, Text, Unset};
use Build::{Args, Named, Special};

/// The operator with a name.
pub(super) fn find(name: &str) -> Option<&'static Build> {
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, build)| build)
}

/// The names of all operators.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

const MANY: usize = usize::MAX;

static TABLE: &[(&str, Build)] = &[
    // Comparison, logic, conditions, variables.
    ("$eq", Special(control::compare)),
    ("$ne", Special(control::compare)),
    ("$gt", Special(control::compare)),
    ("$gte", Special(control::compare)),
    ("$lt", Special(control::compare)),
    ("$lte", Special(control::compare)),
    ("$cmp", Special(control::compare)),
    ("$and", Special(control::and)),
    ("$or", Special(control::or)),
    ("$not", Special(control::not)),
    ("$cond", Special(control::cond)),
    ("$ifNull", Special(control::if_null)),
    ("$switch", Special(control::switch)),
    ("$let", Special(control::let_in)),
    ("$literal", Special(control::literal)),
    ("$const", Special(control::literal)),
    // Arithmetic.
    ("$add", Args(0, MANY, arithmetic::add)),
    ("$subtract", Args(2, 2, arithmetic::subtract)),
    ("$multiply", Args(0, MANY, arithmetic::multiply)),
    ("$divide", Args(2, 2, arithmetic::divide)),
    ("$mod", Args(2, 2, arithmetic::modulo)),
    ("$abs", Args(1, 1, rounding::abs)),
    ("$ceil", Args(1, 1, rounding::ceil)),
    ("$floor", Args(1, 1, rounding::floor)),
    ("$round", Args(1, 2, rounding::round)),
    ("$trunc", Args(1, 2, rounding::trunc)),
    ("$sqrt", Args(1, 1, rounding::sqrt)),
    ("$exp", Args(1, 1, rounding::exp)),
    ("$ln", Args(1, 1, rounding::ln)),
    ("$log", Args(2, 2, rounding::log)),
    ("$log10", Args(1, 1, rounding::log10)),
    ("$pow", Args(2, 2, rounding::pow)),
    ("$sin", Args(1, 1, trigonometry::sin)),
    ("$cos", Args(1, 1, trigonometry::cos)),
    ("$tan", Args(1, 1, trigonometry::tan)),
    ("$asin", Args(1, 1, trigonometry::asin)),
    ("$acos", Args(1, 1, trigonometry::acos)),
    ("$atan", Args(1, 1, trigonometry::atan)),
    ("$atan2", Args(2, 2, trigonometry::atan2)),
    ("$sinh", Args(1, 1, trigonometry::sinh)),
    ("$cosh", Args(1, 1, trigonometry::cosh)),
    ("$tanh", Args(1, 1, trigonometry::tanh)),
    ("$asinh", Args(1, 1, trigonometry::asinh)),
    ("$acosh", Args(1, 1, trigonometry::acosh)),
    ("$atanh", Args(1, 1, trigonometry::atanh)),
    ("$degreesToRadians", Args(1, 1, trigonometry::degrees_to_radians)),
    ("$radiansToDegrees", Args(1, 1, trigonometry::radians_to_degrees)),
    ("$bitAnd", Args(0, MANY, bits::and)),
    ("$bitOr", Args(0, MANY, bits::or)),
    ("$bitXor", Args(0, MANY, bits::xor)),
    ("$bitNot", Args(1, 1, bits::not)),
    ("$rand", Special(chance::rand)),
    ("$sum", Args(0, MANY, accumulate::sum)),
    ("$avg", Args(0, MANY, accumulate::avg)),
    ("$min", Args(0, MANY, accumulate::min)),
    ("$max", Args(0, MANY, accumulate::max)),
    ("$stdDevPop", Args(0, MANY, accumulate::std_dev_pop)),
    ("$stdDevSamp", Args(0, MANY, accumulate::std_dev_samp)),
    // Strings.
    ("$concat", Args(0, MANY, strings::concat)),
    ("$toLower", Args(1, 1, strings::to_lower)),
    ("$toUpper", Args(1, 1, strings::to_upper)),
    ("$strcasecmp", Args(2, 2, strings::case_compare)),
    ("$substr", Args(3, 3, strings::substr_bytes)),
    ("$substrBytes", Args(3, 3, strings::substr_bytes)),
    ("$substrCP", Args(3, 3, strings::substr_cp)),
    ("$strLenBytes", Args(1, 1, strings::str_len_bytes)),
    ("$strLenCP", Args(1, 1, strings::str_len_cp)),
    ("$split", Args(2, 2, strings::split)),
    ("$trim", Named(TRIM, strings::trim)),
    ("$ltrim", Named(TRIM, strings::ltrim)),
    ("$rtrim", Named(TRIM, strings::rtrim)),
    ("$indexOfBytes", Args(2, 4, strings::index_of_bytes)),
    ("$indexOfCP", Args(2, 4, strings::index_of_cp)),
    ("$replaceOne", Named(REPLACE, strings::replace_one)),
    ("$replaceAll", Named(REPLACE, strings::replace_all)),
    ("$regexMatch", Special(patterns::search)),
    ("$regexFind", Special(patterns::search)),
    ("$regexFindAll", Special(patterns::search)),
    // Arrays.
    ("$size", Args(1, 1, arrays::size)),
    ("$isArray", Args(1, 1, arrays::is_array)),
    ("$arrayElemAt", Args(2, 2, arrays::array_elem_at)),
    ("$first", Args(1, 1, arrays::first)),
    ("$last", Args(1, 1, arrays::last)),
    ("$in", Args(2, 2, arrays::contains)),
    ("$concatArrays", Args(0, MANY, arrays::concat_arrays)),
    ("$slice", Args(2, 3, arrays::slice)),
    ("$reverseArray", Args(1, 1, arrays::reverse_array)),
    ("$range", Args(2, 3, arrays::range)),
    ("$indexOfArray", Args(2, 4, arrays::index_of_array)),
    ("$zip", Named(ZIP, arrays::zip)),
    ("$firstN", Named(SEVERAL, several::first_n)),
    ("$lastN", Named(SEVERAL, several::last_n)),
    ("$minN", Named(SEVERAL, several::min_n)),
    ("$maxN", Named(SEVERAL, several::max_n)),
    ("$sortArray", Named(SORT_ARRAY, arrays::sort_array)),
    ("$map", Special(iterate::map)),
    ("$filter", Special(iterate::filter)),
    ("$reduce", Special(iterate::reduce)),
    ("$setUnion", Args(0, MANY, sets::union)),
    ("$setIntersection", Args(0, MANY, sets::intersection)),
    ("$setDifference", Args(2, 2, sets::difference)),
    ("$setEquals", Args(2, MANY, sets::equals)),
    ("$setIsSubset", Args(2, 2, sets::is_subset)),
    ("$allElementsTrue", Args(1, 1, sets::all_elements_true)),
    ("$anyElementTrue", Args(1, 1, sets::any_element_true)),
    // Documents.
    ("$mergeObjects", Args(0, MANY, objects::merge_objects)),
    ("$objectToArray", Args(1, 1, objects::object_to_array)),
    ("$arrayToObject", Args(1, 1, objects::array_to_object)),
    ("$getField", Special(objects::get_field)),
    ("$setField", Special(objects::set_field)),
    ("$unsetField", Special(objects::set_field)),
    ("$bsonSize", Args(1, 1, objects::bson_size)),
    ("$binarySize", Args(1, 1, objects::binary_size)),
    // Dates.
    ("$year", Special(date_parts::part)),
    ("$month", Special(date_parts::part)),
    ("$dayOfMonth", Special(date_parts::part)),
    ("$hour", Special(date_parts::part)),
    ("$minute", Special(date_parts::part)),
    ("$second", Special(date_parts::part)),
    ("$millisecond", Special(date_parts::part)),
    ("$dayOfWeek", Special(date_parts::part)),
    ("$dayOfYear", Special(date_parts::part)),
    ("$week", Special(date_parts::part)),
    ("$isoWeek", Special(date_parts::part)),
    ("$isoWeekYear", Special(date_parts::part)),
    ("$isoDayOfWeek", Special(date_parts::part)),
    ("$dateToParts", Named(DATE_TO_PARTS, date_parts::date_to_parts)),
    ("$dateFromParts", Named(DATE_FROM_PARTS, date_parts::date_from_parts)),
    ("$dateAdd", Named(DATE_SHIFT, dates::date_add)),
    ("$dateSubtract", Named(DATE_SHIFT, dates::date_subtract)),
    ("$dateDiff", Named(DATE_DIFF, dates::date_diff)),
    ("$dateTrunc", Named(DATE_TRUNC, dates::date_trunc)),
    ("$dateToString", Named(DATE_TO_STRING, dates::date_to_string)),
    ("$dateFromString", Named(DATE_FROM_STRING, dates::date_from_string)),
    ("$tsSecond", Args(1, 1, date_parts::ts_second)),
    ("$tsIncrement", Args(1, 1, date_parts::ts_increment)),
    // Types.
    ("$type", Args(1, 1, convert::type_of)),
    ("$isNumber", Args(1, 1, convert::is_number)),
    ("$convert", Special(convert::convert_to)),
    ("$toBool", Special(convert::shorthand)),
    ("$toInt", Special(convert::shorthand)),
    ("$toLong", Special(convert::shorthand)),
    ("$toDouble", Special(convert::shorthand)),
    ("$toDecimal", Special(convert::shorthand)),
    ("$toString", Special(convert::shorthand)),
    ("$toObjectId", Special(convert::shorthand)),
    ("$toDate", Special(convert::shorthand)),
];

const TRIM: &[(&str, Argument)] = &[("input", Required), ("chars", Absent)];
const REPLACE: &[(&str, Argument)] =
    &[("input", Required), ("find", Required), ("replacement", Required)];
const ZIP: &[(&str, Argument)] =
    &[("inputs", Required), ("useLongestLength", Absent), ("defaults", Absent)];
const SEVERAL: &[(&str, Argument)] = &[("n", Required), ("input", Required)];
const SORT_ARRAY: &[(&str, Argument)] = &[("input", Required), ("sortBy", Required)];
const DATE_TO_PARTS: &[(&str, Argument)] =
    &[("date", Required), ("timezone", Text("UTC")), ("iso8601", Absent)];
const DATE_FROM_PARTS: &[(&str, Argument)] = &[
    ("year", Absent),
    ("month", Absent),
    ("day", Absent),
    ("hour", Absent),
    ("minute", Absent),
    ("second", Absent),
    ("millisecond", Absent),
    ("timezone", Text("UTC")),
    ("isoWeekYear", Absent),
    ("isoWeek", Absent),
    ("isoDayOfWeek", Absent),
];
const DATE_SHIFT: &[(&str, Argument)] =
    &[("startDate", Required), ("unit", Required), ("amount", Required), ("timezone", Text("UTC"))];
const DATE_DIFF: &[(&str, Argument)] = &[
    ("startDate", Required),
    ("endDate", Required),
    ("unit", Required),
    ("timezone", Text("UTC")),
    ("startOfWeek", Absent),
];
const DATE_TRUNC: &[(&str, Argument)] = &[
    ("date", Required),
    ("unit", Required),
    ("binSize", Absent),
    ("timezone", Text("UTC")),
    ("startOfWeek", Absent),
];
const DATE_TO_STRING: &[(&str, Argument)] =
    &[("date", Required), ("format", Absent), ("timezone", Text("UTC")), ("onNull", Null)];
const DATE_FROM_STRING: &[(&str, Argument)] = &[
    ("dateString", Required),
    ("format", Absent),
    ("timezone", Absent),
    ("onError", Unset),
    ("onNull", Null),
];
