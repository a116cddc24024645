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
            FederationError::Cluster(
                ClusterError::Unavailable(_) | ClusterError::Denied(_) | ClusterError::Unknown(_),
            )
            | FederationError::Catalog(_)
            | FederationError::Lake(LakeError::Retry(_)) => {
                Self::new(codes::HOST_UNREACHABLE, text)
            }
            FederationError::Cluster(_)
            | FederationError::Lake(_)
            | FederationError::Stale(_)
            | FederationError::OverLimit { .. } => Self::new(codes::OPERATION_FAILED, text),
            FederationError::TooLarge(_) => Self::new(codes::QUERY_EXCEEDED_MEMORY_LIMIT, text),
            FederationError::TooLong(_) => Self::new(codes::MAX_TIME_EXPIRED, text),
            FederationError::Internal(_) => Self::internal(text),
        }
    }
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
