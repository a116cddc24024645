//! Tests of ports.

use super::*;
use crate::tests::fixture::system;
use crate::tests::{in_tx, on_each_database};

const A: ClusterId = ClusterId::new([1; 12]);
const B: ClusterId = ClusterId::new([2; 12]);

fn wanted(cluster_id: ClusterId, role: EndpointRole, port: u16) -> Endpoint {
    Endpoint { cluster_id, role, port }
}

on_each_database! {
    async fn a_port_is_given_once_and_kept(store) {
        let first = wanted(A, EndpointRole::Archive, 100);
        let given = in_tx!(store, tx => assign(tx, &system(), first).await);
        assert_eq!(given, Ok(100));
        let again = wanted(A, EndpointRole::Archive, 101);
        let kept = in_tx!(store, tx => assign(tx, &system(), again).await);
        assert_eq!(kept, Ok(100), "the cluster has a port for that");
        let taken = wanted(B, EndpointRole::Archive, 100);
        let refused = in_tx!(store, tx => assign(tx, &system(), taken).await);
        assert!(refused.expect_err("taken").is_conflict_in("endpoints"));
        let free = in_tx!(store, tx => candidates(tx, &system(), 99..=102).await);
        assert_eq!(free, Ok(vec![99, 101, 102]));
        let own = in_tx!(store, tx => of_cluster(tx, &system(), A).await);
        assert_eq!(own, Ok(vec![first]));
    }

    async fn released_ports_come_last(store) {
        in_tx!(store, tx => {
            assign(tx, &system(), wanted(A, EndpointRole::Cluster, 100)).await?;
            release(tx, &system(), A).await
        })
        .expect("given and released");
        let free = in_tx!(store, tx => candidates(tx, &system(), 100..=101).await);
        assert_eq!(free, Ok(vec![101, 100]));
        let given = wanted(B, EndpointRole::Cluster, 100);
        assert_eq!(in_tx!(store, tx => assign(tx, &system(), given).await), Ok(100));
        assert_eq!(in_tx!(store, tx => list_all(tx, &system()).await), Ok(vec![given]));
    }
}
