//! Organizations: create, update and the answer.

use portolan_model::{Organization, UserId};
use serde_json::{Map, Value, json};

use crate::api_key::NewApiKey;
use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;
use crate::links::Base;
use crate::names::check_name;
use crate::service_account::NewServiceAccount;

const RELATED: [&str; 3] = ["groups", "teams", "users"];

/// The body of `POST /orgs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrganization {
    /// Its name.
    pub name: String,
    /// The user who shall own it; absent: the owner of the caller's organization.
    pub org_owner_id: Option<UserId>,
    /// A key to create in it.
    pub api_key: Option<NewApiKey>,
    /// A service account to create in it.
    pub service_account: Option<NewServiceAccount>,
    /// Whether its projects go without default alert settings.
    pub skip_default_alerts_settings: bool,
}

impl CreateOrganization {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let name = fields.required_string("name")?;
        check_name("name", &name, ErrorCode::InvalidOrgName)?;
        if fields.string("federationSettingsId")?.is_some_and(|id| !id.is_empty()) {
            return Err(Problem::unsupported("federated authentication (federationSettingsId)"));
        }
        let api_key = fields.object("apiKey")?.map(NewApiKey::read_for_org).transpose()?;
        let service_account =
            fields.object("serviceAccount")?.map(NewServiceAccount::read).transpose()?;
        if api_key.is_some() && service_account.is_some() {
            let rule = "cannot be given together with apiKey";
            return Err(Problem::invalid_attribute("serviceAccount", rule));
        }
        let create = Self {
            name,
            org_owner_id: fields.id("orgOwnerId")?,
            api_key,
            service_account,
            skip_default_alerts_settings: fields
                .bool("skipDefaultAlertsSettings")?
                .unwrap_or(false),
        };
        fields.finish()?;
        Ok(create)
    }
}

/// The body of `PATCH /orgs/{orgId}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateOrganization {
    /// A new name.
    pub name: Option<String>,
    /// Whether new projects go without default alert settings.
    pub skip_default_alerts_settings: Option<bool>,
}

impl UpdateOrganization {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        fields.ignore(&["id", "isDeleted", "links"]);
        let name = fields.string("name")?;
        if let Some(name) = &name {
            check_name("name", name, ErrorCode::InvalidOrgName)?;
        }
        let skip_default_alerts_settings = fields.bool("skipDefaultAlertsSettings")?;
        fields.finish()?;
        Ok(Self { name, skip_default_alerts_settings })
    }
}

/// An organization in a list: only a link to itself.
#[must_use]
pub fn item_json(org: &Organization, base: &Base) -> Value {
    body(org, base.links(&format!("/orgs/{}", org.id), &[]))
}

/// An organization by itself.
#[must_use]
pub fn json(org: &Organization, base: &Base) -> Value {
    body(org, base.links(&format!("/orgs/{}", org.id), &RELATED))
}

fn body(org: &Organization, links: Value) -> Value {
    json!({
        "id": org.id.to_string(),
        "isDeleted": false,
        "links": links,
        "name": org.name,
        "skipDefaultAlertsSettings": org.skip_default_alerts_settings,
    })
}

/// The answer of `POST /orgs`. Key and account are given as their own answers, secrets included.
#[must_use]
pub fn created_json(
    org: &Organization,
    owner_id: Option<UserId>,
    api_key: Option<Value>,
    service_account: Option<Value>,
    base: &Base,
) -> Value {
    let mut body = Map::new();
    body.insert("organization".into(), json(org, base));
    body.insert("skipDefaultAlertsSettings".into(), org.skip_default_alerts_settings.into());
    if let Some(owner) = owner_id {
        body.insert("orgOwnerId".into(), owner.to_string().into());
    }
    body.extend(api_key.map(|key| ("apiKey".to_owned(), key)));
    body.extend(service_account.map(|account| ("serviceAccount".to_owned(), account)));
    Value::Object(body)
}
