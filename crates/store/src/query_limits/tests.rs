//! Tests of limits and usage.

use super::*;
use crate::tests::fixture::{CLUSTER, House, add_cluster, system};
use crate::tests::{in_tx, on_each_database};

const ENDPOINT: ReadEndpoint = ReadEndpoint { cluster_id: CLUSTER, archive_only: true };

fn limit(bytes: i64) -> QueryLimit {
    QueryLimit {
        name: QueryLimitName::Daily,
        bytes,
        overrun_policy: OverrunPolicy::BlockAndKill,
        modified_at: 7,
    }
}

on_each_database! {
    async fn limits_belong_to_one_endpoint(store) {
        let (house, other) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        add_cluster(&store, house).await;
        for bytes in [10, 20] {
            in_tx!(store, tx => set(tx, &house.project(), ENDPOINT, &limit(bytes)).await)
                .expect("set");
        }
        in_tx!(store, tx => set(tx, &other.project(), ENDPOINT, &limit(30)).await)
            .expect("nothing happens");
        let listed = in_tx!(store, tx => list(tx, &house.project(), ENDPOINT).await);
        assert_eq!(listed, Ok(vec![limit(20)]));
        assert_eq!(in_tx!(store, tx => in_force(tx, &system(), ENDPOINT).await), listed);
        let both = ReadEndpoint { archive_only: false, ..ENDPOINT };
        assert_eq!(in_tx!(store, tx => in_force(tx, &system(), both).await), Ok(Vec::new()));
        assert_eq!(in_tx!(store, tx => list(tx, &other.project(), ENDPOINT).await), Ok(vec![]));
        let name = QueryLimitName::Daily;
        let foreign = in_tx!(store, tx => remove(tx, &other.project(), ENDPOINT, name).await);
        assert_eq!(foreign, Ok(false));
        let own = in_tx!(store, tx => remove(tx, &house.project(), ENDPOINT, name).await);
        assert_eq!(own, Ok(true));
    }

    async fn usage_adds_up_by_period(store) {
        // 2024-02-29, a Thursday, and the days around it.
        let day = 19_782;
        for (at, bytes) in [(day - 29, 1), (day - 28, 2), (day - 4, 4), (day - 3, 8), (day, 16)] {
            for _ in 0..2 {
                in_tx!(store, tx => add_usage(tx, &system(), ENDPOINT, at, bytes).await)
                    .expect("added");
            }
        }
        let now_ms = day * DAY_MS + 5;
        for (name, bytes) in [
            (QueryLimitName::Query, 0),
            (QueryLimitName::Daily, 32),
            (QueryLimitName::Weekly, 48),
            (QueryLimitName::Monthly, 60),
        ] {
            let read = in_tx!(store, tx => usage(tx, ENDPOINT, name, now_ms).await);
            assert_eq!(read, Ok(bytes), "{name:?}");
        }
        assert_eq!(in_tx!(store, tx => prune_usage(tx, &system(), day - 3).await), Ok(3));
    }
}
