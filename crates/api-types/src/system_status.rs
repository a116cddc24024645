//! The root of the API: who the caller is and which build answers.

use portolan_model::{OrgId, OrgRole, ProjectId, ProjectRole};
use portolan_security::IpNet;
use serde_json::{Value, json};

use crate::access_list::{address_text, network_text};
use crate::links::Base;

/// What the answer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemStatus<'a> {
    /// Id of the caller's key or service account.
    pub id: String,
    /// Its public key, or the client id of a service account.
    pub public_key: String,
    /// Roles in organizations.
    pub org_roles: &'a [(OrgId, OrgRole)],
    /// Roles in projects.
    pub project_roles: &'a [(ProjectId, ProjectRole)],
    /// The networks on its access list.
    pub access_list: &'a [IpNet],
    /// 40 hexadecimal digits.
    pub build: &'a str,
}

impl SystemStatus<'_> {
    /// On the wire. `appName` has one value in the public OpenAPI, and clients check it.
    #[must_use]
    pub fn json(&self, base: &Base) -> Value {
        let in_orgs = self
            .org_roles
            .iter()
            .map(|(id, role)| json!({ "orgId": id.to_string(), "roleName": role.as_str() }));
        let in_projects = self
            .project_roles
            .iter()
            .map(|(id, role)| json!({ "groupId": id.to_string(), "roleName": role.as_str() }));
        json!({
            "apiKey": {
                "accessList": self.access_list.iter().map(network_json).collect::<Vec<_>>(),
                "id": self.id,
                "publicKey": self.public_key,
                "roles": in_orgs.chain(in_projects).collect::<Vec<_>>(),
            },
            "appName": "MongoDB Atlas",
            "build": self.build,
            "links": base.links("", &[]),
            "throttling": false,
        })
    }
}

/// Both fields are required in the public OpenAPI; a block of many addresses shows its first.
fn network_json(network: &IpNet) -> Value {
    json!({ "cidrBlock": network_text(*network), "ipAddress": address_text(network.addr()) })
}
