//! Every limit of the data model in one place. The archive limits are those of the Atlas
//! documentation (<https://www.mongodb.com/docs/atlas/online-archive/overview/>).

/// The limits in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Online archives of one cluster, deleted ones left out.
    pub archives_per_cluster: usize,
    /// Active (not paused, not orphaned) online archives of one cluster.
    pub active_archives_per_cluster: usize,
    /// Projects of one organization.
    pub projects_per_org: usize,
    /// Users of one organization.
    pub users_per_org: usize,
    /// Clusters of one project.
    pub clusters_per_project: usize,
    /// Database users of one project.
    pub database_users_per_project: usize,
    /// Entries of the IP access list of one project.
    pub network_entries_per_project: usize,
    /// API keys of one organization.
    pub api_keys_per_org: usize,
    /// Teams of one organization.
    pub teams_per_org: usize,
    /// Users of one team.
    pub users_per_team: usize,
    /// Teams with a role in one project.
    pub teams_per_project: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archives_per_cluster: 50,
            active_archives_per_cluster: 20,
            projects_per_org: 250,
            users_per_org: 500,
            clusters_per_project: 25,
            database_users_per_project: 100,
            network_entries_per_project: 200,
            api_keys_per_org: 500,
            teams_per_org: 250,
            users_per_team: 250,
            teams_per_project: 100,
        }
    }
}
