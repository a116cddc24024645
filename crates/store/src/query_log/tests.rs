//! Tests of the query log.

use super::*;
use crate::tests::fixture::{CLUSTER, House, add_cluster, system};
use crate::tests::{in_tx, on_each_database};

fn query(ended_at: EpochMs, archive_only: bool) -> LoggedQuery {
    let unique = [u8::from(archive_only); 12];
    let id = new_id(ended_at, unique);
    let line = format!("{{\"at\":{ended_at},\"archiveOnly\":{archive_only}}}");
    LoggedQuery { cluster_id: CLUSTER, archive_only, ended_at, line, id }
}

fn part(archive_only: Option<bool>, from: EpochMs, until: EpochMs) -> LogPart {
    let (after, before) = (first_id(from), first_id(until));
    LogPart { cluster_id: CLUSTER, archive_only, after, before }
}

on_each_database! {
    async fn parts_are_read_in_pages_and_old_queries_go(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        add_cluster(&store, house).await;
        let queries: &Vec<_> =
            &(0..10).flat_map(|at| [query(at, false), query(at, true)]).collect();
        for _ in 0..2 {
            in_tx!(store, tx => append(tx, &system(), queries).await).expect("appended");
        }
        let count = async |part: &LogPart| {
            in_tx!(store, tx => read(tx, &house.project(), part, 100).await).expect("lines").len()
        };
        assert_eq!(count(&part(None, 0, 100)).await, 20, "a batch sent twice is there once");
        assert_eq!(count(&part(Some(true), 0, 100)).await, 10);
        assert_eq!(count(&part(Some(false), 3, 5)).await, 2, "the end is left out");
        let all = &part(None, 0, 100);
        let first = in_tx!(store, tx => read(tx, &house.project(), all, 3).await).expect("a page");
        assert_eq!(first.len(), 3);
        assert_eq!(first[0].line, r#"{"at":0,"archiveOnly":false}"#);
        let rest = &LogPart { after: first[2].id.clone(), ..all.clone() };
        assert_eq!(count(rest).await, 17);
        let foreign = in_tx!(store, tx => read(tx, &other.project(), all, 100).await);
        assert_eq!(foreign, Ok(Vec::new()), "not the cluster's project");
        assert_eq!(in_tx!(store, tx => prune(tx, &system(), 4).await), Ok(8));
        assert_eq!(in_tx!(store, tx => trim(tx, &system(), CLUSTER, 5).await), Ok(7));
        assert_eq!(in_tx!(store, tx => trim(tx, &system(), CLUSTER, 5).await), Ok(0));
        assert_eq!(count(all).await, 5);
    }
}
