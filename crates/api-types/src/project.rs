//! Projects (`group` on the wire): create, update, move, and the answer.

use portolan_model::{OrgId, Project, Tag};
use portolan_security::SecretString;
use serde_json::{Value, json};

use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;
use crate::links::Base;
use crate::names::check_name;
use crate::tags;
use crate::time::iso8601;

const RELATED: [&str; 6] =
    ["containers", "clusters", "databaseUsers", "peers", "processes", "whitelist"];
const READ_ONLY: [&str; 4] = ["id", "clusterCount", "created", "links"];

/// The body of `POST /groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateProject {
    /// Its name.
    pub name: String,
    /// The organization that shall own it.
    pub org_id: OrgId,
    /// Labels.
    pub tags: Vec<Tag>,
    /// Whether it gets default alert settings.
    pub with_default_alerts_settings: bool,
}

impl CreateProject {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        fields.ignore(&READ_ONLY);
        refuse_government(&mut fields)?;
        let name = fields.required_string("name")?;
        check_name("name", &name, ErrorCode::InvalidGroupName)?;
        let create = Self {
            name,
            org_id: fields.id("orgId")?.ok_or_else(|| fields.missing("orgId"))?,
            tags: tags::take(&mut fields, "tags")?.unwrap_or_default(),
            with_default_alerts_settings: fields.bool("withDefaultAlertsSettings")?.unwrap_or(true),
        };
        fields.finish()?;
        Ok(create)
    }
}

/// `regionUsageRestrictions` exists on Atlas for Government only. The Go SDK's constructor of a group
/// sends the commercial default all the same, so that one is ignored.
fn refuse_government(fields: &mut Fields) -> Result<(), Problem> {
    match fields.string("regionUsageRestrictions")?.as_deref() {
        None | Some("COMMERCIAL_FEDRAMP_REGIONS_ONLY") => Ok(()),
        Some(_) => Err(Problem::invalid_attribute(
            "regionUsageRestrictions",
            "exists only on Atlas for Government",
        )),
    }
}

/// The body of `PATCH /groups/{groupId}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateProject {
    /// A new name.
    pub name: Option<String>,
    /// New labels, replacing all.
    pub tags: Option<Vec<Tag>>,
    /// Accepted and kept.
    pub with_default_alerts_settings: Option<bool>,
}

impl UpdateProject {
    /// Reads the body. `orgId` may be repeated; whether it is the project's own is for the use case.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<(Self, Option<OrgId>), Problem> {
        fields.ignore(&READ_ONLY);
        let name = fields.string("name")?;
        if let Some(name) = &name {
            check_name("name", name, ErrorCode::InvalidGroupName)?;
        }
        let org_id = fields.id("orgId")?;
        let update = Self {
            name,
            tags: tags::take(&mut fields, "tags")?,
            with_default_alerts_settings: fields.bool("withDefaultAlertsSettings")?,
        };
        fields.finish()?;
        Ok((update, org_id))
    }
}

/// The body of `POST /groups/{groupId}:migrate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveProject {
    /// Where it goes.
    pub destination_org_id: OrgId,
    /// Public key of an owner of the destination.
    pub public_key: Option<String>,
    /// Its private key.
    pub private_key: Option<SecretString>,
}

impl MoveProject {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let destination = fields.id("destinationOrgId")?;
        let destination = destination.ok_or_else(|| fields.missing("destinationOrgId"))?;
        let public_key = fields.string("destinationOrgPublicApiKey")?;
        if public_key.as_ref().is_some_and(|key| !key.is_empty() && key.chars().count() != 8) {
            let rule = "must have exactly 8 characters";
            return Err(Problem::validation("destinationOrgPublicApiKey", rule));
        }
        let private_key = fields.string("destinationOrgPrivateApiKey")?;
        fields.finish()?;
        let given = |text: &String| !text.is_empty();
        Ok(Self {
            destination_org_id: destination,
            public_key: public_key.filter(given),
            private_key: private_key.filter(given).map(SecretString::new),
        })
    }

    /// The error for a caller that must prove the destination and sent half a pair or none: it names
    /// both fields.
    #[must_use]
    pub fn missing_keys() -> Problem {
        let names = ["destinationOrgPublicApiKey", "destinationOrgPrivateApiKey"];
        let detail =
            format!("The required attributes {} and {} were not specified.", names[0], names[1]);
        names
            .into_iter()
            .fold(Problem::new(ErrorCode::MissingAttributes, detail), |problem, name| {
                problem.with(name).at(name, "is required")
            })
    }
}

/// A project in a list: only a link to itself.
#[must_use]
pub fn item_json(project: &Project, cluster_count: i64, base: &Base) -> Value {
    body(project, cluster_count, base.links(&format!("/groups/{}", project.id), &[]))
}

/// A project by itself.
#[must_use]
pub fn json(project: &Project, cluster_count: i64, base: &Base) -> Value {
    body(project, cluster_count, base.links(&format!("/groups/{}", project.id), &RELATED))
}

fn body(project: &Project, cluster_count: i64, links: Value) -> Value {
    let mut body = json!({
        "clusterCount": cluster_count,
        "created": iso8601(project.created_at),
        "id": project.id.to_string(),
        "links": links,
        "name": project.name,
        "orgId": project.org_id.to_string(),
        "withDefaultAlertsSettings": project.with_default_alerts_settings,
    });
    if !project.tags.is_empty() {
        body["tags"] = tags::json(&project.tags);
    }
    body
}
