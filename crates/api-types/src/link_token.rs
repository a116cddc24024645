//! Link tokens on the wire: `TargetOrgRequest`, `TargetOrg`.

use std::net::IpAddr;

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

/// The answer: the token is shown once.
#[must_use]
pub fn link_token_json(token: &str) -> Value {
    json!({ "linkToken": token })
}

#[cfg(test)]
mod tests;
