//! A house for tests of use cases: one organization, one project, an owner's key, hosts in memory.

use std::sync::Arc;

use portolan_api_types::Fields;
use portolan_api_types::cluster::{Form, parse_create};
use portolan_api_types::own_api::parse_attach;
use portolan_api_types::project::CreateProject;
use portolan_auth::{Action, Principal};
use portolan_model::{ArchiveEvent, ArchiveId, Limits, OrgId, ProjectId, RequestId};
use portolan_runtime::Runtime;
use portolan_security::KeyRing;
use portolan_store::archives::work;
use portolan_store::events::{Event, EventFilter, list_of_project};
use portolan_store::{Page, Store, StoreError, principals};
use serde_json::{Value, json};

use super::{FoundCluster, SYSTEM};
use crate::hosts::fake::FakeHost;
use crate::{Caller, Control, ControlError, Founding};

/// The house.
pub(crate) struct House {
    pub(crate) control: Control,
    pub(crate) host: Arc<FakeHost>,
    pub(crate) org_id: OrgId,
    pub(crate) project_id: ProjectId,
    pub(crate) owner: Caller,
    _folder: tempfile::TempDir,
}

/// A JSON body.
pub(crate) fn fields(body: &Value) -> Fields {
    Fields::parse(body.to_string().as_bytes()).expect("an object")
}

impl House {
    pub(crate) async fn build() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let (folder, host) =
            (tempfile::tempdir().expect("a folder"), Arc::new(FakeHost::default()));
        let runtime = Runtime::system();
        let url = portolan_store::scratch::url(folder.path()).await;
        let keys = KeyRing::new(&[1; 32], &[]);
        let store = Store::open(&url, keys, runtime.clone()).await.expect("a new store");
        let control = Control {
            store,
            runtime,
            limits: Arc::new(limits),
            clusters: host.clone(),
            archives: host.clone(),
            links: host.clone(),
            public_url: "http://127.0.0.1:8080".into(),
            turns: crate::Turns::default(),
        };
        let founding = Founding { org_name: "Org".into(), user_email: "a@example.org".into() };
        let made = control.bootstrap(&founding).await.expect("a founded organization");
        let principal = login(&control.store, &made.public_key).await.expect("a key");
        let owner = caller(&control, principal);
        let body = CreateProject {
            name: "Project".into(),
            org_id: made.org_id,
            tags: Vec::new(),
            with_default_alerts_settings: true,
        };
        let project = control.create_project(&owner, body, None).await.expect("a project");
        let (org_id, project_id) = (made.org_id, project.id);
        Self { control, host, org_id, project_id, owner, _folder: folder }
    }

    /// Somebody who holds no role here.
    pub(crate) fn stranger(&self) -> Caller {
        let mut stranger = self.owner.clone();
        stranger.principal.grants = portolan_auth::Grants::default();
        stranger
    }

    pub(crate) async fn create(&self, body: Value) -> Result<FoundCluster, ControlError> {
        let draft = parse_create(fields(&body), Form::PerShard).expect("a right body");
        self.control.create_cluster(&self.owner, self.project_id, draft).await
    }

    /// A sandbox cluster that is ready.
    pub(crate) async fn cluster(&self, name: &str) -> FoundCluster {
        self.create(json!({ "name": name })).await.expect("a cluster");
        for _ in 0..200 {
            let found = self.get(name).await.expect("it is there");
            if found.stored.cluster.state == portolan_model::ClusterState::Idle {
                return found;
            }
            self.control.runtime.sleep_ms(10).await;
        }
        panic!("{name} does not become ready");
    }

    pub(crate) async fn get(&self, name: &str) -> Result<FoundCluster, ControlError> {
        self.control.get_cluster(&self.owner, self.project_id, name).await
    }

    pub(crate) async fn attach(&self, body: Value) -> Result<FoundCluster, ControlError> {
        let draft = parse_attach(fields(&body)).expect("a right body");
        self.control.attach_cluster(&self.owner, self.project_id, draft).await
    }

    /// Lets an event happen to an archive.
    pub(crate) async fn happen(&self, id: ArchiveId, event: ArchiveEvent) {
        let advanced: Result<_, StoreError> = self
            .control
            .store
            .run_tx("test.event", |tx| Box::pin(work::advance(tx, &SYSTEM, id, event)))
            .await;
        advanced.expect("written").expect("allowed");
    }

    /// The project's events, newest first.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let action = Action::ProjectRead;
        let witness = self.control.project(&self.owner.principal, action, self.project_id).await;
        let witness = &witness.expect("a witness");
        let listed: Result<_, StoreError> = self
            .control
            .store
            .read_tx("test.events", |tx| {
                Box::pin(async move {
                    list_of_project(tx, witness, &EventFilter::default(), Page::ALL).await
                })
            })
            .await;
        listed.expect("a list").items
    }
}

fn caller(control: &Control, principal: Principal) -> Caller {
    let request_id = RequestId::new(control.runtime.object_id());
    Caller { principal, remote_address: None, request_id }
}

/// Who a key is, as authentication finds out.
pub(crate) async fn login(store: &Store, public_key: &str) -> Option<Principal> {
    let found: Result<_, StoreError> =
        store.read_tx("test.login", |tx| Box::pin(principals::of_public_key(tx, public_key))).await;
    found.expect("a look-up").map(|key| key.principal)
}
