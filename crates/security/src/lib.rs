//! Secret types, column encryption and the policy of dialled addresses.
//!
//! Pure: nothing here reads a file, a clock or the network. What is not here: the protocols that use
//! these values (Digest, OAuth 2.0 and the derivation of SCRAM secrets live in `auth`, the SCRAM
//! conversation in `wire`), and dialling itself, which lives in `cluster`.

pub mod address;
mod keyring;
pub mod mongo_uri;
pub mod scram;
mod secret;

pub use ipnet::IpNet;
pub use keyring::{KeyRing, MASTER_KEY_BYTES, Place};
pub use secret::{SecretBytes, SecretString, Sha256, constant_time_eq, sha256};

/// Why a sealed value or a key could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// Invalid: a key file that cannot be read.
    #[error("line {line} of the key file is not a key of 64 hexadecimal digits")]
    InvalidKey {
        /// Counted from 1.
        line: usize,
    },
    /// Invalid: a key file without a key.
    #[error("the key file holds no key")]
    NoKey,
    /// Invalid: a text that is not a stored SCRAM secret.
    #[error("not a stored SCRAM secret")]
    InvalidScram,
    /// Missing: the value was sealed under a key that the ring does not hold.
    #[error("sealed under key {key_id}, which is not in the key ring")]
    UnknownKey {
        /// Its id, as hexadecimal digits.
        key_id: String,
    },
    /// Internal: changed, cut, moved from another place, or not sealed by us at all.
    #[error("the sealed value does not open at this place")]
    DoesNotOpen,
}
