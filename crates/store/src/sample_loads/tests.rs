//! Tests of loads of sample data.

use super::*;
use crate::tests::fixture::{House, system};
use crate::tests::{in_tx, on_each_database};

fn load(id: u8) -> SampleLoad {
    SampleLoad {
        id: JobId::new([id; 12]),
        cluster_id: ClusterId::new([9; 12]),
        cluster_name: "C".into(),
        state: SampleLoadState::Working,
        error: None,
        created_at: i64::from(id),
        ended_at: None,
    }
}

on_each_database! {
    async fn loads_end_once_and_belong_to_a_project(store) {
        let (a, b) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let (first, second) = (&load(1), &load(2));
        in_tx!(store, tx => {
            insert(tx, &a.project(), first).await?;
            insert(tx, &a.project(), second).await
        })
        .expect("two loads");
        let open = in_tx!(store, tx => working(tx, &system()).await).expect("a list");
        assert_eq!(open, vec![first.clone(), second.clone()]);
        let foreign = in_tx!(store, tx => fetch(tx, &b.project(), first.id).await);
        assert_eq!(foreign, Ok(None));
        in_tx!(store, tx => {
            end(tx, &system(), first.id, None).await?;
            end(tx, &system(), first.id, Some("late")).await?;
            end(tx, &system(), second.id, Some("full")).await
        })
        .expect("ended");
        let done = in_tx!(store, tx => fetch(tx, &a.project(), first.id).await).expect("there");
        let done = done.expect("it is there");
        assert_eq!((done.state, done.error), (SampleLoadState::Completed, None));
        assert!(done.ended_at.is_some());
        let failed = in_tx!(store, tx => fetch(tx, &a.project(), second.id).await).expect("there");
        let failed = failed.expect("it is there");
        assert_eq!(failed.state, SampleLoadState::Failed);
        assert_eq!(failed.error.as_deref(), Some("full"));
        assert_eq!(in_tx!(store, tx => working(tx, &system()).await), Ok(Vec::new()));
    }
}
