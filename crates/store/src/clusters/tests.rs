//! Tests of clusters.

use portolan_model::{Cluster, ClusterKind, ProjectId};

use super::*;
use crate::tests::fixture::{House, system};
use crate::tests::{in_tx, on_each_database};
use crate::{ErrorKind, projects};

fn sandbox(id: u8, project_id: ProjectId, name: &str) -> StoredCluster {
    StoredCluster {
        cluster: Cluster {
            id: ClusterId::new([id; 12]),
            project_id,
            name: name.to_owned(),
            kind: ClusterKind::Sandbox { port: 27_000 + u16::from(id) },
            state: ClusterState::Creating,
            version: None,
            level: GuardLevel::L1,
            termination_protection_enabled: true,
            tags: vec![Tag { key: "team".into(), value: "\"x\"".into() }],
            replication_specs_json: "[]".into(),
            created_at: i64::from(id),
        },
        level_reasons: vec!["because".into()],
        time_series: false,
        settings_json: "{}".into(),
        life: ClusterLife::default(),
    }
}

fn attached(id: u8, project_id: ProjectId, name: &str) -> StoredCluster {
    let mut stored = sandbox(id, project_id, name);
    stored.cluster.kind = ClusterKind::Attached(AttachedCluster {
        hosts: vec!["h1:27017".into(), "h2:27018".into()],
        writes_quiesced: true,
    });
    stored.cluster.version = Some(ServerVersion("7.0.1".into()));
    stored
}

on_each_database! {
    async fn clusters_are_read_back_as_written(store) {
        let house = &House::build(&store, 'a').await;
        let own = &sandbox(1, house.project_id, "Own");
        let live = &attached(2, house.project_id, "Live");
        let uri = &SecretString::new("mongodb://u:p@h1,h2/");
        in_tx!(store, tx => {
            insert(tx, &house.project(), own, None).await?;
            insert(tx, &house.project(), live, Some(uri)).await
        })
        .expect("two clusters");
        let listed = in_tx!(store, tx => list(tx, &house.project(), Page::ALL).await);
        assert_eq!(listed.expect("a list").items, vec![own.clone(), live.clone()]);
        let found = in_tx!(store, tx => by_name(tx, &house.project(), "Live").await);
        assert_eq!(found.expect("a look-up").as_ref(), Some(live));
        let id = live.cluster.id;
        let read = in_tx!(store, tx => super::uri(tx, &system(), id).await).expect("a string");
        assert_eq!(read.expect("it has one"), *uri);
        let none = in_tx!(store, tx => super::uri(tx, &system(), own.cluster.id).await);
        assert_eq!(none, Ok(None));
    }

    async fn names_are_unique_in_a_project_and_hidden_outside(store) {
        let (a, b) = (&House::build(&store, 'a').await, &House::build(&store, 'b').await);
        let first = &sandbox(1, a.project_id, "C");
        in_tx!(store, tx => insert(tx, &a.project(), first, None).await).expect("new");
        let twin = &sandbox(2, a.project_id, "C");
        let refused = in_tx!(store, tx => insert(tx, &a.project(), twin, None).await);
        assert!(refused.expect_err("taken").is_conflict_in("clusters"));
        let other = &sandbox(3, b.project_id, "C");
        in_tx!(store, tx => insert(tx, &b.project(), other, None).await).expect("free there");
        let foreign = in_tx!(store, tx => by_name(tx, &b.project(), "C").await);
        assert_eq!(foreign.expect("a look-up").expect("its own").cluster.id, other.cluster.id);
        let gone = in_tx!(store, tx => projects::delete(tx, &a.project()).await);
        assert_eq!(gone.expect_err("a cluster is in it").kind(), ErrorKind::Conflict);
    }

    async fn facts_and_states_change_and_the_name_comes_free(store) {
        let house = &House::build(&store, 'a').await;
        let own = &sandbox(1, house.project_id, "C");
        let id = own.cluster.id;
        let facts = &ProbedFacts {
            version: ServerVersion("7.0.14".into()),
            level: GuardLevel::L2,
            level_reasons: Vec::new(),
            time_series: true,
        };
        in_tx!(store, tx => {
            insert(tx, &house.project(), own, None).await?;
            set_facts(tx, &system(), id, facts).await?;
            set_state(tx, &system(), id, ClusterState::Idle).await
        })
        .expect("changed");
        let found = in_tx!(store, tx => fetch(tx, &system(), id).await).expect("a look-up");
        let found = found.expect("it is there");
        assert_eq!((found.cluster.state, found.cluster.level), (ClusterState::Idle, GuardLevel::L2));
        assert!(found.time_series && found.level_reasons.is_empty());
        in_tx!(store, tx => remove(tx, &system(), id).await).expect("removed");
        assert_eq!(in_tx!(store, tx => count(tx, &house.project()).await), Ok(0));
        let again = in_tx!(store, tx => set_state(tx, &system(), id, ClusterState::Idle).await);
        assert_eq!(again.expect_err("gone").kind(), ErrorKind::Missing);
        in_tx!(store, tx => insert(tx, &house.project(), own, None).await).expect("free again");
    }

    async fn changes_are_counted_and_settled_once(store) {
        let house = &House::build(&store, 'a').await;
        let mut own = sandbox(1, house.project_id, "C");
        own.life.flex = true;
        let id = own.cluster.id;
        let new = &own;
        in_tx!(store, tx => insert(tx, &house.project(), new, None).await).expect("new");
        let flex = in_tx!(store, tx => list_of_kind(tx, &house.project(), true, Page::ALL).await);
        assert_eq!(flex.expect("a list").total, 1);
        let others = in_tx!(store, tx => list_of_kind(tx, &house.project(), false, Page::ALL).await);
        assert_eq!(others.expect("a list").total, 0);
        own.cluster.state = ClusterState::Updating;
        own.cluster.replication_specs_json = "[1]".into();
        own.settings_json = "{\"a\":1}".into();
        own.life = ClusterLife {
            flex: false,
            paused: true,
            process_args_json: "{\"noTableScan\":true}".into(),
            fcv_pin: Some(FcvPin { version: "7.0".into(), until: 5 }),
            change: 0,
            restart_wanted: true,
        };
        let changed = &own;
        in_tx!(store, tx => update(tx, &house.project(), changed).await).expect("changed");
        let found = in_tx!(store, tx => fetch(tx, &system(), id).await).expect("a look-up");
        let mut expected = own.clone();
        expected.life.change = 1;
        assert_eq!(found.as_ref(), Some(&expected));
        assert_eq!(in_tx!(store, tx => settle(tx, &system(), id, 0).await), Ok(false));
        assert_eq!(in_tx!(store, tx => settle(tx, &system(), id, 1).await), Ok(true));
        assert_eq!(in_tx!(store, tx => settle(tx, &system(), id, 1).await), Ok(false));
        let found = in_tx!(store, tx => fetch(tx, &system(), id).await).expect("a look-up");
        let found = found.expect("it is there");
        assert_eq!(found.cluster.state, ClusterState::Idle);
        assert!(found.life.paused && !found.life.restart_wanted);
        let other = &House::build(&store, 'b').await;
        let foreign = in_tx!(store, tx => update(tx, &other.project(), changed).await);
        assert_eq!(foreign.expect_err("of another project").kind(), ErrorKind::Missing);
    }
}
