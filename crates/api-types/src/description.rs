//! What the API's own description says of operations and shapes. The words stand in `.api` files beside
//! the code that reads and writes the shapes; here they are read into values, from which
//! [`schemas::Schemas`] makes JSON Schemas and examples. What is not here: paths, methods and versions,
//! which the router knows, and the OpenAPI document around all this.
//!
//! # How to describe an operation
//! Blocks begin with a keyword in the first column; `#` begins a comment, `|` continues the text above.
//!
//! ```text
//! tag Projects: What stands in this file.
//!
//! operation createGroup: One sentence.
//! | More of it.
//! query paged                             (pageNum, itemsPerPage, includeCount)
//! query name text ~"Sales" : A query parameter.
//! takes Group                             (body; `takes part of Group` when all of it is optional)
//! takes 2023-01-01 OlderGroup             (what another version takes)
//! example {"name":"Sales"}                (a body that says more than the composed example)
//! gives 201 Group                         (`page of Group`, `Group[]`, `bool`, `empty`, nothing for 204)
//! gives 2023-01-01 200 OlderGroup         (what another version gives)
//! refuses GROUP_ALREADY_EXISTS: When the organization has one of that name.
//!
//! shape Group: A project.
//! id+ hex24 readonly : In each answer (+), never in requests.
//! name* text(1..64) ~"Sales" : Required in requests (*) and in each answer.
//!
//! shape OlderGroup: A project in an older form.
//! ...Group                                (has all fields of a shape above; later lines replace them)
//! - tags                                  (but not this one)
//!
//! open Event: A shape that may hold further texts beside its fields.
//!
//! enum Colour(RED,BLUE): Values.
//! union Criteria: Either of several shapes.
//! DateCriteria
//! CustomCriteria
//! ```
//!
//! Kinds: `text`, `text(1..64)`, `hex24`, `email`, `time`, `bool`, `int`, `int(1..9)`, `number`, `object`
//! (any), `any`, `enum(A,B)`, a shape's name; `[]` after a kind makes a list, `{}` a map. Flags:
//! `readonly`, `writeonly`, `null` (may be null), `rare` (left out of composed examples), `~JSON` (an
//! example), `=JSON` (the default). An operation without `gives` always refuses; its `refuses
//! FEATURE_UNSUPPORTED` says why.

mod kind;
mod read;
pub mod schemas;

use std::collections::BTreeMap;

use serde_json::Value;

pub use kind::Kind;

/// All `.api` files.
const TEXTS: &[(&str, &str)] = &[
    ("system_status.api", include_str!("system_status.api")),
    ("organization.api", include_str!("organization.api")),
    ("project.api", include_str!("project.api")),
    ("user.api", include_str!("user.api")),
    ("invitation.api", include_str!("invitation.api")),
    ("team.api", include_str!("team.api")),
    ("api_key.api", include_str!("api_key.api")),
    ("service_account.api", include_str!("service_account.api")),
    ("access_list.api", include_str!("access_list.api")),
    ("limits.api", include_str!("limits.api")),
    ("event.api", include_str!("event.api")),
    ("cluster.api", include_str!("cluster.api")),
    ("flex.api", include_str!("flex.api")),
    ("database_user.api", include_str!("database_user.api")),
    ("online_archive.api", include_str!("online_archive.api")),
    ("federation.api", include_str!("federation.api")),
    ("link_token.api", include_str!("link_token.api")),
    ("own_api.api", include_str!("own_api.api")),
    ("operators.api", include_str!("operators.api")),
    ("plain.api", include_str!("plain.api")),
];

/// A description that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {message}")]
pub struct DescriptionError {
    /// The file, beside this one.
    pub file: &'static str,
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Everything that is said.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// Groups of operations with their texts, in order.
    pub tags: Vec<(&'static str, String)>,
    /// Operations by id.
    pub operations: BTreeMap<&'static str, Operation>,
    shapes: BTreeMap<&'static str, Shape>,
}

/// What is said of an operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Where it is said.
    pub file: &'static str,
    /// The group that it belongs to.
    pub tag: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The whole text.
    pub text: String,
    /// Whether its list comes in pages.
    pub paged: bool,
    /// Its own query parameters.
    pub query: Vec<Field>,
    /// Its bodies: one, or one for each version that has its own.
    pub takes: Vec<Takes>,
    /// A body that says more than the composed one.
    pub example: Option<Value>,
    /// Successful answers.
    pub gives: Vec<Gives>,
    /// Error codes that are its own, with when they come.
    pub refuses: Vec<(&'static str, &'static str)>,
}

/// A body.
#[derive(Debug, Clone)]
pub struct Takes {
    /// The version that it is for; the others have their own or the one without.
    pub version: Option<&'static str>,
    /// What it is.
    pub kind: Kind,
    /// Whether each field may be left out.
    pub partial: bool,
    /// Whether it is a form instead of JSON.
    pub form: bool,
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Gives {
    /// The version that it is for; the others have their own or the one without.
    pub version: Option<&'static str>,
    /// The status.
    pub status: u16,
    /// The body; `None` for an empty one.
    pub body: Option<Body>,
}

/// The body of a successful answer.
#[derive(Debug, Clone)]
pub enum Body {
    /// JSON.
    Json(Kind),
    /// A page of a list.
    Page(Kind),
    /// A compressed file.
    Gzip,
    /// Text, with its media type.
    Text(&'static str),
}

#[derive(Debug, Clone)]
enum Shape {
    /// `open`: may hold further texts beside its fields.
    Object {
        text: String,
        fields: Vec<Field>,
        open: bool,
    },
    Enum {
        text: String,
        values: Vec<&'static str>,
    },
    Union {
        text: String,
        of: Vec<&'static str>,
    },
}

/// A field of a shape, or a query parameter.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Required in requests and in answers.
    pub required: bool,
    /// In each answer.
    pub always: bool,
    /// Only in answers.
    pub read_only: bool,
    /// Only in requests.
    pub write_only: bool,
    /// May be null.
    pub nullable: bool,
    /// Not in composed examples.
    pub rare: bool,
    /// An example.
    pub example: Option<Value>,
    /// What the server takes when it is absent.
    pub default: Option<Value>,
    /// What it says.
    pub text: String,
}

impl Description {
    /// Reads all files.
    ///
    /// # Errors
    /// A [`DescriptionError`] that names file and line.
    pub fn load() -> Result<Self, DescriptionError> {
        let mut description = Self::default();
        for (file, text) in TEXTS {
            read::read(file, text, &mut description)?;
        }
        Ok(description)
    }
}

#[cfg(test)]
mod tests;
