//! The types of events that this build writes, for `GET /eventTypes`. Names are those of the Atlas
//! event types (schema `EventTypeFor…` of the public OpenAPI) wherever Atlas has one.
//!
//! The list is held to the code both ways: `store` refuses to write a type that is not here (in debug
//! builds, so in every test), and a test of the API looks for each name in the code that writes events.

/// A type of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// Such as `GROUP_CREATED`.
    pub name: &'static str,
    /// What happened, for people.
    pub description: &'static str,
}

macro_rules! event_types {
    ($($name:literal $description:literal,)*) => {
        impl EventType {
            /// Every type, by name.
            pub const ALL: &'static [Self] =
                &[$(Self { name: $name, description: $description },)*];
        }
    };
}

event_types! {
    "API_KEY_ACCESS_LIST_ENTRY_ADDED" "An address was added to an API key's access list",
    "API_KEY_ACCESS_LIST_ENTRY_DELETED" "An address was removed from an API key's access list",
    "API_KEY_ADDED_TO_GROUP" "An API key was given roles in the project",
    "API_KEY_CREATED" "An API key was created",
    "API_KEY_DELETED" "An API key was deleted",
    "API_KEY_DESCRIPTION_CHANGED" "An API key's description was changed",
    "API_KEY_REMOVED_FROM_GROUP" "An API key lost its roles in the project",
    "API_KEY_ROLES_CHANGED" "An API key's roles were changed",
    "CLUSTER_CREATED" "A cluster was created or attached",
    "CLUSTER_DELETED" "A cluster was deleted",
    "CLUSTER_DELETE_SUBMITTED" "Deletion of a cluster was requested",
    "CLUSTER_IMPORT_CUTOVER" "Cutover of a live migration was requested",
    "CLUSTER_PROCESS_ARGS_UPDATE_SUBMITTED"
        "A change of a cluster's process arguments was requested",
    "CLUSTER_READY" "A new cluster is ready",
    "CLUSTER_TAGS_MODIFIED" "A cluster's tags were changed",
    "CLUSTER_UPDATE_COMPLETED" "A change of a cluster was completed",
    "CLUSTER_UPDATE_SUBMITTED" "A change of a cluster was requested",
    "CUSTOM_SESSION_TIMEOUT_MODIFIED" "The organization's session lifetimes were changed",
    "DATA_EXPLORER_DISABLED" "The data explorer was switched off",
    "DATA_EXPLORER_ENABLED" "The data explorer was switched on",
    "DATA_FEDERATION_QUERY_LIMIT_CONFIGURED" "A limit of queries on archives was set",
    "DATA_FEDERATION_QUERY_LIMIT_DELETED" "A limit of queries on archives was removed",
    "FEDERATED_DATABASE_QUERY_LOGS_DOWNLOADED"
        "Query logs of a federated database instance were downloaded",
    "FLEX_UPGRADE_STARTED" "A cluster's upgrade to a larger kind was started",
    "GROUP_CREATED" "A project was created",
    "GROUP_DEFAULT_ALERTS_SETTINGS_CHANGED" "The project's default of alert settings was changed",
    "GROUP_DELETED" "A project was deleted",
    "GROUP_INVITATION_DELETED" "An invitation into the project was withdrawn",
    "GROUP_MOVED" "A project came from another organization",
    "GROUP_MOVED_FROM_ORG" "A project left for another organization",
    "GROUP_RENAMED" "A project was renamed",
    "GROUP_SETTING_CHANGED" "A setting of the project was changed",
    "GROUP_TAGS_MODIFIED" "A project's tags were changed",
    "INVITED_TO_GROUP" "Somebody was invited into the project",
    "INVITED_TO_ORG" "Somebody was invited into the organization",
    "INVITED_TO_TEAM" "Somebody was invited into a team",
    "JOINED_GROUP" "A user joined the project",
    "JOINED_ORG" "A user joined the organization",
    "JOINED_TEAM" "A user joined a team",
    "LIVE_EXPORT_LINKED" "The organization was linked to one elsewhere for live migrations",
    "LIVE_EXPORT_UNLINKED" "The organization's link for live migrations to elsewhere was removed",
    "LIVE_MIGRATION_SOURCE_LINKED" "An organization elsewhere was linked as a source of migrations",
    "LIVE_MIGRATION_SOURCE_UNLINKED" "A linked source of live migrations was removed",
    "MONGODB_USER_ADDED" "A database user was added",
    "MONGODB_USER_DELETED" "A database user was deleted",
    "MONGODB_USER_UPDATED" "A database user was changed",
    "NETWORK_PERMISSION_ENTRY_ADDED" "An entry was added to the project's IP access list",
    "NETWORK_PERMISSION_ENTRY_REMOVED" "An entry was removed from the project's IP access list",
    "NETWORK_PERMISSION_ENTRY_UPDATED" "An entry of the project's IP access list was changed",
    "ONLINE_ARCHIVE_ACTIVE" "An online archive became active",
    "ONLINE_ARCHIVE_ATTACHED" "An online archive was attached from its table",
    "ONLINE_ARCHIVE_CREATED" "An online archive was created",
    "ONLINE_ARCHIVE_DATA_EXPIRATION_DID_NOT_RUN"
        "An online archive's data could not be let go three times in a row",
    "ONLINE_ARCHIVE_DATA_EXPIRATION_RESOLVED" "An online archive's data is let go again",
    "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_DISABLED" "An online archive's data expires no more",
    "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_ENABLED" "An online archive's data expires from now on",
    "ONLINE_ARCHIVE_DATA_EXPIRATION_RULE_UPDATED" "An online archive's expiration was changed",
    "ONLINE_ARCHIVE_DELETED" "An online archive was deleted",
    "ONLINE_ARCHIVE_ESTIMATE_REQUESTED" "A count of what an online archive would move was requested",
    "ONLINE_ARCHIVE_FILE_QUARANTINED" "A file of an online archive is damaged and is left alone",
    "ONLINE_ARCHIVE_FILE_SOUND" "A file of an online archive that was left alone is sound",
    "ONLINE_ARCHIVE_HOLD_PLACED" "A hold was placed on an online archive",
    "ONLINE_ARCHIVE_HOLD_RELEASED" "The hold on an online archive was taken back",
    "ONLINE_ARCHIVE_INSUFFICIENT_INDEXES_CHECK"
        "No index finds an online archive's cold documents",
    "ONLINE_ARCHIVE_INSUFFICIENT_INDEXES_RESOLVED"
        "An index finds an online archive's cold documents again",
    "ONLINE_ARCHIVE_MAX_CONSECUTIVE_OFFLOAD_WINDOWS_CHECK"
        "Three windows in a row were too short for what an online archive had to move",
    "ONLINE_ARCHIVE_ORPHANED" "An online archive's collection is gone",
    "ONLINE_ARCHIVE_PAUSED" "An online archive was paused",
    "ONLINE_ARCHIVE_PAUSE_REQUESTED" "Pausing of an online archive was requested",
    "ONLINE_ARCHIVE_QUERY_LOGS_DOWNLOADED" "Query logs of online archives were downloaded",
    "ONLINE_ARCHIVE_REATTACHED" "An orphaned online archive was given a collection again",
    "ONLINE_ARCHIVE_REDACTION_REQUESTED" "The removal of a document from online archives was requested",
    "ONLINE_ARCHIVE_RESTORE_REQUESTED"
        "The return of an online archive's documents to a cluster was requested",
    "ONLINE_ARCHIVE_RESUMED" "The operator of a suspended online archive accepted how it stands",
    "ONLINE_ARCHIVE_RUN_REQUESTED" "A run of an online archive was requested",
    "ONLINE_ARCHIVE_UNDELETED" "The deletion of an online archive was taken back",
    "ONLINE_ARCHIVE_UPDATED" "An online archive was changed",
    "ONLINE_ARCHIVE_UP_TO_DATE" "An online archive moved all that is cold again",
    "ONLINE_ARCHIVE_VERIFICATION_REQUESTED" "A check of an online archive was requested",
    "OPERATIONS_CONTACT_MODIFIED" "The organization's operations contact was changed",
    "ORG_CREATED" "An organization was created",
    "ORG_DELEGATION_SETTINGS_UPDATED" "The organization's delegation settings were changed",
    "ORG_DELETED" "An organization was deleted",
    "ORG_EMPLOYEE_ACCESS_RESTRICTED" "Employee access was restricted",
    "ORG_EMPLOYEE_ACCESS_UNRESTRICTED" "Employee access is not restricted any more",
    "ORG_INVITATION_DELETED" "An invitation into the organization was withdrawn",
    "ORG_PUBLIC_API_ACCESS_LIST_NOT_REQUIRED" "The API demands no access lists any more",
    "ORG_PUBLIC_API_ACCESS_LIST_REQUIRED" "The API demands access lists from now on",
    "ORG_RENAMED" "An organization was renamed",
    "ORG_SERVICE_ACCOUNT_MAX_SECRET_VALIDITY_EDITED"
        "The longest validity of service account secrets was changed",
    "ORG_SETTING_CHANGED" "A setting of the organization was changed",
    "ORG_TWO_FACTOR_AUTH_OPTIONAL" "Two-factor authentication is optional from now on",
    "ORG_TWO_FACTOR_AUTH_REQUIRED" "Two-factor authentication is demanded from now on",
    "PROJECT_COLLECT_DATABASE_STATISTICS_UPDATED"
        "Collecting database statistics was switched on or off",
    "PROJECT_ENABLE_DATA_VALIDATION_UPDATED" "Data validation was switched on or off",
    "PROJECT_ENABLE_EXTENDED_STORAGE_SIZES_UPDATED"
        "Extended storage sizes were switched on or off",
    "PROJECT_LIMIT_UPDATED" "A limit of the project was changed",
    "REMOVED_FROM_GROUP" "A user left the project",
    "REMOVED_FROM_ORG" "A user left the organization",
    "REMOVED_FROM_TEAM" "A user left a team",
    "SAMPLE_DATASET_LOAD_REQUESTED" "Loading of sample documents into a cluster was requested",
    "SECURITY_CONTACT_MODIFIED" "The organization's security contact was changed",
    "SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_ADDED"
        "An address was added to a service account's access list",
    "SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_DELETED"
        "An address was removed from a service account's access list",
    "SERVICE_ACCOUNT_ADDED_TO_GROUP" "A service account was given roles in the project",
    "SERVICE_ACCOUNT_CREATED" "A service account was created",
    "SERVICE_ACCOUNT_DELETED" "A service account was deleted",
    "SERVICE_ACCOUNT_DETAILS_CHANGED" "A service account's name or description was changed",
    "SERVICE_ACCOUNT_REMOVED_FROM_GROUP" "A service account lost its roles in the project",
    "SERVICE_ACCOUNT_ROLES_CHANGED" "A service account's roles were changed",
    "SERVICE_ACCOUNT_SECRET_ADDED" "A secret was added to a service account",
    "SERVICE_ACCOUNT_SECRET_DELETED" "A secret of a service account was deleted",
    "TEAM_ADDED_TO_GROUP" "A team was given roles in the project",
    "TEAM_CREATED" "A team was created",
    "TEAM_DELETED" "A team was deleted",
    "TEAM_NAME_CHANGED" "A team was renamed",
    "TEAM_REMOVED_FROM_GROUP" "A team lost its roles in the project",
    "TEAM_ROLES_MODIFIED" "A team's roles in the project were changed",
    "USER_ROLES_CHANGED_AUDIT" "A user's roles were changed",
}

impl EventType {
    /// The type of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|known| known.name == name)
    }
}
