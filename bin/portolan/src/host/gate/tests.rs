//! IP access lists at real listeners, over loopback.

use std::time::Duration;

use bson::doc;
use mongodb::Client;

use mongodb::options::ClientOptions;
use portolan_api_types::Fields;
use portolan_api_types::cluster::{Form, parse_create};
use portolan_api_types::network::{EntryDraft, read_entries};
use portolan_api_types::project::CreateProject;
use portolan_control::{Caller, Control};
use portolan_model::{ClusterKind, ClusterState, ProjectId, RequestId};
use portolan_runtime::Runtime;
use portolan_store::StoreError;
use portolan_store::endpoints::{Endpoint, EndpointRole};
use portolan_store::principals;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::Config;
use crate::instance;
use crate::locations::Locations;

struct World {
    host: Host,
    control: Control,
    owner: Caller,
    project_id: ProjectId,
    cluster_id: ClusterId,
    port: u16,
    _dir: tempfile::TempDir,
}

impl World {
    /// An instance without HTTP, with one sandbox cluster that listens.
    async fn start(strict: bool) -> Self {
        crate::tls::install_provider();
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config { dir: dir.path().to_owned(), ..Config::default() };
        config.endpoints.port_range = free_ports();
        config.endpoints.strict_access_list = strict;
        let runtime = Runtime::system();
        let store = instance::open_store(&config, &runtime).await.expect("a store");
        let locations = Locations::open(&config).expect("locations");
        let stop = CancellationToken::new();
        let host = Host::new(&config, store.clone(), locations, runtime.clone(), stop, 0);
        let host = host.expect("a host");
        let control = instance::control(&store, &runtime, &host, "http://127.0.0.1");
        let founded = instance::bootstrap(&control, "Org", "a@example.org").await.expect("keys");
        let principal: Result<_, StoreError> = store
            .read_tx("test.login", |tx| {
                Box::pin(principals::of_public_key(tx, &founded.public_key))
            })
            .await;
        let principal = principal.expect("a look-up").expect("a key").principal;
        let request_id = RequestId::new(runtime.object_id());
        let owner = Caller { principal, remote_address: None, request_id };
        let body = CreateProject {
            name: "Project".into(),
            org_id: founded.org_id.parse().expect("an id"),
            tags: Vec::new(),
            with_default_alerts_settings: true,
        };
        let project_id = control.create_project(&owner, body, None).await.expect("a project").id;
        let (cluster_id, port) = cluster(&control, &owner, project_id).await;
        Self { host, control, owner, project_id, cluster_id, port, _dir: dir }
    }

    async fn put(&self, entries: &str) {
        let drafts: Vec<EntryDraft> =
            read_entries(Fields::parse_array(entries.as_bytes()).expect("JSON")).expect("entries");
        self.control.put_network_entries(&self.owner, self.project_id, drafts).await.expect("put");
    }

    async fn remove(&self, cidr: &str) {
        let network = cidr.parse().expect("a network");
        let (owner, id) = (&self.owner, self.project_id);
        self.control.remove_network_entry(owner, id, network).await.expect("removed");
    }

    async fn stop(self) {
        self.host.stop().await;
        self.control.store.close().await;
    }
}

async fn cluster(control: &Control, owner: &Caller, project_id: ProjectId) -> (ClusterId, u16) {
    let draft = parse_create(Fields::parse(br#"{"name": "C"}"#).expect("JSON"), Form::PerShard);
    let draft = draft.expect("a draft");
    control.create_cluster(owner, project_id, draft).await.expect("a cluster");
    for _ in 0..500 {
        let found = control.get_cluster(owner, project_id, "C").await.expect("it is there");
        let cluster = found.stored.cluster;
        if let (ClusterState::Idle, ClusterKind::Sandbox { port }) = (cluster.state, &cluster.kind)
        {
            return (cluster.id, *port);
        }
        control.runtime.sleep_ms(20).await;
    }
    panic!("the cluster does not become ready");
}

/// Whether the driver gets an answer on a port.
async fn answers(port: u16) -> bool {
    let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let mut options = ClientOptions::parse(uri).await.expect("a URI");
    options.server_selection_timeout = Some(Duration::from_millis(700));
    let client = Client::with_options(options).expect("a client");
    client.database("admin").run_command(doc! { "ping": 1 }).await.is_ok()
}

/// A range of ports that nobody listens on now, beginning where the kernel says.
fn free_ports() -> (u16, u16) {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let range = |first: u16| Some((first, first.checked_add(4)?));
    let mut ranges = std::iter::repeat_with(|| range(free_port())).flatten();
    ranges.find(|(first, last)| (*first..=*last).all(is_free)).expect("there are free ports")
}

fn free_port() -> u16 {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("an address").port()
}

/// Waits for an answer of [`answers`], at most the two seconds that a change may take, and as long
/// again for a busy machine.
async fn soon(port: u16, wanted: bool) -> bool {
    for _ in 0..40 {
        if answers(port).await == wanted {
            return true;
        }
        Runtime::system().sleep_ms(100).await;
    }
    false
}

#[tokio::test]
async fn a_strict_list_lets_in_whom_it_names_and_nobody_else() {
    let world = World::start(true).await;
    let endpoint = |role, port| Endpoint { cluster_id: world.cluster_id, role, port };
    let mut ports = vec![world.port];
    let mut listeners = Vec::new();
    for role in [EndpointRole::Archive, EndpointRole::ClusterAndArchive] {
        let port = free_port();
        listeners.push(world.host.listen_endpoint(endpoint(role, port)).await.expect("open"));
        ports.push(port);
    }
    for port in &ports {
        assert!(!answers(*port).await, "{port} answers with an empty list");
    }
    world.put(r#"[{"ipAddress": "127.0.0.1", "comment": "this machine"}]"#).await;
    for port in &ports {
        assert!(soon(*port, true).await, "{port} does not answer who is on the list");
    }
    world.remove("127.0.0.1/32").await;
    for port in &ports {
        assert!(soon(*port, false).await, "{port} answers who is no longer on the list");
    }
    for mut listener in listeners {
        listener.stop().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn an_open_connection_ends_with_its_entry() {
    use tokio::io::AsyncReadExt;
    let world = World::start(true).await;
    world.put(r#"[{"cidrBlock": "127.0.0.0/8"}]"#).await;
    assert!(soon(world.port, true).await);
    let mut open = tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.expect("open");
    let runtime = Runtime::system();
    let mut byte = [0];
    let quiet = runtime.timeout_ms(300, open.read(&mut byte)).await;
    assert!(quiet.is_err(), "the connection ended while it was allowed");
    world.remove("127.0.0.0/8").await;
    let ended = runtime.timeout_ms(2_000, open.read(&mut byte)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "still open after two seconds");
    world.stop().await;
}

#[tokio::test]
async fn loopback_needs_no_entry_and_entries_end_by_themselves() {
    let world = World::start(false).await;
    assert!(answers(world.port).await);
    let runtime = Runtime::system();
    let gate = ProjectGate::new(world.host.clone(), world.cluster_id);
    let address: IpAddr = "192.0.2.7".parse().expect("an address");
    let mapped: IpAddr = "::ffff:192.0.2.7".parse().expect("an address");
    assert!(!gate.admits(address).await);
    let end = portolan_api_types::time::iso8601(runtime.now_ms() + 2_500);
    let entry = format!(r#"[{{"ipAddress": "192.0.2.7", "deleteAfterDate": "{end}"}}]"#);
    world.put(&entry).await;
    runtime.sleep_ms(KNOWN_MS_MAX).await;
    assert!(gate.admits(address).await);
    assert!(gate.admits(mapped).await, "an IPv4 client of an IPv6 listener");
    runtime.sleep_ms(2_600).await;
    assert!(!gate.admits(address).await, "the entry ended");
    world.stop().await;
}
