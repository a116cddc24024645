//! One request as a handler sees it: authenticated, versioned, its path and query decoded.

use std::str::FromStr;

use axum::body::Bytes;
use portolan_api_types::links::Base;
use portolan_api_types::paging::flag;
use portolan_api_types::{ErrorCode, Fields, Page, Paging, Problem, VersionDate};
use portolan_control::{Caller, Control, Place};
use portolan_model::{OrgId, ProjectId};
use serde_json::Value;

use crate::answer::Reply;
use crate::path::Parameters;
use crate::state::ApiState;

/// A request.
pub(crate) struct Call {
    pub(crate) state: ApiState,
    pub(crate) caller: Caller,
    /// The resolved version of the answer; `None` for Portolan's own API.
    pub(crate) version: Option<VersionDate>,
    /// The version in which the body is written: that of its content type, else that of the answer.
    pub(crate) body_version: Option<VersionDate>,
    pub(crate) parameters: Parameters,
    pub(crate) query: Vec<(String, String)>,
    /// The first parameter of the query whose escapes are broken.
    pub(crate) broken_query: Option<String>,
    pub(crate) body: Bytes,
    /// The normalized path, below the public address.
    pub(crate) path: String,
}

impl Call {
    /// The use cases.
    pub(crate) fn control(&self) -> &Control {
        self.state.control()
    }

    /// The base of links.
    pub(crate) fn base(&self) -> &Base {
        &self.state.inner.base
    }

    /// A path parameter as text; empty when the pattern has none of that name.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|parameter| parameter.name == name);
        found.map_or("", |parameter| parameter.value.as_str())
    }

    /// A path parameter as an id.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        parse_id(name, self.text(name))
    }

    /// `{orgId}`.
    pub(crate) fn org_id(&self) -> Result<OrgId, Problem> {
        self.id("orgId")
    }

    /// `{groupId}`.
    pub(crate) fn project_id(&self) -> Result<ProjectId, Problem> {
        self.id("groupId")
    }

    /// The organization or the project of the path, for what is managed in both.
    pub(crate) fn place(&self) -> Result<Place, Problem> {
        if self.text("groupId").is_empty() {
            return Ok(Place::Org(self.org_id()?));
        }
        Ok(Place::Project(self.project_id()?))
    }

    /// The body as an object.
    pub(crate) fn fields(&self) -> Result<Fields, Problem> {
        Fields::parse(&self.body)
    }

    /// The body as an array of objects.
    pub(crate) fn array(&self) -> Result<Vec<Fields>, Problem> {
        Fields::parse_array(&self.body)
    }

    /// Refuses escapes in path and query that mean nothing.
    pub(crate) fn check_escapes(&self) -> Result<(), Problem> {
        if let Some(broken) = self.parameters.iter().find(|parameter| parameter.broken) {
            return Err(wrong_parameter(broken.name, &broken.value));
        }
        match &self.broken_query {
            None => Ok(()),
            Some(name) => Err(Problem::invalid_query(name, "broken percent-encoding")),
        }
    }

    /// A query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter as an id; `None` when absent.
    pub(crate) fn query_id<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let rule = "it must be 24 lower-case hexadecimal digits";
        text.parse().map(Some).map_err(|_| Problem::invalid_query(name, rule))
    }

    /// Every value of a query parameter, whether repeated or separated by commas.
    pub(crate) fn query_all(&self, name: &str) -> Vec<&str> {
        let values = self.query.iter().filter(|(key, _)| key == name);
        let values = values.flat_map(|(_, value)| value.split(','));
        values.filter(|value| !value.is_empty()).collect()
    }

    /// A query parameter as a boolean, false when absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        self.query(name).map_or(Ok(false), |value| flag(name, value))
    }

    /// The page that a list is asked for.
    pub(crate) fn paging(&self) -> Result<Paging, Problem> {
        Paging::parse(&self.query)
    }

    /// A page of a list as an answer, whose links repeat the named filters of the query.
    pub(crate) fn list(&self, paging: Paging, filters: &[&str], page: Page<Value>) -> Reply {
        let kept: Vec<(String, String)> =
            self.query.iter().filter(|(key, _)| filters.contains(&key.as_str())).cloned().collect();
        let href = format!("{}{}", self.base().public_url(), self.path);
        Reply::list(paging.body(&href, &kept, page))
    }
}

/// Reads an id of a path. A malformed one is answered as the public error list says: 404 for
/// projects and organizations, 400 for others.
pub(crate) fn parse_id<T: FromStr>(name: &str, text: &str) -> Result<T, Problem> {
    let shown = || text.chars().take(SHOWN_MAX).collect::<String>();
    text.parse().map_err(|_| match name {
        "groupId" => {
            let detail = format!("An invalid group ID {} was specified.", shown());
            Problem::new(ErrorCode::InvalidGroupId, detail).with(shown())
        }
        "orgId" => {
            let detail = format!("An invalid organization ID {} was specified.", shown());
            Problem::new(ErrorCode::InvalidOrgId, detail).with(shown())
        }
        "invitationId" => {
            let detail = format!("An invalid invitation ID {} was specified.", shown());
            Problem::new(ErrorCode::InvalidInvitationId, detail).with(shown())
        }
        _ => wrong_parameter(name, text),
    })
}

fn wrong_parameter(name: &str, text: &str) -> Problem {
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let detail = format!("Invalid path parameter {name} specified: {shown}.");
    Problem::new(ErrorCode::InvalidPathParameter, detail).with(name).with(shown)
}

/// Most characters of a wrong parameter that an answer repeats.
const SHOWN_MAX: usize = 256;
