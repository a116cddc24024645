//! Bad input at every operation, generated from the router and the API description: each wrong body, id,
//! parameter, version, encoding and credential gets the right code, names what is wrong, changes nothing,
//! and leaves one audit row at most. No operation is exempt.

mod bodies;
mod targets;

use std::collections::BTreeSet;

use axum::http::Method;

use super::scenario::{Request, Scenario};
use super::state::State;
use super::world::{Answer, Caller, World, digest_answer, nonce_of};

/// One wrong request.
pub(super) struct Wrong {
    /// What is wrong with it.
    pub(super) what: String,
    pub(super) target: String,
    /// Headers instead of those of a right request.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Whether it comes without credentials of its own making.
    pub(super) anonymous: bool,
    pub(super) body: Vec<u8>,
    pub(super) right: Right,
}

/// The right answer.
#[derive(Debug, Clone)]
pub(super) enum Right {
    /// This status and one of these codes.
    Code(u16, &'static [&'static str]),
    /// 400, and the answer says which field it is.
    Field(String),
    /// One of these statuses.
    Status(&'static [u16]),
}

impl Wrong {
    /// A request like the right one; to be changed in one respect.
    pub(super) fn of(request: &Request<'_>, what: impl Into<String>, right: Right) -> Self {
        let body = request.body.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            what: what.into(),
            target: request.target(),
            headers: Vec::new(),
            anonymous: false,
            body: body.into_bytes(),
            right,
        }
    }

    async fn send(&self, world: &World, request: &Request<'_>) -> Answer {
        let mut headers = vec![("accept", request.accept())];
        if !self.body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        headers.retain(|(name, _)| self.headers.iter().all(|(own, _)| own != name));
        headers.extend(self.headers.iter().cloned());
        let method = request.route.method.as_str();
        match &request.caller {
            _ if self.anonymous => {}
            Caller::Nobody => {}
            Caller::Token(token) => headers.push(("authorization", format!("Bearer {token}"))),
            Caller::Key(public_key, private_key) => {
                let challenged = world.send(method, &self.target, &headers, Vec::new()).await;
                let nonce = nonce_of(challenged.header("www-authenticate"));
                let value = digest_answer(public_key, private_key, &nonce, method, &self.target);
                headers.push(("authorization", value));
            }
        }
        world.send(method, &self.target, &headers, self.body.clone()).await
    }
}

impl Right {
    /// What is not right about an answer.
    fn objection(&self, answer: &Answer, refused: Option<&str>) -> Option<String> {
        let (status, code) = answer.refusal();
        let said = || Some(format!("{status} {code}: {}", answer.text));
        let short = answer.text.len() < 8_000;
        match self {
            _ if !short => Some(format!("{status} {code}: a long answer")),
            // What always refuses may do so before it looks.
            Self::Field(_) if refused == Some(code) => None,
            Self::Code(wanted, codes) if status == *wanted && codes.contains(&code) => None,
            Self::Field(path) if status == 400 && names(answer, path) => None,
            Self::Status(wanted) if wanted.contains(&status) => None,
            _ => said(),
        }
    }
}

/// Whether an answer says which field it is about: the field itself, or what it lies in.
fn names(answer: &Answer, path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let fields = answer.json["badRequestDetail"]["fields"].as_array().into_iter().flatten();
    let named = fields.filter_map(|field| field["field"].as_str()).any(|field| {
        field == path
            || path.starts_with(&format!("{field}."))
            || path.starts_with(&format!("{field}["))
    });
    let detail = answer.json["detail"].as_str().unwrap_or_default();
    named || detail.contains(last)
}

/// Walks through all operations. At each it sends what is wrong, then the right request.
async fn walk(wrong: impl Fn(&Request<'_>) -> Vec<Wrong>) {
    let mut scenario = Scenario::new(|settings| {
        settings.rate_multiplier = 1e9;
        settings.body_bytes_max = 5 << 20;
    })
    .await;
    let mut objections = Vec::new();
    let mut sent = 0;
    let mut done = BTreeSet::new();
    for step in Scenario::steps() {
        if step.is_poll() {
            scenario.take(step).await;
        }
        let request = scenario.request(step);
        let world = &scenario.world;
        let wrong = wrong(&request);
        // The same operation again: only another version or body is worth it.
        if !wrong.is_empty()
            && done.insert((step.operation, request.accept(), format!("{:?}", request.body)))
        {
            let before = State::of(world).await;
            for one in &wrong {
                let answer = one.send(world, &request).await;
                if let Some(objection) = one.right.objection(&answer, step.refused) {
                    objections.push(format!("{}, {}: {objection}", request.name(), one.what));
                }
            }
            sent += wrong.len();
            let after = State::of(world).await;
            let changed: Vec<&String> = after.tables.symmetric_difference(&before.tables).collect();
            if !changed.is_empty() {
                let (name, changed) = (request.name(), format!("{changed:?}"));
                objections.push(format!("{name} changed {changed:.500}"));
                break;
            }
            let rows: Vec<&String> = after.audit.difference(&before.audit).collect();
            let most = if request.route.method == Method::GET { 0 } else { wrong.len() };
            if rows.len() > most || rows.iter().any(|row| !row.contains("\"REFUSED\"")) {
                let done = rows.iter().filter(|row| !row.contains("\"REFUSED\"")).count();
                let (name, all) = (request.name(), rows.len());
                objections.push(format!("{name}: {done} of {all} audit rows are no refusals"));
            }
        }
        scenario.take(step).await;
        portolan_store::scratch::forget_audit(&scenario.world.control.store).await;
    }
    eprintln!("{sent} wrong requests");
    assert!(objections.is_empty(), "{} objections:\n{}", objections.len(), objections.join("\n"));
    assert_eq!(Scenario::missing(), [""; 0]);
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    walk(bodies::no_json).await;
}

#[tokio::test]
async fn fields_that_are_wrong() {
    walk(bodies::fields).await;
}

#[tokio::test]
async fn paths_and_queries_that_are_wrong() {
    walk(targets::paths_and_queries).await;
}

#[tokio::test]
async fn headers_that_are_wrong() {
    walk(targets::headers).await;
}
