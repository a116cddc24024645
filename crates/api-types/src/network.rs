//! The IP access list of a project.

use portolan_model::{EpochMs, NetworkEntry, ProjectId};
use portolan_security::IpNet;
use serde_json::{Value, json};

use crate::access_list::{address_text, network_text, read_network, single_address};
use crate::error::{ErrorCode, Problem};
use crate::fields::Fields;
use crate::links::Base;
use crate::paging::encode;
use crate::time::{iso8601, parse_iso8601};

/// Entries of one request.
const ENTRIES_MAX: usize = 200;
const COMMENT_CHARS_MAX: usize = 80;

/// An entry to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// The network, host bits cleared.
    pub network: IpNet,
    /// Up to 80 characters.
    pub comment: Option<String>,
    /// When it ends by itself.
    pub delete_after: Option<EpochMs>,
}

/// Reads the body of `POST …/accessList`: an array of entries, each of one network.
///
/// # Errors
/// `DUPLICATE_ADDRESSES_IN_INPUT`, `MULTIPLE_VALUES_SPECIFIED_FOR_ONE_NETWORK_PERMISSION_ENTRY`,
/// `FEATURE_UNSUPPORTED` for security groups, and others naming the field.
pub fn read_entries(items: Vec<Fields>) -> Result<Vec<EntryDraft>, Problem> {
    if items.is_empty() || items.len() > ENTRIES_MAX {
        let rule = format!("must hold 1 to {ENTRIES_MAX} entries");
        return Err(Problem::validation("accessList", rule));
    }
    let mut drafts: Vec<EntryDraft> = Vec::with_capacity(items.len());
    for fields in items {
        let draft = read_entry(fields)?;
        if drafts.iter().any(|known| known.network == draft.network) {
            let detail = format!("The address {} was given more than once.", draft.network);
            let problem = Problem::new(ErrorCode::DuplicateAddressesInInput, detail);
            return Err(problem.with(draft.network.to_string()));
        }
        drafts.push(draft);
    }
    Ok(drafts)
}

fn read_entry(mut fields: Fields) -> Result<EntryDraft, Problem> {
    fields.ignore(&["groupId", "links"]);
    let network = read_place(&mut fields)?;
    let comment = fields.text("comment", 0, COMMENT_CHARS_MAX)?.filter(|text| !text.is_empty());
    let delete_after = read_end(&mut fields)?;
    fields.finish()?;
    Ok(EntryDraft { network, comment, delete_after })
}

/// The one network of an entry. Clients send empty texts for what they leave out, and address and block
/// together when they repeat what an answer showed.
fn read_place(fields: &mut Fields) -> Result<IpNet, Problem> {
    let given = |text: &String| !text.is_empty();
    let group = fields.string("awsSecurityGroup")?.filter(given);
    let block = fields.string("cidrBlock")?.filter(given);
    let address = fields.string("ipAddress")?.filter(given);
    let text = match (block, address) {
        (Some(block), Some(address)) if block.starts_with(&format!("{address}/")) => Some(block),
        (Some(_), Some(_)) => return Err(many_values(fields)),
        (one, other) => one.or(other),
    };
    match (text, group) {
        (Some(_), Some(_)) => Err(many_values(fields)),
        (None, Some(_)) => {
            let what = "access by AWS security group, because no cluster here lies in an AWS VPC";
            let name = fields.path_of("awsSecurityGroup");
            Err(Problem::unsupported(what).at(name, "give ipAddress or cidrBlock"))
        }
        (Some(text), None) => read_network(&text),
        (None, None) => {
            let detail = "One of the attributes cidrBlock and ipAddress must be specified.";
            let name = fields.path_of("cidrBlock");
            let problem = Problem::new(ErrorCode::MissingOneOfAttributes, detail);
            Err(problem.at(name, "give it or ipAddress"))
        }
    }
}

fn many_values(fields: &Fields) -> Problem {
    let detail =
        "Only one of ipAddress, cidrBlock and awsSecurityGroup may be specified per entry.";
    let problem = Problem::new(ErrorCode::MultipleValuesForOneEntry, detail);
    problem.at(fields.path_of("cidrBlock"), "goes with no other of these")
}

fn read_end(fields: &mut Fields) -> Result<Option<EpochMs>, Problem> {
    let Some(text) = fields.string("deleteAfterDate")?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let rule = "must be a time such as 2030-01-31T12:00:00Z";
    let end = parse_iso8601(&text);
    end.map(Some).ok_or_else(|| Problem::validation(&fields.path_of("deleteAfterDate"), rule))
}

/// Reads the entry that a path names: an address, a network, or a security group, of which there is
/// none.
///
/// # Errors
/// `ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND` for a security group,
/// `INVALID_IP_ADDRESS_OR_CIDR_NOTATION` for what is none of them.
pub fn read_entry_value(text: &str, project_id: ProjectId) -> Result<IpNet, Problem> {
    if text.starts_with("sg-") {
        return Err(entry_not_found(text, project_id));
    }
    read_network(text)
}

/// No such entry on the list of the project.
#[must_use]
pub fn entry_not_found(entry: &str, project_id: ProjectId) -> Problem {
    let group = project_id.to_string();
    let detail = format!("IP access list entry {entry} was not found in group {group}.");
    Problem::new(ErrorCode::NetworkEntryNotFound, detail).with(entry).with(group)
}

/// The entry as clients read it.
#[must_use]
pub fn entry_json(entry: &NetworkEntry, project_id: ProjectId, base: &Base) -> Value {
    let network: Option<IpNet> = entry.cidr.parse().ok();
    let cidr = network.map_or_else(|| entry.cidr.clone(), network_text);
    let path = format!("/groups/{project_id}/accessList/{}", encode(&cidr));
    let mut shown = json!({
        "cidrBlock": cidr,
        "groupId": project_id.to_string(),
        "links": base.links(&path, &[]),
    });
    if let Some(address) = network.and_then(single_address) {
        shown["ipAddress"] = Value::from(address_text(address));
    }
    if let Some(comment) = &entry.comment {
        shown["comment"] = Value::from(comment.clone());
    }
    if let Some(end) = entry.delete_after {
        shown["deleteAfterDate"] = Value::from(iso8601(end));
    }
    shown
}

#[cfg(test)]
mod tests;
