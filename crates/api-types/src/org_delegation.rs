//! Delegation settings of an organization. In a change an absent field keeps its value and `null`
//! resets it.

use serde_json::{Value, json};

use crate::error::Problem;
use crate::fields::Fields;

const MCP_ACCESS: &[&str] = &["DISALLOWED", "READ_ONLY", "READ_WRITE"];
const PARTNER_ACCESS: &[&str] = &["DISALLOWED", "READ_WRITE"];
const LIFETIME_S_MAX: i64 = 31_536_000;

/// A change: outer `None` leaves a setting as it is; inner `None` resets it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DelegationPatch {
    /// `delegatedMcpAccess`.
    pub mcp_access: Option<Option<String>>,
    /// `delegatedPartnerAccess`.
    pub partner_access: Option<Option<String>>,
    /// `idleRefreshTokenLifetime`, in seconds.
    pub refresh_token_idle_s: Option<Option<i64>>,
    /// `maximumRefreshTokenLifetime`, in seconds.
    pub refresh_token_max_s: Option<Option<i64>>,
}

impl DelegationPatch {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let patch = Self {
            mcp_access: access(&mut fields, "delegatedMcpAccess", MCP_ACCESS)?,
            partner_access: access(&mut fields, "delegatedPartnerAccess", PARTNER_ACCESS)?,
            refresh_token_idle_s: lifetime(&mut fields, "idleRefreshTokenLifetime")?,
            refresh_token_max_s: lifetime(&mut fields, "maximumRefreshTokenLifetime")?,
        };
        fields.finish()?;
        Ok(patch)
    }
}

fn access(
    fields: &mut Fields,
    name: &str,
    values: &[&str],
) -> Result<Option<Option<String>>, Problem> {
    let given = fields.names(name);
    let known = |text: &str| values.contains(&text).then(|| text.to_owned());
    let value = fields.one_of(name, known)?;
    Ok(given.then_some(value))
}

fn lifetime(fields: &mut Fields, name: &str) -> Result<Option<Option<i64>>, Problem> {
    let given = fields.names(name);
    let value = fields.int(name, 1, LIFETIME_S_MAX)?;
    Ok(given.then_some(value))
}

/// The settings as their answer shows them; what is not set is `null`.
#[must_use]
pub fn json(
    access: (Option<&str>, Option<&str>),
    lifetimes_s: (Option<i64>, Option<i64>),
) -> Value {
    json!({
        "delegatedMcpAccess": access.0,
        "delegatedPartnerAccess": access.1,
        "idleRefreshTokenLifetime": lifetimes_s.0,
        "maximumRefreshTokenLifetime": lifetimes_s.1,
    })
}
