//! Portolan's own previews: what a move or a deletion would do, and everything that stands in its way.

use portolan_model::{
    ApiKeyId, InvitationId, OrgId, Organization, Project, ServiceAccountId, TeamId, UserId,
};
use serde_json::{Value, json};

use crate::error::Problem;

/// What moving a project would do.
#[derive(Debug, Clone)]
pub struct MoveView<'a> {
    /// The project.
    pub project: &'a Project,
    /// Where it would go.
    pub destination_org_id: OrgId,
    /// Whether the request proved the destination.
    pub destination_proven: bool,
    /// Names of clusters that go on without a break.
    pub clusters: &'a [String],
    /// Archives that go on without a break.
    pub archives: i64,
    /// Users that come along; whether they are members of the destination already.
    pub users: &'a [(UserId, &'a str, bool)],
    /// Keys that lose the project, with their public halves.
    pub api_keys_lost: &'a [(ApiKeyId, String)],
    /// Service accounts that lose the project, with their names.
    pub service_accounts_lost: &'a [(ServiceAccountId, String)],
    /// Teams that lose the project, with their names.
    pub teams_lost: &'a [(TeamId, String)],
    /// Members' invitations into the project that lapse, with their user names.
    pub invitations_lost: &'a [(InvitationId, String)],
    /// Why the move would be refused.
    pub blockers: &'a [Problem],
}

impl MoveView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let users = self.users.iter().map(|(id, username, member)| {
            json!({
                "id": id.to_string(),
                "username": username,
                "memberOfDestination": member,
            })
        });
        let keys = self.api_keys_lost.iter();
        let accounts = self.service_accounts_lost.iter();
        let (teams, invitations) = (self.teams_lost.iter(), self.invitations_lost.iter());
        json!({
            "groupId": self.project.id.to_string(),
            "groupName": self.project.name,
            "sourceOrgId": self.project.org_id.to_string(),
            "destinationOrgId": self.destination_org_id.to_string(),
            "destinationProven": self.destination_proven,
            "canMigrate": self.blockers.is_empty(),
            "blockers": blockers(self.blockers),
            "moves": {
                "clusters": self.clusters,
                "onlineArchives": self.archives,
                "users": users.collect::<Vec<_>>(),
            },
            "lost": {
                "apiKeys": keys
                    .map(|(id, name)| json!({ "id": id.to_string(), "publicKey": name }))
                    .collect::<Vec<_>>(),
                "serviceAccounts": accounts
                    .map(|(id, name)| json!({ "clientId": id.to_string(), "name": name }))
                    .collect::<Vec<_>>(),
                "teams": teams
                    .map(|(id, name)| json!({ "id": id.to_string(), "name": name }))
                    .collect::<Vec<_>>(),
                "invitations": invitations
                    .map(|(id, name)| json!({ "id": id.to_string(), "username": name }))
                    .collect::<Vec<_>>(),
            },
        })
    }
}

/// What deleting an organization would do.
#[derive(Debug, Clone)]
pub struct DeleteView<'a> {
    /// The organization.
    pub org: &'a Organization,
    /// Its projects, each of which stands in the way.
    pub projects: &'a [Project],
    /// Why the deletion would be refused.
    pub blockers: &'a [Problem],
    /// Keys that would stop working.
    pub api_keys: i64,
    /// Service accounts that would stop working.
    pub service_accounts: i64,
    /// Members that would lose it.
    pub users: i64,
    /// Teams that would be gone.
    pub teams: i64,
    /// Whether a link token would stop working.
    pub link_token: bool,
}

impl DeleteView<'_> {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        let projects = self.projects.iter();
        json!({
            "orgId": self.org.id.to_string(),
            "orgName": self.org.name,
            "canDelete": self.blockers.is_empty(),
            "blockers": blockers(self.blockers),
            "projects": projects
                .map(|project| json!({ "id": project.id.to_string(), "name": project.name }))
                .collect::<Vec<_>>(),
            "lost": {
                "apiKeys": self.api_keys,
                "serviceAccounts": self.service_accounts,
                "users": self.users,
                "teams": self.teams,
                "linkToken": self.link_token,
            },
        })
    }
}

/// The same code and detail that the operation itself would answer with.
fn blockers(problems: &[Problem]) -> Value {
    let one = |problem: &Problem| {
        json!({
            "errorCode": problem.code.as_str(),
            "detail": problem.detail,
            "parameters": problem.parameters,
        })
    };
    problems.iter().map(one).collect()
}
