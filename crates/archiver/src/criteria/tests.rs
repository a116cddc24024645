//! Tests of the criteria: units, types, arrays, filters as text.

use super::*;

const CUTOFF_MS: i64 = 1_700_000_000_500;

fn frozen(format: DateFormat) -> Frozen {
    Frozen::date("a.t", format, CUTOFF_MS).expect("criteria")
}

fn holding(value: impl Into<RawBson>) -> RawDocumentBuf {
    rawdoc! { "_id": 1, "a": { "t": value.into() } }
}

#[test]
fn each_format_has_its_unit_and_type() {
    let date = |ms| holding(bson::DateTime::from_millis(ms));
    let iso = frozen(DateFormat::IsoDate);
    assert!(iso.is_candidate(&date(CUTOFF_MS - 1)));
    assert!(!iso.is_candidate(&date(CUTOFF_MS)));
    assert!(!iso.is_candidate(&holding(CUTOFF_MS - 1)), "a long is no date");
    let seconds = frozen(DateFormat::EpochSeconds);
    assert!(seconds.is_candidate(&holding(1_700_000_000_i64)));
    assert!(!seconds.is_candidate(&holding(1_700_000_001_i64)));
    assert!(!seconds.is_candidate(&holding(1)), "an int is no long");
    assert!(frozen(DateFormat::EpochMillis).is_candidate(&holding(CUTOFF_MS - 1)));
    let nanos = frozen(DateFormat::EpochNanos);
    assert!(nanos.is_candidate(&holding(CUTOFF_MS * 1_000_000 - 1)));
    assert!(!nanos.is_candidate(&holding(CUTOFF_MS * 1_000_000)));
    let id = |seconds: u32| {
        let mut bytes = [0xff; 12];
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        holding(bson::oid::ObjectId::from_bytes(bytes))
    };
    assert!(frozen(DateFormat::ObjectId).is_candidate(&id(1_700_000_000)));
    assert!(!frozen(DateFormat::ObjectId).is_candidate(&id(1_700_000_001)));
}

#[test]
fn missing_dates_and_arrays_are_no_candidates() {
    let iso = frozen(DateFormat::IsoDate);
    let cold = bson::DateTime::from_millis(0);
    assert!(!iso.is_candidate(&rawdoc! { "_id": 1 }));
    assert!(!iso.is_candidate(&rawdoc! { "_id": 1, "a": { "t": [cold] } }));
    assert!(!iso.is_candidate(&rawdoc! { "_id": 1, "a": [{ "t": cold }] }));
    assert!(!iso.is_candidate(&holding(RawBson::Null)));
    assert!(iso.is_candidate(&holding(cold)));
}

#[test]
fn ages_count_in_days_and_do_not_overflow() {
    let criteria = |days| Criteria::Date {
        field: "t".into(),
        format: DateFormat::EpochNanos,
        expire_after_days: days,
    };
    let frozen = Frozen::new(&criteria(1), CUTOFF_MS).expect("criteria");
    assert_eq!(frozen.cutoff_ms, Some(CUTOFF_MS - DAY_MS));
    let frozen = Frozen::new(&criteria(i32::MAX), CUTOFF_MS).expect("criteria");
    assert!(!frozen.is_candidate(&rawdoc! { "t": 0_i64 }));
}

#[test]
fn custom_filters_are_extended_json() {
    let custom = |query: &str| Frozen::new(&Criteria::Custom { query: query.into() }, 0);
    let frozen =
        custom(r#"{"t": {"$lt": {"$date": "2020-01-01T00:00:00Z"}}, "n": 5}"#).expect("a filter");
    let expected = rawdoc! {
        "t": { "$lt": bson::DateTime::from_millis(1_577_836_800_000) },
        "n": 5,
    };
    assert_eq!(frozen.filter(), &*expected);
    for bad in ["{}", "[]", "7", "{", ""] {
        assert!(custom(bad).is_err(), "{bad}");
    }
}

#[test]
fn clocks_that_disagree_give_no_cutoff() {
    assert_eq!(safe_now_ms(1_000_000, 900_000).expect("close"), 900_000);
    assert!(safe_now_ms(1_000_000, 600_000).is_err());
}
