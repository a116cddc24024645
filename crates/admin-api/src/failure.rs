//! Failures of a handler, and what clients see of them.
//!
//! A fault of ours is logged with its cause and shown without it.

use portolan_api_types::Problem;
use portolan_control::ControlError;

/// Why a handler gave no answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) problem: Box<Problem>,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem) }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        Self { problem: Box::new(shown(error)) }
    }
}

fn shown(error: ControlError) -> Problem {
    match &error {
        ControlError::Retry { cause, .. } => tracing::warn!(%cause, "a request was given up"),
        ControlError::Unknown { cause, .. } => tracing::error!(%cause, "an outcome is not known"),
        ControlError::Internal { cause, .. } => tracing::error!(%cause, "a request failed"),
        _ => {}
    }
    error.problem().clone()
}
