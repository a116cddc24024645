//! Tests of months.

use bson::rawdoc;

use super::*;

fn of(doc: &bson::RawDocumentBuf, format: DateFormat) -> String {
    month(doc, &MonthSpec { path: "a.at".into(), format })
}

#[test]
fn every_format_gives_its_month() {
    let ms = 1_709_251_199_999; // 2024-02-29T23:59:59.999Z
    let date = rawdoc! {"a": {"at": bson::DateTime::from_millis(ms)}};
    assert_eq!(of(&date, DateFormat::IsoDate), "2024-02");
    assert_eq!(of(&rawdoc! {"a": {"at": ms / 1000}}, DateFormat::EpochSeconds), "2024-02");
    assert_eq!(of(&rawdoc! {"a": {"at": ms}}, DateFormat::EpochMillis), "2024-02");
    assert_eq!(of(&rawdoc! {"a": {"at": ms * 1_000_000}}, DateFormat::EpochNanos), "2024-02");
    let mut id = [7; 12];
    id[..4].copy_from_slice(&((ms / 1000) as u32).to_be_bytes());
    let id = bson::oid::ObjectId::from_bytes(id);
    assert_eq!(of(&rawdoc! {"a": {"at": id}}, DateFormat::ObjectId), "2024-02");
}

#[test]
fn what_is_no_date_has_no_month() {
    for doc in [
        rawdoc! {},
        rawdoc! {"a": 1},
        rawdoc! {"a": {"at": "2024-02-01"}},
        rawdoc! {"a": {"at": [bson::DateTime::from_millis(0)]}},
        rawdoc! {"a": [{"at": bson::DateTime::from_millis(0)}]},
        rawdoc! {"a": {"at": bson::DateTime::from_millis(i64::MAX)}},
        rawdoc! {"a": {"at": bson::DateTime::from_millis(-62_135_596_800_001)}},
    ] {
        assert_eq!(of(&doc, DateFormat::IsoDate), NO_MONTH);
    }
    let far = rawdoc! {"a": {"at": i64::MAX}};
    assert_eq!(of(&far, DateFormat::EpochSeconds), NO_MONTH);
}

#[test]
fn a_month_has_bounds_and_no_month_has_none() {
    assert_eq!(bounds_ms("2024-02"), Some((1_706_745_600_000, 1_709_251_199_999)));
    assert_eq!(bounds_ms("1970-01"), Some((0, 31 * 86_400_000 - 1)));
    assert_eq!(bounds_ms("9999-12").map(|(_, last)| last), Some(i64::MAX));
    for none in [NO_MONTH, "2024", "2024-13", "x-y"] {
        assert_eq!(bounds_ms(none), None, "{none}");
    }
}
