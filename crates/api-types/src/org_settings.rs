//! Settings of an organization: a merge on the way in, everything on the way out.

use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;
use crate::names::check_email;

const SESSION_ABSOLUTE_S: std::ops::RangeInclusive<i64> = 3_600..=43_200;
const SESSION_IDLE_S_MIN: i64 = 300;

/// A change: outer `None` leaves a setting as it is; inner `None` clears it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgSettingsPatch {
    /// `apiAccessListRequired`.
    pub api_access_list_required: Option<bool>,
    /// `multiFactorAuthRequired`.
    pub multi_factor_auth_required: Option<bool>,
    /// `restrictEmployeeAccess`.
    pub restrict_employee_access: Option<bool>,
    /// `genAIFeaturesEnabled`.
    pub gen_ai_features_enabled: Option<bool>,
    /// `streamsCrossGroupEnabled`.
    pub streams_cross_group_enabled: Option<bool>,
    /// `maxServiceAccountSecretValidityInHours`.
    pub secret_validity_hours_max: Option<i64>,
    /// `securityContact`; the empty text clears it.
    pub security_contact: Option<Option<String>>,
    /// `operationsContact`.
    pub operations_contact: Option<Option<String>>,
    /// `customSessionTimeouts`: absolute and idle seconds.
    pub session: Option<(Option<i64>, Option<i64>)>,
}

impl OrgSettingsPatch {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let patch = Self {
            api_access_list_required: fields.bool("apiAccessListRequired")?,
            multi_factor_auth_required: fields.bool("multiFactorAuthRequired")?,
            restrict_employee_access: fields.bool("restrictEmployeeAccess")?,
            gen_ai_features_enabled: fields.bool("genAIFeaturesEnabled")?,
            streams_cross_group_enabled: fields.bool("streamsCrossGroupEnabled")?,
            secret_validity_hours_max: fields.int(
                "maxServiceAccountSecretValidityInHours",
                8,
                8_760,
            )?,
            security_contact: contact(&mut fields, "securityContact")?,
            operations_contact: contact(&mut fields, "operationsContact")?,
            session: session(&mut fields)?,
        };
        fields.ignore(&["operationsContact", "securityContact", "customSessionTimeouts"]);
        fields.finish()?;
        Ok(patch)
    }
}

fn contact(fields: &mut Fields, name: &str) -> Result<Option<Option<String>>, Problem> {
    match fields.string(name)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(Some(None)),
        Some(text) => {
            check_email(name, &text)?;
            Ok(Some(Some(text)))
        }
    }
}

type Session = (Option<i64>, Option<i64>);

fn session(fields: &mut Fields) -> Result<Option<Session>, Problem> {
    let Some(mut inner) = fields.object("customSessionTimeouts")? else { return Ok(None) };
    let (min, max) = (*SESSION_ABSOLUTE_S.start(), *SESSION_ABSOLUTE_S.end());
    let absolute = inner.int("absoluteSessionTimeoutInSeconds", min, max)?;
    let idle_max = absolute.unwrap_or(max);
    let idle = inner.int("idleSessionTimeoutInSeconds", SESSION_IDLE_S_MIN, idle_max)?;
    inner.ignore(&["absoluteSessionTimeoutInSeconds", "idleSessionTimeoutInSeconds"]);
    inner.finish()?;
    Ok(Some((absolute, idle)))
}

/// The settings as their answer shows them; unset ones are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgSettingsView<'a> {
    /// The five switches, in the order of [`OrgSettingsPatch`].
    pub switches: [bool; 5],
    /// `maxServiceAccountSecretValidityInHours`.
    pub secret_validity_hours_max: Option<i64>,
    /// `securityContact`.
    pub security_contact: Option<&'a str>,
    /// `operationsContact`.
    pub operations_contact: Option<&'a str>,
    /// Absolute and idle seconds.
    pub session: (Option<i64>, Option<i64>),
}

impl OrgSettingsView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let [access_list, mfa, employees, gen_ai, streams] = self.switches;
        let mut body = json!({
            "apiAccessListRequired": access_list,
            "genAIFeaturesEnabled": gen_ai,
            "multiFactorAuthRequired": mfa,
            "restrictEmployeeAccess": employees,
            "streamsCrossGroupEnabled": streams,
        });
        let hours = self.secret_validity_hours_max.map(Value::from);
        let session = (self.session != (None, None)).then(|| {
            json!({
                "absoluteSessionTimeoutInSeconds": self.session.0,
                "idleSessionTimeoutInSeconds": self.session.1,
            })
        });
        for (name, value) in [
            ("maxServiceAccountSecretValidityInHours", hours),
            ("securityContact", self.security_contact.map(Value::from)),
            ("operationsContact", self.operations_contact.map(Value::from)),
            ("customSessionTimeouts", session),
        ] {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        body
    }
}
