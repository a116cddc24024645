//! An event for everything that changes: whatever a call writes, beside what every call leaves behind, it
//! writes an event with it.

use super::scenario::Scenario;
use super::state::State;

/// What changes without an event, and why.
const SILENT: [(&str, &str); 2] = [
    ("putLiveMigrationSource", "said again every five minutes; the first time leaves an event"),
    ("validateGroupLiveMigrations", "a check, which is forgotten again"),
];

#[tokio::test]
async fn every_change_leaves_an_event() {
    let mut scenario = Scenario::new(|settings| settings.rate_multiplier = 1e9).await;
    let (mut without, mut used) = (Vec::new(), Vec::new());
    for step in Scenario::steps() {
        let name = scenario.request(step).name();
        let before = State::of(&scenario.world).await;
        scenario.take(step).await;
        let after = State::of(&scenario.world).await;
        let changed: Vec<&String> = after.tables.symmetric_difference(&before.tables).collect();
        // What happens while one waits is not the waiting call's.
        if step.is_poll()
            || changed.is_empty()
            || changed.iter().any(|row| row.starts_with("events "))
        {
            continue;
        }
        match SILENT.iter().find(|(operation, _)| *operation == step.operation) {
            Some((operation, _)) => used.push(*operation),
            None => without.push(format!("{name} changed {changed:?}")),
        }
    }
    assert!(without.is_empty(), "without an event:\n{}", without.join("\n"));
    for (operation, reason) in SILENT {
        assert!(used.contains(&operation), "{operation} is not silent any more ({reason})");
    }
}

/// What leaves events changes something: a change to what is already so leaves none, but for what is asked
/// for anew each time.
#[tokio::test]
async fn settings_that_stay_as_they_are_leave_no_event() {
    let mut scenario = Scenario::new(|_| {}).await;
    for step in Scenario::steps() {
        let settings = ["updateOrgSettings", "updateGroupSettings", "updateOrgDelegationSettings"];
        scenario.take(step).await;
        if settings.contains(&step.operation) {
            let before = State::of(&scenario.world).await;
            scenario.take(step).await;
            let after = State::of(&scenario.world).await;
            let changed: Vec<&String> = after.tables.symmetric_difference(&before.tables).collect();
            assert!(changed.is_empty(), "{}: {changed:?}", scenario.request(step).name());
        }
        if step.operation == "getGroupIpAddresses" {
            return;
        }
    }
}
