//! Link tokens on the wire: `TargetOrgRequest`, `TargetOrg`.

use std::net::IpAddr;

use portolan_model::OrgId;
use portolan_security::SecretString;
use serde_json::{Value, json};

use crate::{Fields, Problem};

/// Most addresses of one link.
pub const ACCESS_LIST_MAX: usize = 200;

/// Reads `TargetOrgRequest`: the addresses that may use the link; none is any.
///
/// # Errors
/// A [`Problem`] that names the entry.
pub fn parse_create(mut fields: Fields) -> Result<Vec<IpAddr>, Problem> {
    let texts = fields.strings("accessListIps")?.unwrap_or_default();
    fields.finish()?;
    if texts.len() > ACCESS_LIST_MAX {
        let rule = format!("must have at most {ACCESS_LIST_MAX} entries");
        return Err(Problem::validation("accessListIps", rule));
    }
    let mut addresses = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        let path = format!("accessListIps[{position}]");
        let address: IpAddr = text.parse().map_err(|_| {
            Problem::validation(&path, format!("{text:?} is no IPv4 or IPv6 address"))
        })?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// What a link token carries: where the API is, and a key of the organization to use it with.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenContents<'a> {
    /// Address of the API.
    pub base_url: &'a str,
    /// The organization.
    pub org_id: String,
    /// The key.
    pub public_key: &'a str,
    /// Its secret.
    pub private_key: &'a str,
}

impl TokenContents<'_> {
    /// The JSON that the token is the base64url form of.
    #[must_use]
    pub fn json(&self) -> String {
        json!({
            "baseUrl": self.base_url,
            "orgId": self.org_id,
            "publicKey": self.public_key,
            "privateKey": self.private_key,
        })
        .to_string()
    }
}

/// A link token as the other side reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkToken {
    /// Address of the API, without a trailing slash.
    pub base_url: String,
    /// The organization there.
    pub org_id: OrgId,
    /// The key.
    pub public_key: String,
    /// Its secret.
    pub private_key: SecretString,
}

impl LinkToken {
    /// Reads the JSON that a token is the base64url form of; `None` when it is no link token.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let base_url = text("baseUrl")?.trim_end_matches('/').to_owned();
        let is_http = base_url.starts_with("http://") || base_url.starts_with("https://");
        Some(Self {
            base_url: is_http.then_some(base_url)?,
            org_id: text("orgId")?.parse().ok()?,
            public_key: text("publicKey")?,
            private_key: SecretString::new(text("privateKey")?),
        })
    }
}

/// Reads `{ linkToken }`, by which an organization is linked to one elsewhere.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_link(mut fields: Fields) -> Result<SecretString, Problem> {
    let token = fields.required_text("linkToken", 1, 8_192)?;
    fields.finish()?;
    Ok(SecretString::new(token))
}

/// The answer: the token is shown once.
#[must_use]
pub fn link_token_json(token: &str) -> Value {
    json!({ "linkToken": token })
}

#[cfg(test)]
mod tests;
