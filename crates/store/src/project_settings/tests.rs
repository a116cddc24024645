//! Tests of switches and limits of projects.

use super::*;
use crate::ErrorKind;
use crate::tests::fixture::House;
use crate::tests::{in_tx, on_each_database};

on_each_database! {
    async fn switches_have_defaults_until_they_are_set(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let wanted = [ProjectSwitch::DataExplorer, ProjectSwitch::NativeReranking];
        let read = in_tx!(store, tx => switches(tx, &house.project(), &wanted).await);
        assert_eq!(read, Ok(vec![true, false]));
        in_tx!(store, tx => {
            set_switch(tx, &house.project(), ProjectSwitch::DataExplorer, true).await?;
            set_switch(tx, &house.project(), ProjectSwitch::DataExplorer, false).await?;
            set_switch(tx, &house.project(), ProjectSwitch::NativeReranking, true).await
        })
        .expect("set");
        let read = in_tx!(store, tx => switches(tx, &house.project(), &wanted).await);
        assert_eq!(read, Ok(vec![false, true]));
        let untouched = in_tx!(store, tx => switches(tx, &other.project(), &wanted).await);
        assert_eq!(untouched, Ok(vec![true, false]));
    }

    async fn limits_are_set_cleared_and_kept_to_their_project(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let users = ProjectLimit::DatabaseUsers;
        in_tx!(store, tx => {
            set_limit(tx, &house.project(), users, 7).await?;
            set_limit(tx, &house.project(), users, 8).await
        })
        .expect("set");
        let read = in_tx!(store, tx => limits(tx, &house.project()).await);
        assert_eq!(read, Ok(vec![(users, 8)]));
        assert_eq!(in_tx!(store, tx => limit(tx, &house.project(), users).await), Ok(Some(8)));
        assert_eq!(in_tx!(store, tx => limit(tx, &other.project(), users).await), Ok(None));
        in_tx!(store, tx => clear_limit(tx, &house.project(), users).await).expect("cleared");
        assert_eq!(in_tx!(store, tx => limits(tx, &house.project()).await), Ok(Vec::new()));
        // The other organization's witness does not reach this project.
        let foreign = &other.org().in_project(house.project_id);
        let refused = in_tx!(store, tx => set_limit(tx, foreign, users, 1).await);
        assert_eq!(refused.expect_err("foreign").kind(), ErrorKind::Missing);
    }
}
