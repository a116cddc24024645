//! Access lists of API keys and service accounts: from which addresses they may be used.

use std::net::IpAddr;

use portolan_model::EpochMs;
use portolan_security::IpNet;
use serde_json::{Value, json};

use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;
use crate::links::Base;
use crate::paging::encode;
use crate::time::iso8601;

/// Entries of one request.
const ENTRIES_MAX: usize = 200;

/// Reads an address or a network; a single address is a network of its own.
///
/// # Errors
/// `INVALID_IP_ADDRESS_OR_CIDR_NOTATION`.
pub fn read_network(text: &str) -> Result<IpNet, Problem> {
    let network = text.parse::<IpNet>().ok();
    let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(|network| network.trunc()).ok_or_else(|| {
        let detail = format!("The address {text} must be in valid IP address or CIDR notation.");
        Problem::new(ErrorCode::InvalidAddress, detail).with(text)
    })
}

/// Reads the body of `POST …/accessList`: an array of `{cidrBlock}` or `{ipAddress}`.
///
/// # Errors
/// A [`Problem`] naming the field.
pub fn read_entries(items: Vec<Fields>) -> Result<Vec<IpNet>, Problem> {
    if items.is_empty() || items.len() > ENTRIES_MAX {
        let rule = format!("must hold 1 to {ENTRIES_MAX} entries");
        return Err(Problem::validation("accessList", rule));
    }
    items.into_iter().map(read_entry).collect()
}

fn read_entry(mut fields: Fields) -> Result<IpNet, Problem> {
    let given = |text: &String| !text.is_empty();
    let block = fields.string("cidrBlock")?.filter(given);
    let address = fields.string("ipAddress")?.filter(given);
    let text = match (block, address) {
        (Some(block), None) => block,
        (None, Some(address)) => address,
        // Both are shown for a single address, so both may come back.
        (Some(block), Some(address)) if block.starts_with(&format!("{address}/")) => block,
        _ => {
            let detail = "Exactly one of the attributes cidrBlock and ipAddress must be specified.";
            let problem = Problem::new(ErrorCode::MissingOneOfAttributes, detail);
            let name = fields.path_of("cidrBlock");
            return Err(problem.at(name, "give it or ipAddress, not both"));
        }
    };
    fields.finish()?;
    read_network(&text)
}

/// An address with all its parts: the public OpenAPI has no `::` in its patterns.
pub(crate) fn address_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|part| format!("{part:x}")).join(":"),
    }
}

/// A network, likewise.
pub(crate) fn network_text(network: IpNet) -> String {
    format!("{}/{}", address_text(network.addr()), network.prefix_len())
}

/// The address of a network that holds a single one.
pub(crate) fn single_address(network: IpNet) -> Option<IpAddr> {
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}

/// An entry as its answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// The network.
    pub network: IpNet,
    /// When it was added.
    pub created_at: EpochMs,
    /// When it last let somebody in.
    pub last_used_at: Option<EpochMs>,
    /// Who that was.
    pub last_used_address: Option<&'a str>,
    /// How often it let somebody in.
    pub use_count: i64,
}

impl EntryView<'_> {
    fn address(&self) -> Option<String> {
        single_address(self.network).map(address_text)
    }

    /// In the list of an API key, which stands at `list_path`.
    #[must_use]
    pub fn key_json(&self, list_path: &str, base: &Base) -> Value {
        let address = self.address();
        let network = network_text(self.network);
        let last = encode(address.as_deref().unwrap_or(&network));
        let mut body = json!({
            "cidrBlock": network,
            "count": self.use_count,
            "created": iso8601(self.created_at),
            "links": base.links(&format!("{list_path}/{last}"), &[]),
        });
        self.add(&mut body, address, "lastUsed");
        body
    }

    /// In the list of a service account, whose fields have other names.
    #[must_use]
    pub fn account_json(&self) -> Value {
        let mut body = json!({
            "cidrBlock": network_text(self.network),
            "createdAt": iso8601(self.created_at),
            "requestCount": self.use_count,
        });
        self.add(&mut body, self.address(), "lastUsedAt");
        body
    }

    fn add(&self, body: &mut Value, address: Option<String>, last_used: &str) {
        if let Some(address) = address {
            body["ipAddress"] = address.into();
        }
        if let Some(at) = self.last_used_at {
            body[last_used] = iso8601(at).into();
        }
        if let Some(address) = self.last_used_address {
            body["lastUsedAddress"] = address.into();
        }
    }
}
