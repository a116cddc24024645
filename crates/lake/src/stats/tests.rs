//! Tests of statistics.

use super::*;

fn of(cells: &[Cell]) -> FileStats {
    let mut builder = StatsBuilder::default();
    for cell in cells {
        builder.row();
        builder.cell("c", cell);
    }
    FileStats::parse(&builder.finish().to_json()).unwrap()
}

#[test]
fn bounds_contain_every_value_even_when_cut() {
    let long = "é".repeat(40);
    let longer = format!("{long}x");
    let cells = [Cell::Text(longer), Cell::Text("a".into()), Cell::Text(long), Cell::Null];
    let stats = of(&cells);
    assert!(cells.iter().all(|cell| stats.contain("c", cell)));
    assert!(!stats.contain("c", &Cell::Text("A".into())));
    assert!(!stats.contain("c", &Cell::Text("ü".into())));
    assert_eq!(stats.rows, Some(4));
    let (_, max) = stats.texts("c").unwrap();
    assert_eq!(max.chars().count(), BOUND_CHARS + 1);
}

#[test]
fn a_bound_that_cannot_be_rounded_up_is_left_out() {
    let stats = of(&[Cell::Text(char::MAX.to_string().repeat(40))]);
    assert_eq!(stats.texts("c"), None);
    assert!(stats.contain("c", &Cell::Text("anything".into())));
}

#[test]
fn timestamps_round_outward_to_milliseconds() {
    let cells = [Cell::Timestamp(-1), Cell::Timestamp(1_500)];
    let stats = of(&cells);
    assert_eq!(stats.texts("c"), Some(("1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.002Z")));
    assert!(cells.iter().all(|cell| stats.contain("c", cell)));
    assert!(!stats.contain("c", &Cell::Timestamp(2_001)));
}

#[test]
fn nulls_are_counted() {
    assert!(!of(&[Cell::Long(1)]).contain("c", &Cell::Null));
    assert!(of(&[Cell::Null]).contain("c", &Cell::Null));
    assert!(of(&[Cell::Int(-3), Cell::Int(9)]).integers("c") == Some((-3, 9)));
}
