//! What the levels guarantee and what they do not, cell by cell of the table in `docs/explanation/safety.md`
//! that no other test shows. A "no" is shown as well as a "yes".

use bson::RawBsonRef;
use portolan_auth::Authorized;
use portolan_model::{
    AttachedCluster, Cluster, ClusterId, ClusterKind, ClusterState, GuardLevel, OrgId,
    Organization, Project, ProjectId,
};
use portolan_runtime::{Fate, FaultPlan};
use portolan_store::clusters::{self, ClusterLife, StoredCluster};
use portolan_store::{StoreError, Tx, organizations, projects};
use tokio_util::sync::CancellationToken;

use super::door::door;
use super::races::{Moment, busy};
use super::world::{Documents, World, flight, flights};
use crate::effects;

const LEVELS: [GuardLevel; 4] = [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1, GuardLevel::L0];

/// The world's cluster as the control database knows it.
pub(super) fn attached_cluster() -> Cluster {
    let attached = AttachedCluster { hosts: vec!["h:1".into()], writes_quiesced: true };
    Cluster {
        id: ClusterId::new([2; 12]),
        project_id: ProjectId::new([1; 12]),
        name: "Cluster0".into(),
        kind: ClusterKind::Attached(attached),
        state: ClusterState::Idle,
        version: None,
        level: GuardLevel::L0,
        termination_protection_enabled: false,
        tags: Vec::new(),
        replication_specs_json: "[]".into(),
        created_at: 0,
    }
}

/// With the project and the organization that it is in.
async fn insert_cluster(tx: &mut Tx<'_>, stored: &StoredCluster) -> Result<(), StoreError> {
    let (org_id, project_id) = (OrgId::new([3; 12]), stored.cluster.project_id);
    let org = Authorized::system("a test").in_org(org_id);
    let organization = Organization {
        id: org_id,
        name: "Org".into(),
        skip_default_alerts_settings: false,
        api_access_list_required: false,
        created_at: 0,
    };
    organizations::insert(tx, &Authorized::system("a test"), &organization).await?;
    let project = Project {
        id: project_id,
        org_id,
        name: "Project".into(),
        tags: Vec::new(),
        with_default_alerts_settings: true,
        created_at: 0,
    };
    projects::insert(tx, &org, &project).await?;
    clusters::insert(tx, &org.in_project(project_id), stored, None).await
}

impl World {
    /// The operator states that documents that match are no longer written.
    pub(super) async fn state_quiet_writes(&self) {
        let stored = StoredCluster {
            cluster: attached_cluster(),
            level_reasons: Vec::new(),
            time_series: false,
            settings_json: "{}".into(),
            life: ClusterLife::default(),
        };
        let store = self.store(FaultPlan::none()).await;
        store
            .run_tx::<_, StoreError, _>("test.cluster", |tx| {
                let stored = &stored;
                Box::pin(async move { insert_cluster(tx, stored).await })
            })
            .await
            .expect("stored");
        store.close().await;
    }
}

/// Nobody writes, as the operator stated: whatever fails, each document is in one place at rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_guards_and_writers_nothing_is_lost_whatever_fails() {
    let points = [
        effects::UPLOAD,
        effects::COMMIT,
        effects::PUBLISH,
        effects::BATCH,
        effects::DELETE,
        effects::BATCH_DONE,
        effects::CLOSE,
        effects::CONFIRM,
    ];
    for point in points {
        for fate in [Fate::FailsBefore, Fate::ReplyLost] {
            let mut world = World::with_flights_at(GuardLevel::L0).await;
            world.options.quiet_unguarded_ms = 10_000;
            let all = world.live();
            world.pass(FaultPlan::none().with(point, 1, fate)).await;
            world.settle().await;
            world.assert_moved(&all, &format!("{point} {fate:?}")).await;
            assert_eq!(world.live().len(), 2, "{point} {fate:?}");
            let levels: Vec<_> = world.runs().await.iter().map(|run| run.level).collect();
            assert!(levels.iter().all(|level| *level == GuardLevel::L0), "{levels:?}");
        }
    }
}

/// A cluster without guards whose operator stated nothing is not archived from.
#[tokio::test]
async fn without_guards_a_run_needs_the_operator_s_word() {
    let mut world = World::with_flights_at(GuardLevel::L1).await;
    world.cluster.set_level(GuardLevel::L0);
    world.settle().await;
    assert_eq!(world.live().len(), 12);
    let error = world.job().await.last_error.expect("an error");
    assert!(error.contains("writesQuiesced"), "{error}");
}

/// The server looks, answers a client's update, and then deletes by `_id`.
#[tokio::test]
async fn without_guards_an_update_inside_a_delete_is_lost() {
    let mut world = World::with_flights_at(GuardLevel::L0).await;
    let updated = flight(3, 41, "updated by a client");
    let between = door(&mut world, |_, _, _| Ok(()));
    *between.between_halves.lock().expect("no panic") = Some(updated.clone());
    world.pass(FaultPlan::none()).await;
    let identity = portolan_lake::identity(&updated);
    assert!(!world.live().contains_key(&identity), "the update is gone");
    let archived = world.archived().await;
    assert_eq!(archived[&identity], flight(3, 41, "v1").as_bytes(), "as it was before");
}

/// One that comes before the server looks is seen.
#[tokio::test]
async fn without_guards_an_update_before_a_delete_is_kept() {
    for moment in [Moment::BeforeLookUp, Moment::BeforeDelete] {
        let mut world = World::with_flights_at(GuardLevel::L0).await;
        let updated = flight(3, 1, "updated by a client");
        let clients = updated.clone();
        busy(&mut world, moment, move |cluster| {
            assert!(cluster.replace(&flights(), clients).expect("replaced"));
        });
        world.pass(FaultPlan::none()).await;
        world.settle().await;
        let identity = portolan_lake::identity(&updated);
        assert_eq!(world.live()[&identity], updated.as_bytes(), "{moment:?}");
        assert!(!world.archived().await.contains_key(&identity), "{moment:?}");
    }
}

#[tokio::test]
async fn without_guards_the_row_of_a_document_that_a_client_deletes_stays() {
    let mut world = World::with_flights_at(GuardLevel::L0).await;
    busy(&mut world, Moment::BeforeDelete, |cluster| {
        assert!(cluster.remove(&flights(), RawBsonRef::Int32(3)));
    });
    world.pass(FaultPlan::none()).await;
    let run = world.runs().await[0].clone();
    assert_eq!((run.documents_vanished, run.documents_deleted), (1, 9));
    assert_eq!(world.archived().await.len(), 10);
}

/// A worker sends a delete, is suspended, and loses its lease; another one finishes the move, and the same
/// documents are in the cluster again, as after a restore. Then the first one's delete arrives. Gives what
/// was in the cluster before, and the world after.
async fn a_late_delete(level: GuardLevel) -> (World, Documents) {
    let mut world = World::with_flights_at(level).await;
    world.options.quiet_unguarded_ms = 10_000;
    let all = world.cluster.documents(&flights());
    let unrenewed = (1..400)
        .fold(FaultPlan::none(), |plan, n| plan.with(effects::LEASE_RENEW, n, Fate::FailsBefore));
    let plan = unrenewed.with(effects::DELETE, 1, Fate::Delayed { ms: 600_000 });
    let (suspended, suspended_store) = world.worker(plan).await;
    let (next, store) = world.worker(FaultPlan::none()).await;
    let shutdown = CancellationToken::new();
    let successor = async {
        for _ in 0..12 {
            world.runtime.sleep_ms(10_000).await;
            next.pass(&shutdown).await.expect("a pass");
        }
        assert_eq!(world.live().len(), 2, "{level}: the successor finished the move");
        assert_eq!(world.archived().await.len(), 10, "{level}");
        let back = all.iter().filter(|document| {
            let identity = portolan_lake::identity(document);
            !world.live().contains_key(&identity)
        });
        let back: Vec<_> = back.cloned().collect();
        world.cluster.insert(&flights(), back).expect("inserted");
        world.clock.advance_ms(600_000);
    };
    let both = async { tokio::join!(suspended.pass(&shutdown), successor) };
    let (late, ()) = world.run_clock(both).await;
    late.ok();
    suspended_store.close().await;
    store.close().await;
    let before =
        all.into_iter().map(|it| (portolan_lake::identity(&it), it.into_bytes())).collect();
    (world, before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_wakes_after_a_takeover_does_nothing_where_something_stops_it() {
    for level in LEVELS {
        let (world, before) = a_late_delete(level).await;
        let live = world.live();
        if level > GuardLevel::L0 {
            assert!(live == before, "{level}: {} documents", live.len());
        } else {
            assert_eq!(live.len(), 8, "one batch of four is deleted again");
            // Their rows are in the archive: only without those they were lost.
            let archived = world.archived().await;
            let gone = before.iter().filter(|(identity, _)| !live.contains_key(*identity));
            assert!(
                gone.into_iter().all(|(identity, bytes)| archived.get(identity) == Some(bytes))
            );
        }
    }
}
