//! The server's side of a SCRAM conversation (RFC 5802, RFC 7677; in MongoDB's form:
//! <https://github.com/mongodb/specifications/blob/master/source/auth/auth.md#scram-sha-256>).
//!
//! Pure: it neither looks up users nor sends anything. Unknown users get a salt that looks real and
//! stays the same at each try, and fail only at the proof, so that names cannot be probed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use portolan_security::constant_time_eq;
use portolan_security::scram::{ScramCredentials, ScramSecret};
use ring::{digest, hmac};

/// A mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Sha1,
    Sha256,
}

/// The text of a refusal; clients see only that authentication failed.
pub(crate) type Refused = &'static str;

impl Mechanism {
    pub(crate) const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    pub(crate) fn secret(self, credentials: &ScramCredentials) -> &ScramSecret {
        match self {
            Self::Sha1 => &credentials.sha1,
            Self::Sha256 => &credentials.sha256,
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn hash(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }

    /// A secret that no password opens, the same for the same user as long as `key` lives.
    /// Salt lengths and iterations are MongoDB's documented defaults.
    pub(crate) fn fake_secret(self, key: &[u8; 32], user: &str) -> ScramSecret {
        let (salt_bytes, iterations) = match self {
            Self::Sha1 => (16, 10_000),
            Self::Sha256 => (28, 15_000),
        };
        let mut salt = Self::Sha256.hmac(key, format!("{}\0{user}", self.name()).as_bytes());
        salt.truncate(salt_bytes);
        let stored_key = self.hmac(key, user.as_bytes());
        ScramSecret { salt, iterations, server_key: stored_key.clone(), stored_key }
    }
}

/// What the client's first message says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    pub(crate) user: String,
    nonce: String,
    bare: String,
    /// The channel binding header, which the last message must repeat.
    header: String,
}

impl ClientFirst {
    /// Parses `n,,n=user,r=nonce`.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(payload).map_err(|_| "first message is not UTF-8")?;
        let mut parts = text.splitn(3, ',');
        let binding = parts.next().unwrap_or_default();
        let authorization = parts.next().ok_or("first message without header")?;
        let bare = parts.next().ok_or("first message without body")?;
        if !matches!(binding, "n" | "y") || !authorization.is_empty() {
            return Err("channel binding and authorization identities are not supported");
        }
        let (user, rest) = bare
            .strip_prefix("n=")
            .and_then(|rest| rest.split_once(",r="))
            .ok_or("first message without user or nonce")?;
        let nonce = rest.split(',').next().unwrap_or_default();
        if nonce.is_empty() || user.is_empty() {
            return Err("first message with an empty user or nonce");
        }
        Ok(Self {
            user: decode_name(user)?,
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
            header: format!("{binding},,"),
        })
    }
}

/// `=2C` stands for a comma, `=3D` for an equals sign; no other `=` may occur.
fn decode_name(name: &str) -> Result<String, Refused> {
    let decoded = name.replace("=2C", ",").replace("=3D", "\0");
    if decoded.contains('=') {
        return Err("user name with a bare equals sign");
    }
    Ok(decoded.replace('\0', "="))
}

/// A conversation after its first exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    mechanism: Mechanism,
    secret: ScramSecret,
    /// Whether the user exists. If not, no proof is good enough.
    known: bool,
    nonce: String,
    header: String,
    bare: String,
    server_first: String,
}

impl Exchange {
    /// Answers the first message.
    pub(crate) fn begin(
        mechanism: Mechanism,
        first: ClientFirst,
        secret: ScramSecret,
        known: bool,
        server_nonce: &[u8; 24],
    ) -> Self {
        let nonce = format!("{}{}", first.nonce, BASE64.encode(server_nonce));
        let salt = BASE64.encode(&secret.salt);
        let server_first = format!("r={nonce},s={salt},i={}", secret.iterations);
        let ClientFirst { bare, header, .. } = first;
        Self { mechanism, secret, known, nonce, header, bare, server_first }
    }

    pub(crate) fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Checks the proof in the client's last message and gives the server's signature.
    pub(crate) fn finish(&self, payload: &[u8]) -> Result<String, Refused> {
        let text = std::str::from_utf8(payload).map_err(|_| "last message is not UTF-8")?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or("last message without proof")?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|part| part.strip_prefix("c="));
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        if binding != Some(BASE64.encode(&self.header).as_str()) {
            return Err("channel binding differs");
        }
        if nonce != Some(self.nonce.as_str()) {
            return Err("nonce differs");
        }
        let proof = BASE64.decode(proof).map_err(|_| "proof is not Base64")?;
        let message = format!("{},{},{without_proof}", self.bare, self.server_first);
        if !self.proof_is_good(&proof, message.as_bytes()) || !self.known {
            return Err("wrong user or password");
        }
        let signature = self.mechanism.hmac(&self.secret.server_key, message.as_bytes());
        Ok(format!("v={}", BASE64.encode(signature)))
    }

    fn proof_is_good(&self, proof: &[u8], message: &[u8]) -> bool {
        let signature = self.mechanism.hmac(&self.secret.stored_key, message);
        if proof.len() != signature.len() {
            return false;
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        constant_time_eq(&self.mechanism.hash(&client_key), &self.secret.stored_key)
    }
}
