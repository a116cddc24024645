//! Roles of organizations and projects, with the names of the Atlas Admin API
//! (<https://www.mongodb.com/docs/atlas/reference/user-roles/>).

use std::fmt;
use std::str::FromStr;

/// A name that is no role of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid role {0} specified.")]
pub struct UnknownRole(pub String);

macro_rules! roles {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every role of this kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownRole;

            fn from_str(text: &str) -> Result<Self, UnknownRole> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownRole(text.to_owned())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

roles! {
    /// A role in an organization.
    OrgRole {
        /// Organization Owner: every right in it, and owner of its projects.
        Owner = "ORG_OWNER",
        /// Organization Project Creator.
        GroupCreator = "ORG_GROUP_CREATOR",
        /// Organization Billing Admin.
        BillingAdmin = "ORG_BILLING_ADMIN",
        /// Organization Billing Viewer.
        BillingReadOnly = "ORG_BILLING_READ_ONLY",
        /// Organization Stream Processing Admin.
        StreamProcessingAdmin = "ORG_STREAM_PROCESSING_ADMIN",
        /// Organization Read Only: reads the organization and all its projects.
        ReadOnly = "ORG_READ_ONLY",
        /// Organization Member.
        Member = "ORG_MEMBER",
    }
}

roles! {
    /// A role in a project.
    ProjectRole {
        /// Project Owner.
        Owner = "GROUP_OWNER",
        /// Project Access Manager.
        AccessManager = "GROUP_ACCESS_MANAGER",
        /// Project Network Access Manager.
        NetworkAccessManager = "GROUP_NETWORK_ACCESS_MANAGER",
        /// Project Cluster Creator.
        ClusterCreator = "GROUP_CLUSTER_CREATOR",
        /// Project Cluster Manager.
        ClusterManager = "GROUP_CLUSTER_MANAGER",
        /// Project Cluster Resilience Tester.
        ClusterResilienceTester = "GROUP_CLUSTER_RESILIENCE_TESTER",
        /// Project Replica Set Manager.
        ReplicaSetManager = "GROUP_REPLICA_SET_MANAGER",
        /// Project Support Access Manager.
        SupportAccessManager = "GROUP_SUPPORT_ACCESS_MANAGER",
        /// Project Alerts Manager.
        AlertsManager = "GROUP_ALERTS_MANAGER",
        /// Project Data Access Admin: may write online archives.
        DataAccessAdmin = "GROUP_DATA_ACCESS_ADMIN",
        /// Project Data Access Read/Write.
        DataAccessReadWrite = "GROUP_DATA_ACCESS_READ_WRITE",
        /// Project Data Access Read Only.
        DataAccessReadOnly = "GROUP_DATA_ACCESS_READ_ONLY",
        /// Project Database Access Admin: may write database users.
        DatabaseAccessAdmin = "GROUP_DATABASE_ACCESS_ADMIN",
        /// Project Backup Manager.
        BackupManager = "GROUP_BACKUP_MANAGER",
        /// Project Observability Viewer.
        ObservabilityViewer = "GROUP_OBSERVABILITY_VIEWER",
        /// Project Search Index Editor.
        SearchIndexEditor = "GROUP_SEARCH_INDEX_EDITOR",
        /// Project Stream Processing Owner.
        StreamProcessingOwner = "GROUP_STREAM_PROCESSING_OWNER",
        /// Project Read Only.
        ReadOnly = "GROUP_READ_ONLY",
    }
}
