//! What a server keeps of a SCRAM password (RFC 5802, RFC 7677): salt, iterations, stored key and
//! server key, and their text form for storage.
//!
//! Plain data. Derivation from a password lives in `auth`, the conversation in `wire`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::SecurityError;

/// The secret of one mechanism. Who holds it can answer as the server, and can try passwords: it is
/// stored encrypted and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecret {
    /// Salt.
    pub salt: Vec<u8>,
    /// Iterations of PBKDF2.
    pub iterations: u32,
    /// `H(ClientKey)`.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: Vec<u8>,
}

impl fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ScramSecret {
    /// `iterations:salt:stored_key:server_key`, the bytes as Base64.
    #[must_use]
    pub fn encode(&self) -> String {
        format!(
            "{}:{}:{}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(&self.stored_key),
            BASE64.encode(&self.server_key)
        )
    }
}

impl FromStr for ScramSecret {
    type Err = SecurityError;

    fn from_str(text: &str) -> Result<Self, SecurityError> {
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(SecurityError::InvalidScram);
        let bytes = |part: &str| BASE64.decode(part).map_err(|_| SecurityError::InvalidScram);
        let secret = Self {
            iterations: next()?.parse().map_err(|_| SecurityError::InvalidScram)?,
            salt: bytes(next()?)?,
            stored_key: bytes(next()?)?,
            server_key: bytes(next()?)?,
        };
        if parts.next().is_some() { Err(SecurityError::InvalidScram) } else { Ok(secret) }
    }
}

/// The secrets of one user for both mechanisms that MongoDB drivers use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    /// SCRAM-SHA-1.
    pub sha1: ScramSecret,
    /// SCRAM-SHA-256.
    pub sha256: ScramSecret,
}

impl ScramCredentials {
    /// `SCRAM-SHA-1=…;SCRAM-SHA-256=…`.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("SCRAM-SHA-1={};SCRAM-SHA-256={}", self.sha1.encode(), self.sha256.encode())
    }
}

impl FromStr for ScramCredentials {
    type Err = SecurityError;

    fn from_str(text: &str) -> Result<Self, SecurityError> {
        let (sha1, sha256) = text.split_once(';').ok_or(SecurityError::InvalidScram)?;
        let of = |part: &str, name: &str| {
            part.strip_prefix(name).ok_or(SecurityError::InvalidScram)?.parse::<ScramSecret>()
        };
        Ok(Self { sha1: of(sha1, "SCRAM-SHA-1=")?, sha256: of(sha256, "SCRAM-SHA-256=")? })
    }
}

#[cfg(test)]
mod tests;
