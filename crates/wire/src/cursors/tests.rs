//! Tests of the cursor registry.

use bson::rawdoc;
use futures::StreamExt;
use portolan_runtime::Runtime;

use super::*;

fn owner(name: &str) -> Owner {
    Owner { user: Some(("admin".into(), name.into())), session: None }
}

fn insert(cursors: &Cursors, name: &str) -> i64 {
    let documents = futures::stream::iter((0..9).map(|number| Ok(rawdoc! { "_id": number })));
    let opening = Opening { owner: owner(name), namespace: "shop.items".into(), timeless: false };
    cursors.insert(opening, Position::new(documents.boxed(), None)).unwrap()
}

#[test]
fn a_cursor_belongs_to_its_user() {
    let cursors = Cursors::new(9, 1_000, Runtime::manual(0, 1).0);
    let id = insert(&cursors, "ann");
    let refused = cursors.check_out(id, &owner("bob")).err().expect("foreign");
    assert_eq!(refused.code, codes::UNAUTHORIZED);
    assert!(cursors.kill(id, &owner("bob")).expect("known").is_err());
    assert!(cursors.check_out(id, &owner("ann")).is_ok());
}

#[test]
fn a_cursor_is_read_by_one_at_a_time_and_closed_when_dropped() {
    let cursors = Cursors::new(9, 1_000, Runtime::manual(0, 1).0);
    let id = insert(&cursors, "ann");
    let Ok(held) = cursors.check_out(id, &owner("ann")) else { panic!("free") };
    let busy = cursors.check_out(id, &owner("ann")).err().expect("busy");
    assert_eq!(busy.code, codes::CURSOR_IN_USE);
    held.put_back();
    let Ok(again) = cursors.check_out(id, &owner("ann")) else { panic!("free again") };
    drop(again);
    assert_eq!(cursors.count(), 0);
}

#[test]
fn a_cursor_killed_in_use_does_not_come_back() {
    let cursors = Cursors::new(9, 1_000, Runtime::manual(0, 1).0);
    let id = insert(&cursors, "ann");
    let Ok(held) = cursors.check_out(id, &owner("ann")) else { panic!("free") };
    cursors.kill(id, &owner("ann")).expect("known").expect("own");
    assert!(held.killed.is_cancelled());
    held.put_back();
    assert_eq!(cursors.count(), 0);
}

#[test]
fn only_idle_cursors_expire() {
    let (runtime, clock) = Runtime::manual(0, 1);
    let cursors = Cursors::new(9, 1_000, runtime);
    let id = insert(&cursors, "ann");
    clock.advance_ms(999);
    let Ok(alive) = cursors.check_out(id, &owner("ann")) else { panic!("alive") };
    alive.put_back();
    clock.advance_ms(999);
    cursors.close_idle();
    assert_eq!(cursors.count(), 1);
    clock.advance_ms(1);
    cursors.close_idle();
    assert_eq!(cursors.count(), 0);
}
