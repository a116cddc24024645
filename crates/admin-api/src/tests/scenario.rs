//! One walk through every operation of the router, in an order in which each finds what it needs. Tests
//! hang on it what must hold for all operations; an operation without a step fails them.

mod steps;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::live_migrations;
use super::world::{Answer, Caller, World};
use crate::openapi::parameters_of;
use crate::path::RequestPath;
use crate::route::Route;
use crate::router::routes;

type Pairs = &'static [(&'static str, &'static str)];

/// A call that its operation takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) operation: &'static str,
    /// Parameters of the path that differ from the names that are kept.
    with: Pairs,
    query: &'static str,
    body: Option<&'static str>,
    /// The date that is asked for; the newest by default.
    version: &'static str,
    /// What is kept of the answer: name and pointer.
    save: Pairs,
    /// The code of operations that always refuse, or have nothing to find.
    pub(super) refused: Option<&'static str>,
    /// Asked again until the answer holds this: pointer and text.
    until: Option<(&'static str, &'static str)>,
    /// Called by the key of a link token instead of the owner's account.
    by_link: bool,
}

const fn step(operation: &'static str) -> Step {
    Step {
        operation,
        with: &[],
        query: "",
        body: None,
        version: "2025-03-12",
        save: &[],
        refused: None,
        until: None,
        by_link: false,
    }
}

impl Step {
    const fn with(mut self, with: Pairs) -> Self {
        self.with = with;
        self
    }

    const fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    const fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    const fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    const fn save(mut self, save: Pairs) -> Self {
        self.save = save;
        self
    }

    const fn refused(mut self, code: &'static str) -> Self {
        self.refused = Some(code);
        self
    }

    const fn until(mut self, pointer: &'static str, text: &'static str) -> Self {
        self.until = Some((pointer, text));
        self
    }

    /// Whether it waits for what goes on beside it.
    pub(super) const fn is_poll(&self) -> bool {
        self.until.is_some()
    }

    const fn by_link(mut self) -> Self {
        self.by_link = true;
        self
    }
}

/// The walk: a world, and the names that steps kept.
pub(super) struct Scenario {
    pub(super) world: World,
    pub(super) owner: Caller,
    names: BTreeMap<String, String>,
    routes: Vec<Route>,
}

/// A step with its names filled in: one request.
pub(super) struct Request<'a> {
    pub(super) step: Step,
    pub(super) route: &'a Route,
    pub(super) caller: Caller,
    /// Parameters of the path, as they stand in it.
    pub(super) parameters: Vec<(&'static str, String)>,
    pub(super) query: String,
    pub(super) body: Option<Value>,
}

impl Request<'_> {
    /// The path with its query.
    pub(super) fn target(&self) -> String {
        self.target_with("", "")
    }

    /// The same with another value of one parameter.
    pub(super) fn target_with(&self, name: &str, value: &str) -> String {
        let mut target = self.route.path.to_owned();
        for (known, filled) in &self.parameters {
            let filled = if *known == name { value } else { filled };
            target = target.replace(&format!("{{{known}}}"), filled);
        }
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{target}{mark}{}", self.query)
    }

    pub(super) fn accept(&self) -> String {
        let format = self.route.format.as_str();
        format!("application/vnd.atlas.{}+{format}", self.step.version)
    }

    /// The request as it stands, for messages.
    pub(super) fn name(&self) -> String {
        format!("{} ({} {})", self.step.operation, self.route.method, self.target())
    }
}

impl Scenario {
    /// A world with what no operation makes: a side to link to, and a project for what moves.
    pub(super) async fn new(change: impl FnOnce(&mut crate::ApiSettings)) -> Self {
        let world = World::with(change).await;
        world.host.link_to(live_migrations::elsewhere(world.router.clone()));
        let (owner, _) = super::oauth::token(&world).await;
        let mut names = BTreeMap::new();
        for (name, value) in [
            ("orgId", world.org()),
            ("userId", world.founded.owner_id.to_string()),
            ("clusterName", "Cluster0".to_owned()),
            ("limitName", "atlas.project.deployment.clusters".to_owned()),
            ("databaseName", "admin".to_owned()),
            ("username", "importer".to_owned()),
            ("endpointSetId", "clusters".to_owned()),
            ("absent", "0123456789abcdef01234567".to_owned()),
        ] {
            names.insert(name.to_owned(), value);
        }
        let group = world.project("Moving").await;
        names.insert("movingId".to_owned(), group);
        names.insert("liveMigrationId".to_owned(), live_migrations::READY.to_string());
        Self { world, owner, names, routes: routes() }
    }

    /// All steps, in order.
    pub(super) fn steps() -> Vec<Step> {
        steps::all()
    }

    /// Operations that no step calls.
    pub(super) fn missing() -> Vec<&'static str> {
        let steps = Self::steps();
        let all = routes().into_iter().map(|route| route.operation);
        all.filter(|operation| steps.iter().all(|step| step.operation != *operation)).collect()
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some((before, rest)) = text.split_once("{{") {
            let (name, after) = rest.split_once("}}").expect("a closed name");
            text = format!("{before}{}{after}", self.name(name));
        }
        text
    }

    fn name(&self, name: &str) -> &str {
        self.names.get(name).unwrap_or_else(|| panic!("no step kept {name}"))
    }

    /// The request of a step, as things are now.
    pub(super) fn request(&self, step: Step) -> Request<'_> {
        let route = self.routes.iter().find(|route| route.operation == step.operation);
        let route = route.unwrap_or_else(|| panic!("no operation {}", step.operation));
        let value = |name: &&'static str| {
            let own = step.with.iter().find(|(known, _)| known == name);
            (*name, own.map_or_else(|| self.name(name).to_owned(), |(_, own)| self.fill(own)))
        };
        let names = parameters_of(route.path);
        let body = step.body.map(|body| {
            let filled = self.fill(body);
            serde_json::from_str(&filled).unwrap_or_else(|error| panic!("{error}: {filled}"))
        });
        Request {
            step,
            route,
            caller: if step.by_link { self.link_key() } else { self.owner.clone() },
            parameters: names.iter().map(value).collect(),
            query: self.fill(step.query),
            body,
        }
    }

    /// The key inside the link token that was kept.
    fn link_key(&self) -> Caller {
        let bytes = URL_SAFE_NO_PAD.decode(self.name("linkToken")).expect("base64url");
        let token: Value = serde_json::from_slice(&bytes).expect("JSON");
        let text = |name: &str| token[name].as_str().expect("a text").to_owned();
        Caller::Key(text("publicKey"), text("privateKey"))
    }

    /// Makes the call of a step, checks its status, and keeps what later steps need.
    pub(super) async fn take(&mut self, step: Step) -> Answer {
        let mut answer = self.ask(step).await;
        if let Some((pointer, text)) = step.until {
            for _ in 0..10_000 {
                if answer.json.pointer(pointer).and_then(Value::as_str) == Some(text) {
                    break;
                }
                tokio::task::yield_now().await;
                answer = self.ask(step).await;
            }
            assert_eq!(answer.str(pointer), text, "{}", step.operation);
        }
        match step.refused {
            None => assert!(answer.status < 300, "{}: {}", step.operation, answer.text),
            Some(code) => assert_eq!(answer.code(), code, "{}: {}", step.operation, answer.text),
        }
        let migration = match step.operation {
            "deleteOrgLiveMigrationLinkTokens" => Some("WORKING"),
            "cutoverGroupLiveMigration" => Some("COMPLETE"),
            _ => None,
        };
        if let Some(status) = migration {
            live_migrations::write_migration(&self.world, self.name("movingId"), status).await;
        }
        for (name, pointer) in step.save {
            self.names.insert((*name).to_owned(), answer.str(pointer));
        }
        answer
    }

    async fn ask(&self, step: Step) -> Answer {
        let request = self.request(step);
        let (method, target) = (request.route.method.as_str(), request.target());
        let (body, accept) = (request.body.as_ref(), request.accept());
        self.world.call_as(&request.caller, method, &target, body, &accept).await
    }
}

#[test]
fn every_operation_has_a_step() {
    assert_eq!(Scenario::missing(), [""; 0]);
}

#[test]
fn steps_stand_where_the_router_finds_them() {
    let table = crate::router::RouteTable::new();
    for route in routes() {
        let filled = route.path.replace(['{', '}'], "");
        let (found, _) = table.find(&route.method, &RequestPath::new(&filled)).expect("a route");
        assert_eq!(found.operation, route.operation);
    }
}
