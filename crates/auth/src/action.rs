//! What can be done: the columns of the policy table.

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Something that a role may or may not do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $variant,)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name, in audit rows and in the generated access matrix.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

actions! {
    /// Read an organization, its settings, users and keys.
    OrgRead = "org.read",
    /// Rename an organization or change its settings.
    OrgUpdate = "org.update",
    /// Delete an organization, or ask what stands in the way.
    OrgDelete = "org.delete",
    /// Invite, change and remove users of an organization, and write its teams.
    OrgUsersWrite = "org.users.write",
    /// Create, change and delete API keys of an organization.
    ApiKeysWrite = "org.api_keys.write",
    /// Read service accounts of an organization.
    ServiceAccountsRead = "org.service_accounts.read",
    /// Create, change and delete service accounts, their secrets and their project assignments.
    ServiceAccountsWrite = "org.service_accounts.write",
    /// Create and delete link tokens.
    LinkTokensWrite = "org.link_tokens.write",
    /// Create a project in an organization.
    ProjectCreate = "org.projects.create",
    /// Receive a project from another organization.
    ProjectReceive = "org.projects.receive",
    /// Read a project, its users, keys, clusters, archives and database users.
    ProjectRead = "project.read",
    /// Change a project.
    ProjectUpdate = "project.update",
    /// Delete a project.
    ProjectDelete = "project.delete",
    /// Move a project to another organization, or ask what would be lost.
    ProjectMove = "project.move",
    /// Add, change and remove users and teams of a project.
    ProjectUsersWrite = "project.users.write",
    /// See, make, change and withdraw invitations into a project, and replace roles in it.
    ProjectInvitationsWrite = "project.invitations.write",
    /// Create, change and unassign API keys of a project.
    ProjectApiKeysWrite = "project.api_keys.write",
    /// Assign an existing API key of the organization to a project.
    ProjectApiKeysAssign = "project.api_keys.assign",
    /// Create, change and unassign service accounts of a project.
    ProjectServiceAccountsWrite = "project.service_accounts.write",
    /// Change access lists of service accounts of a project.
    ServiceAccountListsWrite = "project.service_accounts.access_lists.write",
    /// Invite a service account of the organization into a project.
    ProjectServiceAccountsInvite = "project.service_accounts.invite",
    /// Create or attach a cluster.
    ClusterCreate = "project.clusters.create",
    /// Change a cluster.
    ClusterUpdate = "project.clusters.update",
    /// Delete or detach a cluster.
    ClusterDelete = "project.clusters.delete",
    /// Tune, restart and upgrade a cluster.
    ClusterManage = "project.clusters.manage",
    /// Pin a cluster's version, load sample data, make and change flex clusters.
    ClusterAdminister = "project.clusters.administer",
    /// Create, change and delete database users.
    DatabaseUsersWrite = "project.database_users.write",
    /// Change the IP access list of a project.
    NetworkAccessWrite = "project.network_access.write",
    /// Create, change, pause, resume and delete online archives.
    ArchivesWrite = "project.archives.write",
    /// See how a live migration into the project stands.
    LiveMigrationsRead = "project.live_migrations.read",
    /// Validate, start and cut over live migrations into the project.
    LiveMigrationsWrite = "project.live_migrations.write",
    /// Download query logs of archives.
    QueryLogsRead = "project.query_logs.read",
}
