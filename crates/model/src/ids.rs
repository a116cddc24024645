//! Typed ids: 12-byte ObjectIds, written as 24 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not 24 lower-case hexadecimal digits")]
pub struct InvalidId {
    text: String,
}

fn parse(text: &str) -> Result<[u8; 12], InvalidId> {
    let invalid = || InvalidId { text: text.chars().take(64).collect() };
    let digits = text.as_bytes();
    if digits.len() != 24 {
        return Err(invalid());
    }
    let mut id = [0; 12];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return Err(invalid());
        };
        *byte = high << 4 | low;
    }
    Ok(id)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn write(id: &[u8; 12], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! id {
    ($(#[$doc:meta] $name:ident, $prefix:literal;)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 12]);

        impl $name {
            /// What stands before the 24 digits; empty for most.
            pub const PREFIX: &'static str = $prefix;

            /// The id of these bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 12]) -> Self {
                Self(bytes)
            }

            /// The 12 bytes.
            #[must_use]
            pub const fn bytes(self) -> [u8; 12] {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text
                    .strip_prefix($prefix)
                    .ok_or_else(|| InvalidId { text: text.chars().take(64).collect() })?;
                parse(digits).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

id! {
    /// Id of an organization.
    OrgId, "";
    /// Id of a project (`groupId` on the wire).
    ProjectId, "";
    /// Id of a user.
    UserId, "";
    /// Id of a programmatic API key (`apiUserId` on the wire); its public key is another thing.
    ApiKeyId, "";
    /// Client id of a service account: `mdb_sa_id_` and 24 digits, as on Atlas.
    ServiceAccountId, "mdb_sa_id_";
    /// Id of a secret of a service account.
    SecretId, "";
    /// Id of a team.
    TeamId, "";
    /// Id of an invitation into an organization or a project.
    InvitationId, "";
    /// Id of a cluster.
    ClusterId, "";
    /// Id of an online archive.
    ArchiveId, "";
    /// Id of a live migration.
    MigrationId, "";
    /// Id of an event.
    EventId, "";
    /// Id of a job.
    JobId, "";
    /// Id of a request, for logs and audit rows.
    RequestId, "";
}
