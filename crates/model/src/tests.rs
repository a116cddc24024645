//! Tests of the model.

use super::*;

#[test]
fn ids_are_24_lower_case_digits() {
    let text = "0123456789abcdef01234567";
    assert_eq!(text.parse::<OrgId>().expect("an id").to_string(), text);
    for bad in
        ["", "0123456789ABCDEF01234567", "0123456789abcdef0123456", "zz23456789abcdef01234567"]
    {
        assert!(bad.parse::<OrgId>().is_err(), "{bad}");
    }
    let account = "mdb_sa_id_0123456789abcdef01234567";
    assert_eq!(account.parse::<ServiceAccountId>().expect("an id").to_string(), account);
    assert!(text.parse::<ServiceAccountId>().is_err());
}

#[test]
fn namespaces_follow_the_naming_restrictions() {
    assert!(Namespace::new("db", "a.b").is_ok());
    for (database, collection) in [
        ("", "c"),
        ("a.b", "c"),
        ("a b", "c"),
        ("db", ""),
        ("db", "$x"),
        ("db", ".x"),
        ("db", "a\0"),
    ] {
        assert!(Namespace::new(database, collection).is_err(), "{database}.{collection}");
    }
    assert!(Namespace::new("db", &"c".repeat(253)).is_err());
}

fn time(hour: u8, minute: u8) -> TimeOfDay {
    TimeOfDay { hour, minute }
}

#[test]
fn a_window_lasts_at_least_two_hours() {
    assert_eq!(Window::new(time(1, 0), time(2, 59)), Err(InvalidSchedule::WindowTooShort));
    assert!(Window::new(time(1, 0), time(3, 0)).is_ok());
    assert!(Window::new(time(23, 0), time(1, 0)).is_ok());
    // The Terraform provider's own example starts and ends at the same minute: a day.
    assert_eq!(Window::new(time(1, 1), time(1, 1)).expect("a day").length_minutes(), 1440);
    assert_eq!(Window::new(time(24, 0), time(3, 0)), Err(InvalidSchedule::TimeOutOfRange));
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_began() {
    let window = Window::new(time(22, 0), time(2, 0)).expect("a window");
    let monday = Schedule::weekly(window, 1).expect("Monday");
    let at = |day: i64, hour: i64| (day * 24 + hour) * 3_600_000;
    // 1970-01-05 was a Monday (day 4 from the epoch).
    assert!(monday.allows(at(4, 23)));
    assert!(monday.allows(at(5, 1)));
    assert!(!monday.allows(at(5, 2)));
    assert!(!monday.allows(at(4, 1)));
    let fifth = Schedule::monthly(window, 5).expect("the fifth");
    assert!(fifth.allows(at(4, 22)));
    assert!(!fifth.allows(at(5, 22)));
}

#[test]
fn the_transition_table_is_what_the_documentation_says() {
    use ArchiveEvent as E;
    use ArchiveState as S;
    let allowed = [
        (S::Pending, E::RunStarted, S::Archiving),
        (S::Archiving, E::RunEnded, S::Idle),
        (S::Archiving, E::PauseRequested, S::Pausing),
        (S::Pausing, E::RunEnded, S::Paused),
        (S::Idle, E::PauseRequested, S::Paused),
        (S::Paused, E::Resumed, S::Idle),
        (S::Paused, E::CollectionLost, S::Orphaned),
        (S::Orphaned, E::Deleted, S::Deleted),
        (S::Orphaned, E::Reattached, S::Paused),
        (S::Suspended(SuspendReason::LevelFell), E::Released, S::Paused),
    ];
    for (state, event, expected) in allowed {
        assert_eq!(state.next(event), Ok(expected), "{state} {event:?}");
    }
    for (state, event) in [
        (S::Pending, E::PauseRequested),
        (S::Pending, E::Resumed),
        (S::Deleted, E::Deleted),
        (S::Orphaned, E::Resumed),
        (S::Orphaned, E::Released),
        (S::Paused, E::Reattached),
        (S::Suspended(SuspendReason::LevelFell), E::Resumed),
        (S::Paused, E::RunStarted),
    ] {
        assert!(state.next(event).is_err(), "{state} {event:?}");
    }
}

#[test]
fn states_survive_the_store() {
    let suspended = SuspendReason::ALL.map(ArchiveState::Suspended);
    for state in [ArchiveState::Idle, ArchiveState::Deleted].into_iter().chain(suspended) {
        let reason = state.suspend_reason().map(SuspendReason::as_str);
        assert_eq!(ArchiveState::from_parts(state.as_str(), reason), Some(state));
    }
    assert_eq!(ArchiveState::from_parts("NONSENSE", None), None);
}
