//! Which endpoints share a bucket, and how large it is. Capacities are those that the Atlas service
//! answers with in `RateLimit-Limit`; refills are those that its documentation gives, and half the
//! capacity a minute where it gives none
//! (<https://www.mongodb.com/docs/atlas/api/api-authentication/>).

/// The time in which a refill comes, in seconds.
pub(crate) const REFILL_S: u32 = 60;
/// Where service accounts get their tokens.
pub(crate) const TOKEN_PATH: &str = "/api/oauth/token";

/// What a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateScope {
    /// The address that a request comes from.
    Ip,
    /// A project.
    Group,
    /// An organization.
    Organization,
    /// Whoever calls.
    User,
}

impl RateScope {
    /// The name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "IP",
            Self::Group => "GROUP",
            Self::Organization => "ORGANIZATION",
            Self::User => "USER",
        }
    }
}

/// Endpoints that share a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndpointSet {
    /// `endpointSetId`.
    pub(crate) id: &'static str,
    /// `endpointSetName`.
    pub(crate) name: &'static str,
    pub(crate) scope: RateScope,
    /// Requests that a full bucket holds.
    pub(crate) capacity: u32,
    /// Requests that come back within [`REFILL_S`] seconds.
    pub(crate) refill: u32,
}

const fn set(
    id: &'static str,
    name: &'static str,
    scope: RateScope,
    (capacity, refill): (u32, u32),
) -> EndpointSet {
    EndpointSet { id, name, scope, capacity, refill }
}

/// Every set.
pub(crate) static SETS: [EndpointSet; 13] = [
    set("root", "Root", RateScope::Ip, (400, 200)),
    set("token", "Access Tokens", RateScope::Ip, (50, 50)),
    set("orgs", "Organizations", RateScope::User, (300, 100)),
    set("orgSettings", "Organization Settings", RateScope::Organization, (10, 5)),
    set("org", "Organization", RateScope::Organization, (500, 250)),
    set("groups", "Projects", RateScope::User, (1_200, 500)),
    set("clusters", "Clusters and Database Users", RateScope::Group, (10_000, 5_000)),
    set("onlineArchives", "Online Archive", RateScope::Group, (1_200, 500)),
    set("groupEvents", "Project Events", RateScope::Group, (300, 150)),
    set("containers", "Network Peering Containers", RateScope::Group, (2_000, 1_000)),
    set("groupAccess", "Project Access", RateScope::Group, (1_200, 500)),
    set("group", "Project", RateScope::Group, (1_200, 500)),
    set("general", "General", RateScope::User, (1_200, 500)),
];

const ROOT: usize = 0;
const TOKEN: usize = 1;
const ORGS: usize = 2;
const ORG_SETTINGS: usize = 3;
const ORG: usize = 4;
const GROUPS: usize = 5;
const CLUSTERS: usize = 6;
const ONLINE_ARCHIVES: usize = 7;
const GROUP_EVENTS: usize = 8;
const CONTAINERS: usize = 9;
const GROUP_ACCESS: usize = 10;
const GROUP: usize = 11;
const GENERAL: usize = 12;

/// The set of an operation, by its path pattern.
pub(crate) fn set_of(pattern: &str) -> &'static EndpointSet {
    let rest = pattern.strip_prefix("/api/atlas/v2");
    let rest = rest.or_else(|| pattern.strip_prefix("/api/portolan/v1"));
    let segments: Vec<&str> = rest.unwrap_or(pattern).split('/').skip(1).collect();
    &SETS[match segments.as_slice() {
        [] | ["unauth" | "rateLimits", ..] => ROOT,
        ["api", "oauth", "token"] => TOKEN,
        ["orgs"] => ORGS,
        ["orgs", _, "settings", ..] => ORG_SETTINGS,
        ["orgs", ..] => ORG,
        ["groups"] | ["groups", "byName", _] => GROUPS,
        ["groups", _, "clusters", _, "onlineArchives", ..] => ONLINE_ARCHIVES,
        ["groups", _, "clusters" | "databaseUsers", ..] => CLUSTERS,
        ["groups", _, "events", ..] => GROUP_EVENTS,
        ["groups", _, "containers", ..] => CONTAINERS,
        ["groups", _, "users" | "teams" | "apiKeys" | "serviceAccounts", ..]
        | ["groups", _, "invites" | "access", ..] => GROUP_ACCESS,
        ["groups", ..] => GROUP,
        _ => GENERAL,
    }]
}

#[cfg(test)]
mod tests;
