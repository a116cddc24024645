//! Why a use case refused or failed. The kinds are the same words in every room.

use portolan_api_types::{ErrorCode, ErrorKind, Problem};
use portolan_store::StoreError;

/// Why a use case refused or failed: what to tell the client, and for faults their cause, which only
/// the log may see.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// The request is wrong.
    #[error("invalid: {0}")]
    Invalid(Box<Problem>),
    /// The caller may not.
    #[error("denied: {0}")]
    Denied(Box<Problem>),
    /// There is no such thing for this caller.
    #[error("missing: {0}")]
    Missing(Box<Problem>),
    /// The state of a resource forbids it now.
    #[error("conflict: {0}")]
    Conflict(Box<Problem>),
    /// Portolan does not do this.
    #[error("unsupported: {0}")]
    Unsupported(Box<Problem>),
    /// Nothing happened; try again later.
    #[error("retry: {cause}")]
    Retry {
        /// What the client is told.
        problem: Box<Problem>,
        /// What the log is told.
        cause: String,
    },
    /// It may or may not have happened.
    #[error("outcome unknown: {cause}")]
    Unknown {
        /// What the client is told.
        problem: Box<Problem>,
        /// What the log is told.
        cause: String,
    },
    /// A fault of ours.
    #[error("internal: {cause}")]
    Internal {
        /// What the client is told.
        problem: Box<Problem>,
        /// What the log is told.
        cause: String,
    },
}

impl ControlError {
    /// A fault of ours.
    #[must_use]
    pub fn internal(cause: impl ToString) -> Self {
        let problem = Problem::new(ErrorCode::UnexpectedError, "Unexpected error.");
        Self::Internal { problem: Box::new(problem), cause: cause.to_string() }
    }

    /// What the client is told.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        match self {
            Self::Invalid(problem)
            | Self::Denied(problem)
            | Self::Missing(problem)
            | Self::Conflict(problem)
            | Self::Unsupported(problem)
            | Self::Retry { problem, .. }
            | Self::Unknown { problem, .. }
            | Self::Internal { problem, .. } => problem,
        }
    }

    /// The code that the client is told.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.problem().code
    }
}

impl From<Problem> for ControlError {
    fn from(problem: Problem) -> Self {
        let (kind, cause) = (problem.code.kind(), problem.detail.clone());
        let problem = Box::new(problem);
        match kind {
            ErrorKind::Invalid => Self::Invalid(problem),
            ErrorKind::Denied => Self::Denied(problem),
            ErrorKind::Missing => Self::Missing(problem),
            ErrorKind::Conflict => Self::Conflict(problem),
            ErrorKind::Unsupported => Self::Unsupported(problem),
            ErrorKind::Retry => Self::Retry { problem, cause },
            ErrorKind::Unknown => Self::Unknown { problem, cause },
            ErrorKind::Internal => Self::Internal { problem, cause },
        }
    }
}

/// Errors of the store that a use case did not expect. Those that it expects, such as a name that is
/// taken, it maps itself.
impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        let cause = error.to_string();
        let retry = "Service unavailable; try again later.";
        let unknown = "The change may or may not have happened; read the resource to find out.";
        let conflict = "Something else changed the same resource; try again.";
        let problem = match error.kind() {
            portolan_store::ErrorKind::Missing => {
                return Problem::resource_not_found(cause.trim_start_matches("no such ")).into();
            }
            portolan_store::ErrorKind::Conflict => {
                return Self::Conflict(Box::new(Problem::new(
                    ErrorCode::ConcurrentModification,
                    conflict,
                )));
            }
            portolan_store::ErrorKind::Retry => {
                let problem = Problem::new(ErrorCode::ServiceUnavailable, retry);
                return Self::Retry { problem: Box::new(problem), cause };
            }
            portolan_store::ErrorKind::Unknown => {
                let problem = Problem::new(ErrorCode::OutcomeUnknown, unknown);
                return Self::Unknown { problem: Box::new(problem), cause };
            }
            _ => Problem::new(ErrorCode::UnexpectedError, "Unexpected error."),
        };
        Self::Internal { problem: Box::new(problem), cause }
    }
}
