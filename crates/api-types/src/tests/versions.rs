//! Dated media types and times.

use crate::time::{header_date, iso8601, parse_iso8601};
use crate::version::{
    Format, MediaType, V2023_01_01, V2023_02_01, V2024_08_05, V2024_10_23, V2025_02_19,
};

fn resolve(accept: &str) -> Result<String, &'static str> {
    let versions = [V2023_02_01, V2024_08_05, V2024_10_23];
    MediaType::resolve(accept, &versions, Format::Json)
        .map(|media| media.to_string())
        .map_err(|problem| problem.code.as_str())
}

#[test]
fn dates_resolve_downwards() {
    for (accept, date) in [
        ("application/vnd.atlas.2024-08-05+json", "2024-08-05"),
        ("application/vnd.atlas.2025-03-12+json", "2024-10-23"),
        ("application/vnd.atlas.2024-06-01+json; charset=utf-8", "2023-02-01"),
        ("text/html, application/vnd.atlas.2024-10-22+json", "2024-08-05"),
    ] {
        assert_eq!(resolve(accept), Ok(format!("application/vnd.atlas.{date}+json")), "{accept}");
    }
}

#[test]
fn what_does_not_resolve_is_an_invalid_version_date() {
    for accept in [
        "",
        "*/*",
        "application/json",
        "application/vnd.atlas.2023-01-01+json",
        "application/vnd.atlas.2024-08-05+gzip",
        "application/vnd.atlas.preview+json",
        "application/vnd.atlas.2024-13-05+json",
        "application/vnd.atlas.+json",
    ] {
        assert_eq!(resolve(accept), Err("INVALID_VERSION_DATE"), "{accept}");
    }
}

#[test]
fn times_are_whole_seconds() {
    assert_eq!(iso8601(1_786_330_966_999), "2026-08-10T03:02:46Z");
    assert_eq!(iso8601(0), "1970-01-01T00:00:00Z");
    assert_eq!(parse_iso8601("2026-08-10T03:02:46Z"), Some(1_786_330_966_000));
    assert_eq!(header_date(V2025_02_19), "Wed, 19 Feb 2025 00:00:00 GMT");
    assert_eq!(header_date(V2023_01_01), "Sun, 1 Jan 2023 00:00:00 GMT");
}
