//! How keys, secrets and access tokens look, shaped as on Atlas so that clients' checks pass.
//!
//! An API key pair is eight lower-case letters and a lower-case UUID; a service account's secret is
//! `mdb_sa_sk_` and 40 URL-safe characters; an access token is opaque: a prefix and 32 random bytes.
//! Secrets with 240 bits of randomness and tokens are stored as SHA-256 only. A private API key must
//! stay recoverable as HA1 (see [`crate::ha1`]), which the store encrypts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// Lifetime of an access token in milliseconds: one hour.
pub const ACCESS_TOKEN_LIFETIME_MS: i64 = 3_600_000;

const ACCESS_TOKEN_PREFIX: &str = "portolan_at_";
const SECRET_PREFIX: &str = "mdb_sa_sk_";
const PUBLIC_KEY_LETTERS: usize = 8;
const UUID_TAIL_DIGITS: usize = 12;

/// A new API key pair.
#[derive(Debug, Clone)]
pub struct ApiKeyPair {
    /// Eight lower-case letters.
    pub public_key: String,
    /// A lower-case UUID. Shown once.
    pub private_key: SecretString,
}

impl ApiKeyPair {
    /// Makes one.
    #[must_use]
    pub fn generate(runtime: &Runtime) -> Self {
        Self {
            public_key: random_letters(runtime),
            private_key: SecretString::new(uuid_text(&runtime.uuid_v4())),
        }
    }

    /// The last twelve digits, the only part of the private key that later answers show.
    #[must_use]
    pub fn private_key_tail(&self) -> String {
        let text = self.private_key.expose();
        text[text.len() - UUID_TAIL_DIGITS..].to_owned()
    }
}

/// The private key as later answers show it: stars, then its last twelve digits.
#[must_use]
pub fn mask_private_key(tail: &str) -> String {
    format!("********-****-****-{tail}")
}

fn random_letters(runtime: &Runtime) -> String {
    let mut text = String::with_capacity(PUBLIC_KEY_LETTERS);
    while text.len() < PUBLIC_KEY_LETTERS {
        let [byte] = runtime.random_bytes::<1>();
        // 234 is the largest multiple of 26 in a byte: above it letters would not be equally likely.
        if byte < 234 {
            text.push(char::from(b'a' + byte % 26));
        }
    }
    text
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let digits = hex::encode(bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// A new secret of a service account.
#[derive(Debug, Clone)]
pub struct ServiceAccountSecret {
    /// `mdb_sa_sk_` and 40 URL-safe characters. Shown once.
    pub secret: SecretString,
    /// What is stored.
    pub sha256: [u8; 32],
    /// What later answers show.
    pub masked: String,
}

impl ServiceAccountSecret {
    /// Makes one.
    #[must_use]
    pub fn generate(runtime: &Runtime) -> Self {
        let random = URL_SAFE_NO_PAD.encode(runtime.random_bytes::<30>());
        let text = format!("{SECRET_PREFIX}{random}");
        let masked = format!("{SECRET_PREFIX}...{}", &text[text.len() - 4..]);
        Self { sha256: hash_token(&text), secret: SecretString::new(text), masked }
    }
}

/// A new access token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// What the client sends.
    pub token: SecretString,
    /// What is stored.
    pub sha256: [u8; 32],
}

impl AccessToken {
    /// Makes one.
    #[must_use]
    pub fn generate(runtime: &Runtime) -> Self {
        let random = URL_SAFE_NO_PAD.encode(runtime.random_bytes::<32>());
        let text = format!("{ACCESS_TOKEN_PREFIX}{random}");
        Self { sha256: hash_token(&text), token: SecretString::new(text) }
    }
}

/// SHA-256 of a token or secret, as stored.
#[must_use]
pub fn hash_token(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// Whether a given secret is one of the stored ones. Looks at all of them, in constant time each.
#[must_use]
pub fn secret_matches(given: &str, stored: &[[u8; 32]]) -> Option<usize> {
    let given = hash_token(given);
    let mut found = None;
    for (index, hash) in stored.iter().enumerate() {
        if bool::from(hash.ct_eq(&given)) {
            found = Some(index);
        }
    }
    found
}
