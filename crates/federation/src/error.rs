//! The one error of this crate, and how a client sees it.

use portolan_cluster::ClusterError;
use portolan_lake::LakeError;
use portolan_mql::MqlError;
use portolan_wire::{CommandError, codes};

/// What goes wrong while a query is answered.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    /// The query is wrong, or asks for something that is not supported (kinds Invalid and
    /// Unsupported). The code is MongoDB's.
    #[error(transparent)]
    Query(#[from] MqlError),
    /// The command is wrong, not supported or not allowed (kinds Invalid, Unsupported, Denied).
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The live cluster failed or could not be reached (kind Retry).
    #[error("the cluster could not be read: {0}")]
    Cluster(#[from] ClusterError),
    /// The archive could not be read (kind Retry or Internal).
    #[error("the archive could not be read: {0}")]
    Lake(#[from] LakeError),
    /// What the endpoint needs to know could not be looked up now (kind Retry).
    #[error("the catalog could not be read: {0}")]
    Catalog(String),
    /// Something that was read is older than what was read before (kind Conflict): answering from
    /// it could leave out documents.
    #[error("{0}")]
    Stale(String),
    /// The query needs more memory than one query may use (kind Denied).
    #[error("{0}")]
    TooLarge(String),
    /// A limit of what queries may read is reached (kind Denied).
    #[error("the limit {name} of {bytes} bytes is reached")]
    OverLimit {
        /// The limit's name.
        name: String,
        /// Its value.
        bytes: u64,
    },
    /// The query lived too long (kind Denied).
    #[error("the query lived longer than {0} hours")]
    TooLong(u64),
    /// A defect of ours (kind Internal).
    #[error("{0}")]
    Internal(String),
}

impl From<FederationError> for CommandError {
    fn from(error: FederationError) -> Self {
        let text = error.to_string();
        match error {
            FederationError::Command(error) => error,
            FederationError::Query(error) => of_query(error),
            FederationError::Cluster(ClusterError::Server { code, name, message }) => {
                of_server(code, &name, &message)
            }
            FederationError::Cluster(ClusterError::Denied(_)) => {
                hidden(codes::HOST_UNREACHABLE, "the cluster does not let itself be read", &text)
            }
            FederationError::Cluster(ClusterError::Unavailable(_) | ClusterError::Unknown(_)) => {
                hidden(codes::HOST_UNREACHABLE, "the cluster could not be read now", &text)
            }
            FederationError::Catalog(_) => {
                let told = "what this endpoint shows could not be looked up now";
                hidden(codes::HOST_UNREACHABLE, told, &text)
            }
            FederationError::Lake(LakeError::Retry(_)) => hidden(
                codes::HOST_UNREACHABLE,
                "the archive's storage could not be read now",
                &text,
            ),
            FederationError::Lake(error) if error.tells_of_damage() => {
                let told = "a file of the archive is damaged or missing; its operator learns which \
                            from `portolan archive verify`";
                hidden(codes::OPERATION_FAILED, told, &text)
            }
            FederationError::Cluster(_)
            | FederationError::Lake(_)
            | FederationError::Stale(_)
            | FederationError::OverLimit { .. } => Self::new(codes::OPERATION_FAILED, text),
            FederationError::TooLarge(_) => Self::new(codes::QUERY_EXCEEDED_MEMORY_LIMIT, text),
            FederationError::TooLong(_) => Self::new(codes::MAX_TIME_EXPIRED, text),
            FederationError::Internal(_) => {
                tracing::error!(error = text, "a query met a defect");
                Self::internal("the query met a defect of the server, whose log says more")
            }
        }
    }
}

/// What went wrong behind the endpoint, addresses and paths in it, is for the log; clients are told what it
/// means for them.
fn hidden(code: i32, told: &str, text: &str) -> CommandError {
    tracing::warn!(error = text, "a query could not be answered");
    CommandError::new(code, told)
}

fn of_query(error: MqlError) -> CommandError {
    let mut converted = CommandError::new(error.code, error.message);
    if error.name != "Location" {
        converted.code_name = error.name.to_owned();
    }
    converted
}

/// What the cluster refused about the query itself keeps its code. Codes about the state of a
/// server, or about *our* rights there, would be misread by drivers as being about this endpoint.
fn of_server(code: i32, name: &str, message: &str) -> CommandError {
    const OF_QUERIES: &[i32] = &[2, 9, 14, 15, 16, 50, 115, 168, 238, 241, 262, 292, 40415];
    let text = format!("the cluster refused: {message} ({name})");
    if OF_QUERIES.contains(&code) || code > 15_000 {
        CommandError { message: text, code_name: name.to_owned(), ..CommandError::new(code, "") }
    } else {
        CommandError::new(codes::OPERATION_FAILED, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_behind_the_endpoint_is_not_told() {
        let storage = "http://10.0.0.7:9000/bucket: connection refused";
        let errors = [
            FederationError::Lake(LakeError::Retry(storage.to_owned())),
            FederationError::Lake(LakeError::Internal("part-1.parquet: cannot parse".to_owned())),
            FederationError::Cluster(ClusterError::Unavailable(storage.to_owned())),
            FederationError::Cluster(ClusterError::Denied(storage.to_owned())),
            FederationError::Catalog(storage.to_owned()),
            FederationError::Internal(storage.to_owned()),
        ];
        for error in errors {
            let told = CommandError::from(error);
            assert!(!told.message.contains("10.0.0.7"), "{told:?}");
            assert!(!told.message.contains("parse"), "{told:?}");
        }
        let stale = FederationError::Stale("the table is older than before".to_owned());
        assert_eq!(CommandError::from(stale).message, "the table is older than before");
    }

    #[test]
    fn drivers_try_again_what_may_pass_and_nothing_else() {
        let code = |error: LakeError| CommandError::from(FederationError::Lake(error)).code;
        assert_eq!(code(LakeError::Retry(String::new())), codes::HOST_UNREACHABLE);
        assert_eq!(code(LakeError::Missing(String::new())), codes::OPERATION_FAILED);
    }
}
