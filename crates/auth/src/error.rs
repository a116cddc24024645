//! Why credentials could not be read or made.

/// What is wrong with credentials. Never says which part of a pair was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The `Authorization` header does not follow its grammar.
    #[error("the Authorization header is malformed: {0}")]
    Invalid(&'static str),
    /// A password that SASLprep forbids (RFC 4013).
    #[error("the password holds characters that SASLprep (RFC 4013) forbids")]
    PasswordRefused,
}
