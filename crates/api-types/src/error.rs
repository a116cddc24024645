//! The error body of the Admin API and the catalogue of its codes.
//!
//! Codes, statuses and texts are those of the public error list
//! (<https://www.mongodb.com/docs/atlas/reference/api-errors/>) and, where the service answers
//! otherwise than its documentation, those that public clients record: `INVALID_VERSION_DATE` comes
//! with 406, a missing role with 401.

use serde_json::{Map, Value, json};

/// The kind of an error, one word for each way a caller can react.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong; sending it again will not help.
    Invalid,
    /// The caller may not.
    Denied,
    /// There is no such thing, for this caller.
    Missing,
    /// The state of the resource forbids it now.
    Conflict,
    /// Try again later.
    Retry,
    /// It may or may not have happened.
    Unknown,
    /// Portolan does not do this.
    Unsupported,
    /// A fault of ours.
    Internal,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $status:literal, $kind:ident;)*) => {
        /// An error code with its HTTP status and kind.
        #[expect(missing_docs, reason = "the code is its own explanation")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($variant,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// `errorCode` on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status, which is also `error` in the body.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The kind.
            #[must_use]
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind,)* }
            }
        }
    };
}

codes! {
    // 400
    ApiKeyNotFound = "API_KEY_NOT_FOUND", 400, Missing;
    ApiKeyCanOnlyBelongToOneOrg = "API_KEY_CAN_ONLY_BELONG_TO_ONE_ORG", 400, Invalid;
    AttributeReadOnly = "ATTRIBUTE_READ_ONLY", 400, Invalid;
    ClusterAlreadyRequestedDeletion = "CLUSTER_ALREADY_REQUESTED_DELETION", 400, Conflict;
    CannotUseFlexCluster = "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", 400, Invalid;
    CannotUseNonFlexCluster = "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", 400, Invalid;
    ClusterNameInvalid = "CLUSTER_NAME_INVALID", 400, Invalid;
    CannotRemoveCallerFromAccessList = "CANNOT_REMOVE_CALLER_FROM_WHITELIST", 400, Conflict;
    CannotTerminateProtectedCluster =
        "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED", 400, Conflict;
    DuplicateAddressesInInput = "DUPLICATE_ADDRESSES_IN_INPUT", 400, Invalid;
    DuplicateClusterName = "DUPLICATE_CLUSTER_NAME", 400, Conflict;
    InvalidAddress = "INVALID_IP_ADDRESS_OR_CIDR_NOTATION", 400, Invalid;
    InvalidApiKeyDesc = "INVALID_API_KEY_DESC", 400, Invalid;
    InvalidAttribute = "INVALID_ATTRIBUTE", 400, Invalid;
    InvalidEnumValue = "INVALID_ENUM_VALUE", 400, Invalid;
    InvalidGroupName = "INVALID_GROUP_NAME", 400, Invalid;
    InvalidInvitationId = "INVALID_INVITATION_ID", 400, Invalid;
    InvalidJson = "INVALID_JSON", 400, Invalid;
    InvalidJsonAttribute = "INVALID_JSON_ATTRIBUTE", 400, Invalid;
    InvalidOrgName = "INVALID_ORG_NAME", 400, Invalid;
    InvalidPathParameter = "INVALID_PATH_PARAMETER", 400, Invalid;
    InvalidQueryParameter = "INVALID_QUERY_PARAMETER", 400, Invalid;
    InvalidRegion = "INVALID_REGION", 400, Invalid;
    InvalidProvider = "INVALID_PROVIDER", 400, Invalid;
    InvalidDatabaseName = "INVALID_DATABASE_NAME", 400, Invalid;
    InvalidCollectionName = "INVALID_COLLECTION_NAME", 400, Invalid;
    InvalidRoleForGroup = "INVALID_ROLE_FOR_GROUP", 400, Invalid;
    InvalidRoleForOrg = "INVALID_ROLE_FOR_ORG", 400, Invalid;
    InvalidUsername = "INVALID_USERNAME", 400, Invalid;
    MalformedJson = "MALFORMED_JSON", 400, Invalid;
    MaxApiKeysPerOrgExceeded = "MAX_API_KEYS_PER_ORG_EXCEEDED", 400, Conflict;
    MaxTeamsPerGroupExceeded = "MAX_TEAMS_PER_GROUP_EXCEEDED", 400, Conflict;
    MaxTeamsPerOrgExceeded = "MAX_TEAMS_PER_ORG_EXCEEDED", 400, Conflict;
    MaxUsersPerTeamExceeded = "MAX_USERS_PER_TEAM_EXCEEDED", 400, Conflict;
    MaxGroupsPerOrgExceeded = "MAX_GROUPS_PER_ORG_EXCEEDED", 400, Conflict;
    MissingApiKeyRoles = "MISSING_API_KEY_ROLES", 400, Invalid;
    MissingAttribute = "MISSING_ATTRIBUTE", 400, Invalid;
    MissingAttributes = "MISSING_ATTRIBUTES", 400, Invalid;
    MissingQueryParameter = "MISSING_QUERY_PARAMETER", 400, Invalid;
    MissingOneOfAttributes = "MISSING_ONE_OF_ATTRIBUTES", 400, Invalid;
    MultipleValuesForOneEntry =
        "MULTIPLE_VALUES_SPECIFIED_FOR_ONE_NETWORK_PERMISSION_ENTRY", 400, Invalid;
    OnlineArchiveCannotModifyField = "ONLINE_ARCHIVE_CANNOT_MODIFY_FIELD", 400, Invalid;
    OnlineArchiveConcurrentModifications =
        "ONLINE_ARCHIVE_CONCURRENT_MODIFICATIONS", 400, Retry;
    RoleNeedsGroupId = "ROLE_NEEDS_GROUP_ID", 400, Invalid;
    RoleNeedsOrgId = "ROLE_NEEDS_ORG_ID", 400, Invalid;
    TenantClusterUpdateUnsupported = "TENANT_CLUSTER_UPDATE_UNSUPPORTED", 400, Unsupported;
    UnsupportedRole = "UNSUPPORTED_ROLE", 400, Invalid;
    ValidationError = "VALIDATION_ERROR", 400, Invalid;
    // 401: the caller is known and sees the resource, but lacks the role
    NotAuthenticated = "UNEXPECTED_ERROR", 401, Denied;
    NotOrgGroupCreator = "NOT_ORG_GROUP_CREATOR", 401, Denied;
    NotOrgOwner = "NOT_ORG_OWNER", 401, Denied;
    UserUnauthorized = "USER_UNAUTHORIZED", 401, Denied;
    // 403
    AccessForbidden = "ACCESS_FORBIDDEN", 403, Denied;
    ApiKeyCannotCreateOrg = "API_KEY_CANNOT_CREATE_ORG", 403, Denied;
    CannotDeleteLastAdmin = "CANNOT_DELETE_LAST_ADMIN", 403, Denied;
    CannotDemoteLastOrgOwner = "CANNOT_DEMOTE_LAST_ORG_OWNER", 403, Denied;
    FeatureUnsupported = "FEATURE_UNSUPPORTED", 403, Unsupported;
    GroupUsersLimitExceeded = "GROUP_USERS_LIMIT_EXCEEDED", 403, Conflict;
    IpAddressNotOnAccessList = "IP_ADDRESS_NOT_ON_ACCESS_LIST", 403, Denied;
    OrgRequiresAccessList = "ORG_REQUIRES_ACCESS_LIST", 403, Denied;
    // 404
    AccessListEntryNotFound = "API_KEY_ACCESS_LIST_NOT_FOUND", 404, Missing;
    DataFederationTenantNotFound = "DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME", 404, Missing;
    EventNotFound = "EVENT_NOT_FOUND", 404, Missing;
    CannotDeleteTeamAssignedToProject =
        "CANNOT_DELETE_TEAM_ASSIGNED_TO_PROJECT", 404, Conflict;
    ClusterNotFound = "CLUSTER_NOT_FOUND", 404, Missing;
    GroupNameNotFound = "GROUP_NAME_NOT_FOUND", 404, Missing;
    GroupNotFound = "GROUP_NOT_FOUND", 404, Missing;
    InvalidGroupId = "INVALID_GROUP_ID", 404, Missing;
    InvalidOrgId = "INVALID_ORG_ID", 404, Missing;
    NetworkEntryNotFound = "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND", 404, Missing;
    OrgLinkNotFound = "UNEXPECTED_ERROR", 404, Missing;
    OrgNotFound = "ORG_NOT_FOUND", 404, Missing;
    ResourceNotFound = "RESOURCE_NOT_FOUND", 404, Missing;
    TeamNotFound = "TEAM_NOT_FOUND", 404, Missing;
    UserNotFound = "USER_NOT_FOUND", 404, Missing;
    UsernameNotFound = "USERNAME_NOT_FOUND", 404, Missing;
    // 405, 406, 408, 413, 415
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, Invalid;
    InvalidVersionDate = "INVALID_VERSION_DATE", 406, Invalid;
    RequestTimeout = "REQUEST_TIMEOUT", 408, Retry;
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, Invalid;
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, Invalid;
    // 409
    AddressAlreadyOnAccessList = "ADDRESS_ALREADY_IN_ACCESS_LIST", 409, Conflict;
    AlreadyBootstrapped = "ALREADY_BOOTSTRAPPED", 409, Conflict;
    CannotCloseGroupActiveClusters = "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS", 409, Conflict;
    CannotDeleteOrgActiveMigration =
        "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK", 409, Conflict;
    CannotUpdateAndPauseCluster = "CANNOT_UPDATE_AND_PAUSE_CLUSTER", 409, Conflict;
    CannotUpdatePausedCluster = "CANNOT_UPDATE_PAUSED_CLUSTER", 409, Conflict;
    ClusterAlreadyPaused = "CLUSTER_ALREADY_PAUSED", 409, Conflict;
    GroupAlreadyExists = "GROUP_ALREADY_EXISTS", 409, Conflict;
    MultipleGroups = "MULTIPLE_GROUPS", 409, Conflict;
    NamespaceHasOnlineArchive = "NAMESPACE_HAS_ONLINE_ARCHIVE", 409, Conflict;
    OnlineArchiveAlreadyExists = "ONLINE_ARCHIVE_ALREADY_EXISTS", 409, Conflict;
    OnlineArchiveHeld = "ONLINE_ARCHIVE_HELD", 409, Conflict;
    OnlineArchiveMustBeActiveToPause = "ONLINE_ARCHIVE_MUST_BE_ACTIVE_TO_PAUSE", 409, Conflict;
    OnlineArchiveNotActive = "ONLINE_ARCHIVE_NOT_ACTIVE", 409, Conflict;
    OrgNotEmpty = "ORG_NOT_EMPTY", 409, Conflict;
    TeamNameNotAvailable = "TEAM_NAME_NOT_AVAILABLE", 409, Conflict;
    UserAlreadyExists = "USER_ALREADY_EXISTS", 409, Conflict;
    // Something else was changing the same thing.
    ConcurrentModification = "CONCURRENT_MODIFICATION", 409, Retry;
    // 410, 429, 500, 503
    VersionGone = "VERSION_GONE", 410, Unsupported;
    RateLimited = "RATE_LIMITED", 429, Retry;
    RateLimitedTokenBucket = "RATE_LIMITED_TOKEN_BUCKET", 429, Retry;
    UnexpectedError = "UNEXPECTED_ERROR", 500, Internal;
    OutcomeUnknown = "OUTCOME_UNKNOWN", 500, Unknown;
    ServiceUnavailable = "SERVICE_UNAVAILABLE", 503, Retry;
}

/// A field of the body that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// Its path, such as `criteria.dateFormat` or `partitionFields[0].order`.
    pub field: String,
    /// The rule, in words.
    pub description: String,
}

/// An error as clients see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The code, which also fixes status and kind.
    pub code: ErrorCode,
    /// What happened, in words, naming the thing.
    pub detail: String,
    /// The values that `detail` interpolates; `None` is written as `null`.
    pub parameters: Option<Vec<Value>>,
    /// Fields that broke a rule.
    pub fields: Vec<FieldViolation>,
}

impl Problem {
    /// An error without parameters.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), parameters: Some(Vec::new()), fields: Vec::new() }
    }

    /// Adds a value that the detail interpolates.
    #[must_use]
    pub fn with(mut self, parameter: impl Into<Value>) -> Self {
        self.parameters.get_or_insert_default().push(parameter.into());
        self
    }

    /// Names a field that broke a rule.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.fields.push(FieldViolation { field: field.into(), description: description.into() });
        self
    }

    /// An unknown field, or a value that makes no sense for a field.
    #[must_use]
    pub fn invalid_attribute(field: &str, description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidAttribute, format!("Invalid attribute {field} specified."))
            .with(field)
            .at(field, description)
    }

    /// A required field that is absent.
    #[must_use]
    pub fn missing_attribute(field: &str) -> Self {
        let detail = format!("The required attribute {field} was not specified.");
        Self::new(ErrorCode::MissingAttribute, detail).with(field).at(field, "is required")
    }

    /// 400 `INVALID_QUERY_PARAMETER`: what a parameter of the query must be.
    #[must_use]
    pub fn invalid_query(name: &str, rule: &str) -> Self {
        let detail = format!("Invalid query parameter {name} specified: {rule}.");
        Self::new(ErrorCode::InvalidQueryParameter, detail).with(name)
    }

    /// A required query parameter that is absent.
    #[must_use]
    pub fn missing_query_parameter(name: &str) -> Self {
        let detail = format!("The required query parameter {name} was not specified.");
        Self::new(ErrorCode::MissingQueryParameter, detail).with(name)
    }

    /// A value that breaks a rule of its field: length, range, pattern.
    #[must_use]
    pub fn validation(field: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        let detail = format!("Validation error for {field}: {rule}.");
        Self::new(ErrorCode::ValidationError, detail).with(field).at(field, rule)
    }

    /// A value outside an enumeration.
    #[must_use]
    pub fn invalid_enum(field: &str, value: &str) -> Self {
        let detail = format!("An invalid enumeration value {value} was specified.");
        Self::new(ErrorCode::InvalidEnumValue, detail)
            .with(value)
            .at(field, format!("{value} is not one of its values"))
    }

    /// No such project, or none for this caller.
    #[must_use]
    pub fn group_not_found(id: impl ToString) -> Self {
        let id = id.to_string();
        let detail = format!("No group with ID {id} exists.");
        Self::new(ErrorCode::GroupNotFound, detail).with(id)
    }

    /// No such organization, or none for this caller.
    #[must_use]
    pub fn org_not_found(id: impl ToString) -> Self {
        let id = id.to_string();
        let detail = format!("No organization with ID {id} exists.");
        Self::new(ErrorCode::OrgNotFound, detail).with(id)
    }

    /// No such cluster in the project.
    #[must_use]
    pub fn cluster_not_found(name: &str, project_id: impl ToString) -> Self {
        let project_id = project_id.to_string();
        let detail = format!("No cluster named {name} exists in group {project_id}.");
        Self::new(ErrorCode::ClusterNotFound, detail).with(name).with(project_id)
    }

    /// No such thing: `what` is such as `Online archive with id 5e…`.
    #[must_use]
    pub fn resource_not_found(what: impl Into<String>) -> Self {
        let what = what.into();
        let detail = format!("Cannot find resource {what}.");
        Self::new(ErrorCode::ResourceNotFound, detail).with(what)
    }

    /// No such user.
    #[must_use]
    pub fn user_not_found(id: impl ToString) -> Self {
        let id = id.to_string();
        let detail = format!("No user with ID {id} exists.");
        Self::new(ErrorCode::UserNotFound, detail).with(id)
    }

    /// No such team in the organization, or none with a role in the project.
    #[must_use]
    pub fn team_not_found(id: impl ToString) -> Self {
        let id = id.to_string();
        let detail = format!("No team with ID {id} exists.");
        Self::new(ErrorCode::TeamNotFound, detail).with(id)
    }

    /// No such user, by name.
    #[must_use]
    pub fn username_not_found(username: &str) -> Self {
        let detail = format!("No user with username {username} exists.");
        Self::new(ErrorCode::UsernameNotFound, detail).with(username)
    }

    /// Something that the Admin API has and Portolan does not do.
    #[must_use]
    pub fn unsupported(what: &str) -> Self {
        let detail = format!("Feature not supported by Portolan: {what}.");
        Self::new(ErrorCode::FeatureUnsupported, detail).with(what)
    }

    /// The body, keys in the recorded order.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        if !self.fields.is_empty() {
            let fields: Vec<Value> = self.fields.iter().map(violation).collect();
            body.insert("badRequestDetail".into(), json!({ "fields": fields }));
        }
        body.insert("detail".into(), Value::from(shortened(&self.detail)));
        body.insert("error".into(), Value::from(self.code.status()));
        body.insert("errorCode".into(), Value::from(self.code.as_str()));
        let parameters = self
            .parameters
            .as_ref()
            .map_or(Value::Null, |values| values.iter().map(shortened_value).collect());
        body.insert("parameters".into(), parameters);
        body.insert("reason".into(), Value::from(reason(self.code.status())));
        Value::Object(body)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

/// Longest text that an error repeats: what was sent may have megabytes.
const TEXT_CHARS_MAX: usize = 1000;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn shortened_value(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| Value::from(shortened(text)))
}

fn violation(violation: &FieldViolation) -> Value {
    json!({
        "description": shortened(&violation.description),
        "field": shortened(&violation.field),
    })
}

/// The reason phrase of a status (RFC 9110).
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
