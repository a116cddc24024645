//! Limits that a project's owner may set (<https://www.mongodb.com/docs/atlas/reference/atlas-limits/>
//! and the enumeration `limitName` of the public OpenAPI of the Admin API).

use std::str::FromStr;

use crate::Limits;

/// A limit of a project, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProjectLimit {
    /// Clusters.
    Clusters,
    /// Multi-tenant hosts of serverless instances.
    ServerlessMtms,
    /// Nodes of private endpoints in one region.
    NodesPerPrivateLinkRegion,
    /// Private Service Connect endpoints of one region group.
    PrivateServiceConnections,
    /// Bits of the subnet mask of Private Service Connect.
    PrivateServiceSubnetMask,
    /// Database users.
    DatabaseUsers,
    /// Custom database roles.
    CustomRoles,
    /// Entries of the project's IP access list.
    NetworkEntries,
    /// Entries of the project's IP access list that apply in all regions.
    CrossRegionEntries,
    /// Bytes that one query on a federated database may process.
    BytesPerQuery,
    /// The same for all queries of a day.
    BytesDaily,
    /// The same for a week.
    BytesWeekly,
    /// The same for a month.
    BytesMonthly,
}

/// A text that names no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no limit of a project")]
pub struct UnknownLimit(String);

/// The values that a limit may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitBounds {
    /// Smallest value.
    pub min: i64,
    /// The value while none is set.
    pub default: i64,
    /// Largest value.
    pub max: i64,
}

impl ProjectLimit {
    /// Every limit.
    pub const ALL: [Self; 13] = [
        Self::Clusters,
        Self::ServerlessMtms,
        Self::NodesPerPrivateLinkRegion,
        Self::PrivateServiceConnections,
        Self::PrivateServiceSubnetMask,
        Self::DatabaseUsers,
        Self::CustomRoles,
        Self::NetworkEntries,
        Self::CrossRegionEntries,
        Self::BytesPerQuery,
        Self::BytesDaily,
        Self::BytesWeekly,
        Self::BytesMonthly,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clusters => "atlas.project.deployment.clusters",
            Self::ServerlessMtms => "atlas.project.deployment.serverlessMTMs",
            Self::NodesPerPrivateLinkRegion => "atlas.project.deployment.nodesPerPrivateLinkRegion",
            Self::PrivateServiceConnections => {
                "atlas.project.deployment.privateServiceConnectionsPerRegionGroup"
            }
            Self::PrivateServiceSubnetMask => {
                "atlas.project.deployment.privateServiceConnectionsSubnetMask"
            }
            Self::DatabaseUsers => "atlas.project.security.databaseAccess.users",
            Self::CustomRoles => "atlas.project.security.databaseAccess.customRoles",
            Self::NetworkEntries => "atlas.project.security.networkAccess.entries",
            Self::CrossRegionEntries => "atlas.project.security.networkAccess.crossRegionEntries",
            Self::BytesPerQuery => "dataFederation.bytesProcessed.query",
            Self::BytesDaily => "dataFederation.bytesProcessed.daily",
            Self::BytesWeekly => "dataFederation.bytesProcessed.weekly",
            Self::BytesMonthly => "dataFederation.bytesProcessed.monthly",
        }
    }

    /// The values that it may have; `None` for limits that only exist once they are set. Atlas prints a
    /// maximum below the default for network entries, which would forbid to restate the default: the
    /// default is the maximum here.
    #[must_use]
    pub fn bounds(self, limits: &Limits) -> Option<LimitBounds> {
        let count = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
        let (min, default, max) = match self {
            Self::Clusters => (0, count(limits.clusters_per_project), 100),
            Self::ServerlessMtms => (0, 0, 100),
            Self::NodesPerPrivateLinkRegion => (0, 50, 90),
            Self::PrivateServiceConnections => (0, 50, 100),
            Self::PrivateServiceSubnetMask => (20, 27, 27),
            Self::DatabaseUsers => (0, count(limits.database_users_per_project), 100),
            Self::CustomRoles => (0, 100, 1_400),
            Self::NetworkEntries => (0, count(limits.network_entries_per_project), 200),
            Self::CrossRegionEntries => (0, 40, 220),
            Self::BytesPerQuery | Self::BytesDaily | Self::BytesWeekly | Self::BytesMonthly => {
                return None;
            }
        };
        Some(LimitBounds { min, default, max: max.max(default) })
    }
}

impl FromStr for ProjectLimit {
    type Err = UnknownLimit;

    fn from_str(text: &str) -> Result<Self, UnknownLimit> {
        let found = Self::ALL.into_iter().find(|limit| limit.as_str() == text);
        found.ok_or_else(|| UnknownLimit(text.to_owned()))
    }
}
