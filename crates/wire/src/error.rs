//! Errors that a client sees, and the table of MongoDB's error codes that this project uses.
//!
//! Names and numbers are those of MongoDB's public error code list
//! (<https://www.mongodb.com/docs/manual/reference/error-codes/>). Errors of framing, which end a
//! connection, are [`WireError`]. What is not here: which command fails with which code.

use bson::{RawDocumentBuf, rawdoc};

/// Numbers of the errors that clients branch on.
#[allow(missing_docs, reason = "the names are MongoDB's own")]
pub mod codes {
    pub const INTERNAL_ERROR: i32 = 1;
    pub const BAD_VALUE: i32 = 2;
    pub const HOST_UNREACHABLE: i32 = 6;
    pub const FAILED_TO_PARSE: i32 = 9;
    pub const USER_NOT_FOUND: i32 = 11;
    pub const UNAUTHORIZED: i32 = 13;
    pub const TYPE_MISMATCH: i32 = 14;
    pub const INVALID_LENGTH: i32 = 16;
    pub const PROTOCOL_ERROR: i32 = 17;
    pub const AUTHENTICATION_FAILED: i32 = 18;
    pub const ILLEGAL_OPERATION: i32 = 20;
    pub const INVALID_BSON: i32 = 22;
    pub const NAMESPACE_NOT_FOUND: i32 = 26;
    pub const INDEX_NOT_FOUND: i32 = 27;
    pub const PATH_NOT_VIABLE: i32 = 28;
    pub const CURSOR_NOT_FOUND: i32 = 43;
    pub const NAMESPACE_EXISTS: i32 = 48;
    pub const MAX_TIME_EXPIRED: i32 = 50;
    pub const COMMAND_NOT_FOUND: i32 = 59;
    pub const IMMUTABLE_FIELD: i32 = 66;
    pub const CANNOT_CREATE_INDEX: i32 = 67;
    pub const INVALID_OPTIONS: i32 = 72;
    pub const INVALID_NAMESPACE: i32 = 73;
    pub const INDEX_OPTIONS_CONFLICT: i32 = 85;
    pub const INDEX_KEY_SPECS_CONFLICT: i32 = 86;
    pub const NETWORK_TIMEOUT: i32 = 89;
    pub const SHUTDOWN_IN_PROGRESS: i32 = 91;
    pub const OPERATION_FAILED: i32 = 96;
    pub const WRITE_CONFLICT: i32 = 112;
    pub const COMMAND_NOT_SUPPORTED: i32 = 115;
    pub const DOCUMENT_VALIDATION_FAILURE: i32 = 121;
    pub const EXCEEDED_MEMORY_LIMIT: i32 = 146;
    pub const INVALID_PIPELINE_OPERATOR: i32 = 168;
    pub const TRANSACTION_TOO_OLD: i32 = 225;
    pub const CURSOR_KILLED: i32 = 237;
    pub const NOT_IMPLEMENTED: i32 = 238;
    pub const NO_SUCH_TRANSACTION: i32 = 251;
    pub const EXCEEDED_TIME_LIMIT: i32 = 262;
    pub const OPERATION_NOT_SUPPORTED_IN_TRANSACTION: i32 = 263;
    pub const QUERY_EXCEEDED_MEMORY_LIMIT: i32 = 292;
    pub const API_VERSION_ERROR: i32 = 322;
    pub const API_STRICT_ERROR: i32 = 323;
    pub const MECHANISM_UNAVAILABLE: i32 = 334;
    pub const UNSUPPORTED_OP_QUERY_COMMAND: i32 = 352;
    pub const COLLECTION_UUID_MISMATCH: i32 = 361;
    pub const BSON_OBJECT_TOO_LARGE: i32 = 10334;
    pub const DUPLICATE_KEY: i32 = 11000;
    pub const INTERRUPTED_AT_SHUTDOWN: i32 = 11600;
    pub const INTERRUPTED: i32 = 11601;
    pub const CURSOR_IN_USE: i32 = 12051;
    pub const UNKNOWN_FIELD: i32 = 40415;
    pub const MISSING_DATABASE: i32 = 40571;
}

const NAMES: &[(i32, &str)] = &[
    (1, "InternalError"),
    (2, "BadValue"),
    (5, "GraphContainsCycle"),
    (6, "HostUnreachable"),
    (7, "HostNotFound"),
    (9, "FailedToParse"),
    (11, "UserNotFound"),
    (13, "Unauthorized"),
    (14, "TypeMismatch"),
    (15, "Overflow"),
    (16, "InvalidLength"),
    (17, "ProtocolError"),
    (18, "AuthenticationFailed"),
    (20, "IllegalOperation"),
    (22, "InvalidBSON"),
    (24, "LockTimeout"),
    (26, "NamespaceNotFound"),
    (27, "IndexNotFound"),
    (28, "PathNotViable"),
    (29, "NonExistentPath"),
    (40, "ConflictingUpdateOperators"),
    (43, "CursorNotFound"),
    (47, "NoMatchingDocument"),
    (48, "NamespaceExists"),
    (50, "MaxTimeMSExpired"),
    (52, "DollarPrefixedFieldName"),
    (53, "InvalidIdField"),
    (54, "NotSingleValueField"),
    (56, "EmptyFieldName"),
    (59, "CommandNotFound"),
    (61, "ShardKeyNotFound"),
    (63, "StaleShardVersion"),
    (64, "WriteConcernFailed"),
    (66, "ImmutableField"),
    (67, "CannotCreateIndex"),
    (72, "InvalidOptions"),
    (73, "InvalidNamespace"),
    (79, "UnknownReplWriteConcern"),
    (85, "IndexOptionsConflict"),
    (86, "IndexKeySpecsConflict"),
    (89, "NetworkTimeout"),
    (91, "ShutdownInProgress"),
    (96, "OperationFailed"),
    (100, "UnsatisfiableWriteConcern"),
    (112, "WriteConflict"),
    (115, "CommandNotSupported"),
    (121, "DocumentValidationFailure"),
    (133, "FailedToSatisfyReadPreference"),
    (134, "ReadConcernMajorityNotAvailableYet"),
    (136, "CappedPositionLost"),
    (146, "ExceededMemoryLimit"),
    (150, "StaleEpoch"),
    (165, "ViewDepthLimitExceeded"),
    (166, "CommandNotSupportedOnView"),
    (167, "OptionNotSupportedOnView"),
    (168, "InvalidPipelineOperator"),
    (171, "CannotIndexParallelArrays"),
    (175, "QueryPlanKilled"),
    (186, "ClientMetadataCannotBeMutated"),
    (189, "PrimarySteppedDown"),
    (197, "InvalidIndexSpecificationOption"),
    (206, "NoSuchSession"),
    (211, "KeyNotFound"),
    (217, "IncompleteTransactionHistory"),
    (222, "CloseChangeStream"),
    (225, "TransactionTooOld"),
    (234, "RetryChangeStream"),
    (237, "CursorKilled"),
    (238, "NotImplemented"),
    (239, "SnapshotTooOld"),
    (244, "TransactionAborted"),
    (246, "SnapshotUnavailable"),
    (251, "NoSuchTransaction"),
    (256, "TransactionCommitted"),
    (260, "InvalidResumeToken"),
    (262, "ExceededTimeLimit"),
    (263, "OperationNotSupportedInTransaction"),
    (267, "PreparedTransactionInProgress"),
    (280, "ChangeStreamFatalError"),
    (286, "ChangeStreamHistoryLost"),
    (291, "NoQueryExecutionPlans"),
    (292, "QueryExceededMemoryLimitNoDiskUseAllowed"),
    (322, "APIVersionError"),
    (323, "APIStrictError"),
    (334, "MechanismUnavailable"),
    (352, "UnsupportedOpQueryCommand"),
    (361, "CollectionUUIDMismatch"),
    (391, "ReauthenticationRequired"),
    (462, "IngressRequestRateLimitExceeded"),
    (9001, "SocketException"),
    (10107, "NotWritablePrimary"),
    (10334, "BSONObjectTooLarge"),
    (11000, "DuplicateKey"),
    (11600, "InterruptedAtShutdown"),
    (11601, "Interrupted"),
    (11602, "InterruptedDueToReplStateChange"),
    (12051, "CursorInUse"),
    (13388, "StaleConfig"),
    (13435, "NotPrimaryNoSecondaryOk"),
    (13436, "NotPrimaryOrSecondary"),
    (14031, "OutOfDiskSpace"),
    (31082, "SearchNotEnabled"),
];

/// The public name of an error code; `LocationN` for a number without a name, as servers do it.
#[must_use]
pub fn code_name(code: i32) -> String {
    NAMES
        .iter()
        .find(|(number, _)| *number == code)
        .map_or_else(|| format!("Location{code}"), |(_, name)| (*name).to_owned())
}

/// A command's failure as the client sees it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code_name} ({code}): {message}")]
pub struct CommandError {
    /// Number from the public list.
    pub code: i32,
    /// Name from the public list.
    pub code_name: String,
    /// Text for people.
    pub message: String,
    /// Labels such as `RetryableWriteError` on which drivers act.
    pub labels: Vec<String>,
    /// More fields of the reply, such as `keyPattern` and `keyValue` of a duplicate key.
    pub extra: Option<RawDocumentBuf>,
}

impl CommandError {
    /// An error with the public name of `code`.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            code_name: code_name(code),
            message: message.into(),
            labels: Vec::new(),
            extra: None,
        }
    }

    /// The same error with one more label.
    #[must_use]
    pub fn with_label(mut self, label: &str) -> Self {
        self.labels.push(label.to_owned());
        self
    }

    /// The same error with more fields in its reply.
    #[must_use]
    pub fn with_extra(mut self, extra: RawDocumentBuf) -> Self {
        self.extra = Some(extra);
        self
    }

    /// `BadValue`.
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::new(codes::BAD_VALUE, message)
    }

    /// `FailedToParse`.
    pub fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(codes::FAILED_TO_PARSE, message)
    }

    /// `TypeMismatch`.
    pub fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(codes::TYPE_MISMATCH, message)
    }

    /// `InternalError`: a defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(codes::INTERNAL_ERROR, message)
    }

    /// `NotImplemented`, for an operator, stage or option that is known and not supported.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(codes::NOT_IMPLEMENTED, message)
    }

    /// `CommandNotFound`.
    #[must_use]
    pub fn command_not_found(name: &str) -> Self {
        Self::new(codes::COMMAND_NOT_FOUND, format!("no such command: '{name}'"))
    }

    /// `Unauthorized`: the user lacks a role for this.
    #[must_use]
    pub fn not_authorized(database: &str, command: &str) -> Self {
        Self::new(
            codes::UNAUTHORIZED,
            format!("not authorized on {database} to execute command {command}"),
        )
    }

    /// `CursorNotFound`.
    #[must_use]
    pub fn cursor_not_found(id: i64) -> Self {
        Self::new(codes::CURSOR_NOT_FOUND, format!("cursor id {id} not found"))
    }

    /// The reply document, `ok: 0` included.
    #[must_use]
    pub fn to_reply(&self) -> RawDocumentBuf {
        let mut reply = rawdoc! {
            "ok": 0.0,
            "errmsg": self.message.as_str(),
            "code": self.code,
            "codeName": self.code_name.as_str(),
        };
        if !self.labels.is_empty() {
            let labels: bson::RawArrayBuf = self.labels.iter().map(String::as_str).collect();
            reply.append(bson::raw::cstr!("errorLabels"), labels);
        }
        for element in self.extra.iter().flatten().flatten() {
            reply.append(element.0, element.1);
        }
        reply
    }
}

impl From<bson::error::Error> for CommandError {
    fn from(error: bson::error::Error) -> Self {
        Self::new(codes::INVALID_BSON, error.to_string())
    }
}

/// What goes wrong below the level of commands. Each of these ends the connection.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer broke the protocol (kind Invalid).
    #[error("{0}")]
    Invalid(String),
    /// The peer sent more than allowed (kind Invalid).
    #[error("message of {size_bytes} bytes is larger than the allowed {max_bytes} bytes")]
    TooLarge {
        /// Declared size.
        size_bytes: i64,
        /// Allowed size.
        max_bytes: usize,
    },
    /// A kind of message that no server of this version answers (kind Unsupported).
    #[error("unsupported operation code {0}")]
    Unsupported(i32),
    /// The connection failed (kind Unknown: what was sent last may or may not have arrived).
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
}

impl WireError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The error as a last reply, where one can still be sent.
    pub(crate) fn to_command_error(&self) -> Option<CommandError> {
        match self {
            Self::Invalid(message) => Some(CommandError::new(codes::PROTOCOL_ERROR, message)),
            Self::TooLarge { .. } => {
                Some(CommandError::new(codes::INVALID_LENGTH, self.to_string()))
            }
            Self::Unsupported(_) => {
                Some(CommandError::new(codes::PROTOCOL_ERROR, self.to_string()))
            }
            Self::Io(_) => None,
        }
    }
}
