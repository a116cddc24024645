//! Private endpoints of a cloud to federated database instances (`PrivateNetworkEndpointIdEntry`).
//! Portolan has none; requests are read so that what is wrong with them is told first.

use crate::{ErrorCode, Fields, Problem};

/// Reads the body of a creation.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_create(mut fields: Fields) -> Result<(), Problem> {
    let id = fields.required_text("endpointId", 1, 256)?;
    let known = |of: &'static [&'static str]| {
        move |text: &str| of.iter().find(|name| **name == text).copied()
    };
    let provider = fields.one_of("provider", known(&["AWS", "AZURE"]))?.unwrap_or("AWS");
    fields.one_of("status", known(&["PENDING", "OK", "FAILED", "DELETING"]))?;
    fields.one_of("type", known(&["DATA_LAKE"]))?;
    for name in ["azureLinkId", "comment", "customerEndpointDNSName", "errorMessage", "region"] {
        fields.string(name)?;
    }
    if let Some(address) = fields.string("customerEndpointIPAddress")?
        && address.parse::<std::net::IpAddr>().is_err()
    {
        let field = "customerEndpointIPAddress";
        return Err(Problem::validation(field, "must be an IPv4 or IPv6 address"));
    }
    fields.finish()?;
    if provider == "AWS" && !is_aws_id(&id) {
        let rule = "must be vpce- and 17 hexadecimal digits for AWS";
        return Err(Problem::validation("endpointId", rule));
    }
    Ok(())
}

/// Reads `endpointId` of a path. Those of Azure hold slashes and letters of all kinds.
///
/// # Errors
/// `INVALID_PATH_PARAMETER`.
pub fn read_id(text: &str) -> Result<&str, Problem> {
    if !text.is_empty() && text.len() <= 256 {
        return Ok(text);
    }
    let detail = "Invalid path parameter endpointId specified.";
    Err(Problem::new(ErrorCode::InvalidPathParameter, detail).with("endpointId"))
}

/// The documented pattern of the path parameter.
fn is_aws_id(text: &str) -> bool {
    let digits = text.strip_prefix("vpce-").unwrap_or_default();
    digits.len() == 17 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The answer to whoever wants one.
#[must_use]
pub fn unsupported() -> Problem {
    Problem::unsupported(
        "private endpoints, which only clouds have; put the endpoints' ports into your own private \
         network instead",
    )
}
