//! Expression semantics by table.

use bson::{Bson, Document, RawBson, bson, doc};

use super::Expr;
use crate::testing::{decimal, raw};
use crate::{Context, MqlError, Result};

fn evaluate(expr: impl Into<Bson>, doc: Document) -> Result<Option<Bson>> {
    let holder = raw(doc! {"e": expr.into()});
    let mut context = Context::new(86_400_000);
    context.vars = vec![("given".to_owned(), bson!({"deep": 5}))];
    let expr = Expr::parse(holder.get("e").unwrap().unwrap(), &context)?;
    let doc = raw(doc);
    let value = expr.evaluate(&doc)?.into_raw();
    Ok(value.map(|raw: RawBson| Bson::try_from(raw).unwrap()))
}

#[track_caller]
fn check_on(doc: Document, cases: Vec<(Bson, Bson)>) {
    for (expr, expected) in cases {
        let found = evaluate(expr.clone(), doc.clone()).unwrap_or_else(|e| panic!("{expr}: {e:?}"));
        let found = found.unwrap_or(Bson::String("<missing>".into()));
        // Through text, so that types count and NaN equals itself.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{expr}");
    }
}

fn missing() -> Bson {
    Bson::String("<missing>".into())
}

fn code_of(expr: Bson) -> i32 {
    evaluate(expr.clone(), doc! {"s": "x", "n": 1}).map_or_else(|e: MqlError| e.code, |_| 0)
}

fn date(ms: i64) -> Bson {
    Bson::DateTime(bson::DateTime::from_millis(ms))
}

#[test]
fn paths_variables_and_literals() {
    check_on(
        doc! {"a": {"b": 1}, "l": [{"b": 1}, {"c": 2}, 3, [{"b": 4}]], "x": 7},
        vec![
            (bson!("$a.b"), bson!(1)),
            (bson!("$l.b"), bson!([1])),
            (bson!("$nope"), missing()),
            (bson!("$a.b.c"), missing()),
            (bson!("$a.$id"), missing()),
            (bson!("$$ROOT.x"), bson!(7)),
            (bson!("$$CURRENT.x"), bson!(7)),
            (bson!("$$NOW"), date(86_400_000)),
            (bson!("$$REMOVE"), missing()),
            (bson!("$$given.deep"), bson!(5)),
            (bson!({"$literal": "$x"}), bson!("$x")),
            (bson!({"p": "$x", "q": "$nope", "r": [1, "$nope"]}), bson!({"p": 7, "r": [1, null]})),
            (
                bson!({"$let": {"vars": {"v": "$x", "w": 1}, "in": {"$add": ["$$v", "$$w"]}}}),
                bson!(8),
            ),
            (bson!({"$let": {"vars": {"v": "$a"}, "in": "$$v.b"}}), bson!(1)),
            (
                bson!({"$let": {"vars": {"v": 1}, "in": {"$let": {"vars": {"v": 2}, "in": "$$v"}}}}),
                bson!(2),
            ),
        ],
    );
}

#[test]
fn conditions() {
    check_on(
        doc! {"n": null, "x": 7},
        vec![
            (bson!({"$cond": [{"$gt": ["$x", 5]}, "big", "small"]}), bson!("big")),
            (bson!({"$cond": {"if": "$n", "then": 1, "else": 2}}), bson!(2)),
            (bson!({"$ifNull": ["$n", "$nope", "d"]}), bson!("d")),
            (bson!({"$ifNull": ["$n", "$nope"]}), missing()),
            (
                bson!({"$switch": {"branches": [{"case": false, "then": 1}], "default": 9}}),
                bson!(9),
            ),
            (bson!({"$and": ["$x", {"$not": "$n"}]}), bson!(true)),
            (bson!({"$or": ["$n", 0, ""]}), bson!(true)),
            (bson!({"$and": []}), bson!(true)),
            (bson!({"$cmp": [1, 2]}), bson!(-1)),
            (bson!({"$lt": ["$nope", null]}), bson!(true)),
        ],
    );
    assert_eq!(code_of(bson!({"$switch": {"branches": [{"case": false, "then": 1}]}})), 40066);
}

#[test]
fn arithmetic_widens_types() {
    let max = i64::MAX;
    check_on(
        doc! {"d": date(1_000), "n": null},
        vec![
            (bson!({"$add": [1, 2]}), bson!(3)),
            (bson!({"$add": [i32::MAX, 1]}), Bson::Int64(2_147_483_648)),
            (bson!({"$add": [1, 2i64]}), Bson::Int64(3)),
            (bson!({"$add": [max, 1]}), bson!(9_223_372_036_854_775_808.0)),
            (bson!({"$add": [1, 2.5]}), bson!(3.5)),
            (bson!({"$add": [0.1, 0.2, 0.3]}), bson!(0.6)),
            (bson!({"$add": [1, decimal("0.10")]}), decimal("1.10")),
            (bson!({"$add": ["$d", 500]}), date(1_500)),
            (bson!({"$add": [1, "$n"]}), Bson::Null),
            (bson!({"$subtract": ["$d", date(400)]}), Bson::Int64(600)),
            (bson!({"$subtract": ["$d", 400]}), date(600)),
            (bson!({"$subtract": [decimal("1"), decimal("0.9")]}), decimal("0.1")),
            (bson!({"$multiply": [3, 4]}), bson!(12)),
            (bson!({"$multiply": [i32::MAX, 2]}), Bson::Int64(4_294_967_294)),
            (bson!({"$multiply": [decimal("1.5"), 2]}), decimal("3.0")),
            (bson!({"$divide": [6, 3]}), bson!(2.0)),
            (
                bson!({"$divide": [decimal("1"), 3]}),
                decimal("0.3333333333333333333333333333333333"),
            ),
            (bson!({"$mod": [-7, 4]}), bson!(-3)),
            (bson!({"$mod": [7.5, 2]}), bson!(1.5)),
            (bson!({"$mod": [decimal("7.5"), 2]}), decimal("1.5")),
            (bson!({"$abs": -5}), bson!(5)),
            (bson!({"$ceil": 1.2}), bson!(2.0)),
            (bson!({"$floor": -1.2}), bson!(-2.0)),
            (bson!({"$floor": decimal("-1.2")}), decimal("-2")),
            (bson!({"$round": 2.5}), bson!(2.0)),
            (bson!({"$round": [1234, -2]}), bson!(1200)),
            (bson!({"$round": [2.675, 2]}), bson!(2.67)),
            (bson!({"$trunc": [2.679, 2]}), bson!(2.67)),
            (bson!({"$round": [decimal("2.675"), 2]}), decimal("2.68")),
            (bson!({"$pow": [2, 10]}), bson!(1024)),
            (bson!({"$pow": [2, -1]}), bson!(0.5)),
            (bson!({"$sqrt": 9}), bson!(3.0)),
            (bson!({"$sum": [1, "x", 2.5]}), bson!(3.5)),
            (bson!({"$sum": [[1, 2, 3]]}), bson!(6)),
            (bson!({"$avg": [1, 2]}), bson!(1.5)),
            (bson!({"$avg": ["x"]}), Bson::Null),
            (bson!({"$max": [1, "a", null]}), bson!("a")),
            (bson!({"$min": [[3, 1, 2]]}), bson!(1)),
        ],
    );
    assert_eq!(code_of(bson!({"$add": ["$s", 1]})), 14);
    assert_eq!(code_of(bson!({"$divide": [1, 0]})), 2);
    assert_eq!(code_of(bson!({"$subtract": [1]})), 16020);
    assert_eq!(code_of(bson!({"$sqrt": decimal("2")})), 238);
}

#[test]
fn decimal_arithmetic_rounds_half_even_to_34_digits() {
    let nines = "9.999999999999999999999999999999999E6144";
    check_on(
        doc! {},
        vec![
            (
                bson!({"$add": [decimal("1E40"), decimal("1")]}),
                decimal("1.000000000000000000000000000000000E+40"),
            ),
            (bson!({"$multiply": [decimal(nines), 10]}), decimal("Infinity")),
            (bson!({"$multiply": [decimal("1E-6000"), decimal("1E-6000")]}), decimal("0E-6176")),
            (bson!({"$add": [decimal("Infinity"), decimal("-Infinity")]}), decimal("NaN")),
            (bson!({"$subtract": [decimal("5"), decimal("5.0")]}), decimal("0.0")),
            (
                bson!({"$multiply": [decimal("1234567890123456789012345678901234"), decimal("1.1")]}),
                decimal("1358024679135802467913580246791357"),
            ),
        ],
    );
}

#[test]
fn strings() {
    check_on(
        doc! {"s": "Grüße", "n": null},
        vec![
            (bson!({"$concat": ["a", "$s"]}), bson!("aGrüße")),
            (bson!({"$concat": ["a", "$n"]}), Bson::Null),
            (bson!({"$toUpper": "$s"}), bson!("GRüßE")),
            (bson!({"$toLower": "$n"}), bson!("")),
            (bson!({"$strLenBytes": "$s"}), bson!(7)),
            (bson!({"$strLenCP": "$s"}), bson!(5)),
            (bson!({"$substrCP": ["$s", 2, 2]}), bson!("üß")),
            (bson!({"$substrBytes": ["hello", 1, 3]}), bson!("ell")),
            (bson!({"$substrBytes": ["hello", 1, -1]}), bson!("ello")),
            (bson!({"$split": ["a,b,,c", ","]}), bson!(["a", "b", "", "c"])),
            (bson!({"$trim": {"input": "  a \n"}}), bson!("a")),
            (bson!({"$ltrim": {"input": "xxa", "chars": "x"}}), bson!("a")),
            (bson!({"$trim": {"input": "a", "chars": "$nope"}}), Bson::Null),
            (bson!({"$indexOfCP": ["$s", "ß"]}), bson!(3)),
            (bson!({"$indexOfBytes": ["abcabc", "c", 3]}), bson!(5)),
            (bson!({"$indexOfCP": ["abc", "z"]}), bson!(-1)),
            (
                bson!({"$replaceAll": {"input": "aXbX", "find": "X", "replacement": "-"}}),
                bson!("a-b-"),
            ),
            (bson!({"$strcasecmp": ["a", "B"]}), bson!(-1)),
            (bson!({"$regexMatch": {"input": "$s", "regex": "^gr", "options": "i"}}), bson!(true)),
            (
                bson!({"$regexFind": {"input": "$s", "regex": "ß(e)(x)?"}}),
                bson!({"match": "ße", "idx": 3, "captures": ["e", null]}),
            ),
        ],
    );
    assert_eq!(code_of(bson!({"$substrBytes": ["é", 1, 1]})), 28656);
    assert_eq!(code_of(bson!({"$concat": [1]})), 16702);
}

#[test]
fn arrays_and_sets() {
    check_on(
        doc! {"l": [3, 1, 2], "n": null},
        vec![
            (bson!({"$size": "$l"}), bson!(3)),
            (bson!({"$arrayElemAt": ["$l", -1]}), bson!(2)),
            (bson!({"$arrayElemAt": ["$l", 9]}), missing()),
            (bson!({"$first": "$l"}), bson!(3)),
            (bson!({"$last": "$l"}), bson!(2)),
            (bson!({"$in": [1.0, "$l"]}), bson!(true)),
            (bson!({"$concatArrays": ["$l", [9]]}), bson!([3, 1, 2, 9])),
            (bson!({"$slice": ["$l", -2]}), bson!([1, 2])),
            (bson!({"$slice": ["$l", 1, 1]}), bson!([1])),
            (bson!({"$filter": {"input": "$l", "cond": {"$gt": ["$$this", 1]}}}), bson!([3, 2])),
            (bson!({"$filter": {"input": "$l", "as": "e", "cond": true, "limit": 1}}), bson!([3])),
            (
                bson!({"$map": {"input": "$l", "as": "e", "in": {"$add": ["$$e", 1]}}}),
                bson!([4, 2, 3]),
            ),
            (
                bson!({"$reduce": {"input": "$l", "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}),
                bson!(6),
            ),
            (bson!({"$range": [0, 6, 2]}), bson!([0, 2, 4])),
            (bson!({"$range": [3, 0, -1]}), bson!([3, 2, 1])),
            (bson!({"$range": [0, 5, -1]}), bson!([])),
            (bson!({"$reverseArray": "$l"}), bson!([2, 1, 3])),
            (bson!({"$isArray": "$l"}), bson!(true)),
            (bson!({"$isArray": [["$l"]]}), bson!(true)),
            (
                bson!({"$zip": {"inputs": ["$l", ["a"]], "useLongestLength": true}}),
                bson!([[3, "a"], [1, null], [2, null]]),
            ),
            (bson!({"$sortArray": {"input": "$l", "sortBy": -1}}), bson!([3, 2, 1])),
            (bson!({"$indexOfArray": ["$l", 2]}), bson!(2)),
            (bson!({"$setUnion": ["$l", [1.0, 4]]}), bson!([1, 2, 3, 4])),
            (bson!({"$setIntersection": ["$l", [1, 9]]}), bson!([1])),
            (bson!({"$setDifference": ["$l", [1]]}), bson!([2, 3])),
            (bson!({"$setEquals": [[1, 2, 1], [2, 1]]}), bson!(true)),
            (bson!({"$setIsSubset": [[1], "$l"]}), bson!(true)),
            (bson!({"$map": {"input": "$n", "in": 1}}), Bson::Null),
        ],
    );
    assert_eq!(code_of(bson!({"$size": "$n"})), 17124);
    assert_eq!(code_of(bson!({"$range": [0, 2_000_000_000]})), 292);
}

#[test]
fn documents() {
    check_on(
        doc! {"o": {"a": 1, "b": 2}, "p": {"b": 3, "c": 4}, "x.y": 5},
        vec![
            (bson!({"$mergeObjects": ["$o", "$p", null]}), bson!({"a": 1, "b": 3, "c": 4})),
            (bson!({"$objectToArray": "$o"}), bson!([{"k": "a", "v": 1}, {"k": "b", "v": 2}])),
            (bson!({"$arrayToObject": [[["k", 1]]]}), bson!({"k": 1})),
            (bson!({"$arrayToObject": {"$literal": [{"k": "q", "v": 2}]}}), bson!({"q": 2})),
            (bson!({"$getField": "x.y"}), bson!(5)),
            (bson!({"$getField": {"field": "a", "input": "$o"}}), bson!(1)),
            (
                bson!({"$setField": {"field": "a", "input": "$o", "value": 9}}),
                bson!({"a": 9, "b": 2}),
            ),
            (bson!({"$unsetField": {"field": "a", "input": "$o"}}), bson!({"b": 2})),
            (bson!({"$bsonSize": {"$literal": {}}}), bson!(5)),
        ],
    );
}

#[test]
fn dates_take_part_in_a_proleptic_calendar() {
    // 2024-02-29T13:14:15.016Z, a Thursday.
    let leap = 1_709_212_455_016;
    let on = |unit: &str, amount: i32| bson!({"$dateAdd": {"startDate": "$d", "unit": unit, "amount": amount}});
    check_on(
        doc! {"d": date(leap), "old": date(-62_135_596_800_000), "n": null},
        vec![
            (bson!({"$year": "$d"}), bson!(2024)),
            (bson!({"$month": "$d"}), bson!(2)),
            (bson!({"$dayOfMonth": "$d"}), bson!(29)),
            (bson!({"$hour": {"date": "$d", "timezone": "+02:00"}}), bson!(15)),
            (bson!({"$minute": "$d"}), bson!(14)),
            (bson!({"$second": "$d"}), bson!(15)),
            (bson!({"$millisecond": "$d"}), bson!(16)),
            (bson!({"$dayOfWeek": "$d"}), bson!(5)),
            (bson!({"$dayOfYear": "$d"}), bson!(60)),
            (bson!({"$week": "$d"}), bson!(8)),
            (bson!({"$isoWeek": "$d"}), bson!(9)),
            (bson!({"$isoDayOfWeek": "$d"}), bson!(4)),
            (bson!({"$year": "$old"}), bson!(1)),
            (bson!({"$year": "$n"}), Bson::Null),
            (bson!({"$dateToString": {"date": "$d"}}), bson!("2024-02-29T13:14:15.016Z")),
            (
                bson!({"$dateToString": {"date": "$d", "format": "%Y/%m/%d %H %j %u %G-%V %z"}}),
                bson!("2024/02/29 13 060 4 2024-09 +0000"),
            ),
            (bson!({"$dateToString": {"date": "$n", "onNull": "none"}}), bson!("none")),
            (bson!({"$dateTrunc": {"date": "$d", "unit": "month"}}), date(1_706_745_600_000)),
            (
                bson!({"$dateTrunc": {"date": "$d", "unit": "hour", "binSize": 6}}),
                date(1_709_208_000_000),
            ),
            (
                bson!({"$dateTrunc": {"date": "$d", "unit": "week", "startOfWeek": "monday"}}),
                date(1_708_905_600_000),
            ),
            (on("month", 12), date(1_740_748_455_016)),
            (on("day", 1), date(leap + 86_400_000)),
            (
                bson!({"$dateSubtract": {"startDate": "$d", "unit": "year", "amount": 1}}),
                date(1_677_590_055_016),
            ),
            (
                bson!({"$dateDiff": {"startDate": "$d", "endDate": date(leap + 86_400_000), "unit": "month"}}),
                Bson::Int64(1),
            ),
            (
                bson!({"$dateDiff": {"startDate": "$d", "endDate": date(leap + 86_400_000), "unit": "hour"}}),
                Bson::Int64(24),
            ),
            (bson!({"$dateFromString": {"dateString": "2024-02-29T13:14:15.016Z"}}), date(leap)),
            (
                bson!({"$dateFromString": {"dateString": "29.02.2024", "format": "%d.%m.%Y"}}),
                date(1_709_164_800_000),
            ),
            (bson!({"$dateFromString": {"dateString": "nope", "onError": "bad"}}), bson!("bad")),
            (
                bson!({"$dateFromParts": {"year": 2024, "month": 2, "day": 29}}),
                date(1_709_164_800_000),
            ),
            (
                bson!({"$dateFromParts": {"isoWeekYear": 2024, "isoWeek": 9, "isoDayOfWeek": 4}}),
                date(1_709_164_800_000),
            ),
            (bson!({"$dateFromParts": {"year": 2023, "month": 14}}), date(1_706_745_600_000)),
        ],
    );
}

#[test]
fn named_time_zones_are_refused_by_name() {
    let named = bson!({"$hour": {"date": date(0), "timezone": "Europe/Berlin"}});
    let error = evaluate(named, doc! {}).unwrap_err();
    assert_eq!(error.code, 238);
    assert!(error.message.contains("Europe/Berlin"));
}

#[test]
fn conversions() {
    check_on(
        doc! {"oid": bson::oid::ObjectId::parse_str("65e0c1a70000000000000000").unwrap()},
        vec![
            (bson!({"$type": "$nope"}), bson!("missing")),
            (bson!({"$type": 1.5}), bson!("double")),
            (bson!({"$isNumber": decimal("1")}), bson!(true)),
            (bson!({"$toInt": "42"}), bson!(42)),
            (bson!({"$toInt": 3.9}), bson!(3)),
            (bson!({"$toLong": date(7)}), Bson::Int64(7)),
            (bson!({"$toDouble": "2.5"}), bson!(2.5)),
            (bson!({"$toDecimal": 0.1}), decimal("0.1")),
            (bson!({"$toBool": 0}), bson!(false)),
            (bson!({"$toBool": "false"}), bson!(true)),
            (bson!({"$toString": 2.0}), bson!("2")),
            (bson!({"$toString": 1e20}), bson!("1e+20")),
            (bson!({"$toString": "$oid"}), bson!("65e0c1a70000000000000000")),
            (bson!({"$toString": date(0)}), bson!("1970-01-01T00:00:00.000Z")),
            (bson!({"$toDate": "$oid"}), date(1_709_228_455_000)),
            (bson!({"$toDate": "1970-01-02"}), date(86_400_000)),
            (
                bson!({"$toObjectId": "65e0c1a70000000000000000"}),
                Bson::ObjectId(bson::oid::ObjectId::parse_str("65e0c1a70000000000000000").unwrap()),
            ),
            (bson!({"$convert": {"input": "x", "to": "int", "onError": -1}}), bson!(-1)),
            (bson!({"$convert": {"input": "$nope", "to": "int", "onNull": 0}}), bson!(0)),
            (bson!({"$convert": {"input": "7", "to": 18}}), Bson::Int64(7)),
        ],
    );
    for unconvertible in [bson!({"$toInt": "x"}), bson!({"$toInt": 1e10}), bson!({"$toDate": true})]
    {
        assert_eq!(code_of(unconvertible), 241);
    }
}

#[test]
fn values_do_not_grow_beyond_documents() {
    let double = |body: Bson, start: Bson| bson!({"$reduce": {"input": {"$range": [0, 60]}, "initialValue": start, "in": body}});
    let growing = [
        double(bson!({"$concat": ["$$value", "$$value"]}), bson!("abcdefgh")),
        double(bson!({"$concatArrays": ["$$value", "$$value"]}), bson!([1, 2, 3])),
        double(bson!(["$$value", "$$value"]), bson!(1)),
        double(bson!({"a": "$$value", "b": "$$value"}), bson!(1)),
        double(
            bson!({"$replaceAll": {"input": "$$value", "find": "a", "replacement": "$$value"}}),
            bson!("aa"),
        ),
    ];
    for expr in growing {
        assert_eq!(code_of(expr.clone()), 10334, "{expr}");
    }
}

#[test]
fn malformed_expressions_are_refused() {
    let cases = [
        (bson!({"$nope": 1}), 168),
        (bson!({"$add": 1, "$subtract": 2}), 15983),
        (bson!("$$nope"), 17276),
        (bson!("$"), 16872),
        (bson!("$a."), 40353),
        (bson!("$a..b"), 15998),
        (bson!({"$let": {"vars": {"Bad": 1}, "in": 1}}), 16867),
        (bson!({"$map": {"in": 1}}), 9),
        (bson!({"$function": {}}), 238),
        (bson!("$$CLUSTER_TIME"), 238),
    ];
    for (expr, code) in cases {
        assert_eq!(code_of(expr.clone()), code, "{expr}");
    }
}

#[test]
fn trigonometry_bits_and_several() {
    let cases = vec![
        (bson!({"$sin": 0}), bson!(0.0)),
        (bson!({"$atan2": [0, 1]}), bson!(0.0)),
        (bson!({"$cos": Bson::Null}), Bson::Null),
        (bson!({"$degreesToRadians": 180}), bson!(std::f64::consts::PI)),
        (bson!({"$bitAnd": [6, 3]}), bson!(2)),
        (bson!({"$bitOr": [6, 1_i64]}), bson!(7_i64)),
        (bson!({"$bitXor": [6, 3, Bson::Null]}), Bson::Null),
        (bson!({"$bitNot": 5}), bson!(-6)),
        (bson!({"$firstN": {"n": 2, "input": [1, 2, 3]}}), bson!([1, 2])),
        (bson!({"$lastN": {"n": 2, "input": [1, 2, 3]}}), bson!([2, 3])),
        (bson!({"$maxN": {"n": 2, "input": [1, Bson::Null, 3, 2]}}), bson!([3, 2])),
        (bson!({"$minN": {"n": 5, "input": [3, Bson::Null, 1]}}), bson!([1, 3])),
        (bson!({"$lt": [{"$rand": {}}, 1]}), bson!(true)),
    ];
    check_on(doc! {}, cases);
}
