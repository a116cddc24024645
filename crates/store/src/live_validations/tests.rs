//! Tests of validations.

use super::*;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

fn validation(id: u8, house: &House, created_at: EpochMs) -> LiveValidation {
    LiveValidation {
        id: MigrationId::new([id; 12]),
        project_id: house.project_id,
        source_project_id: ProjectId::new([7; 12]),
        status: "PENDING".into(),
        error_message: None,
        created_at,
    }
}

on_each_database! {
    async fn a_validation_ends_once_and_is_its_projects(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let new = &validation(1, house, 5);
        in_tx!(store, tx => insert(tx, &house.project(), new, 0).await).expect("new");
        let id = new.id;
        in_tx!(store, tx => finish(tx, &other.project(), id, None).await).expect("nothing");
        let found = in_tx!(store, tx => fetch(tx, &house.project(), id).await);
        assert_eq!(found, Ok(Some(new.clone())));
        assert_eq!(in_tx!(store, tx => fetch(tx, &other.project(), id).await), Ok(None));
        in_tx!(store, tx => finish(tx, &house.project(), id, Some("no")).await).expect("ended");
        in_tx!(store, tx => finish(tx, &house.project(), id, None).await).expect("too late");
        let ended = in_tx!(store, tx => fetch(tx, &house.project(), id).await);
        let ended = ended.expect("a look-up").expect("kept");
        assert_eq!((ended.status.as_str(), ended.error_message.as_deref()), ("FAILED", Some("no")));
        let next = &validation(2, house, 9);
        in_tx!(store, tx => insert(tx, &house.project(), next, 6).await).expect("new");
        assert_eq!(in_tx!(store, tx => fetch(tx, &house.project(), id).await), Ok(None), "old");
    }
}
