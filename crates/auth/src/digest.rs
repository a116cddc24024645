//! HTTP Digest (RFC 7616, MD5, qop `auth`) as the Admin API's clients speak it.
//!
//! The challenge has exactly the parameters that Atlas sends, in their order: the Go client
//! (`mongodb-forks/digest`) fails on a parameter that it does not know. Nonces are stateless: time,
//! four random bytes, and an HMAC of both, so any replica with the same key accepts them. A stolen
//! request cannot be sent again to the same process: see [`crate::replay`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::AuthError;
use crate::replay::ReplayGuard;

/// The realm that Atlas names; clients hash it into each answer.
pub const REALM: &str = "MMS Public API";

/// How long a nonce is good.
const NONCE_LIFETIME_MS: i64 = 5 * 60 * 1000;
/// Clocks of replicas may differ by so much.
const CLOCK_SKEW_MS: i64 = 30_000;
/// 24 bytes make the 32 Base64 characters of a recorded challenge: 6 of time, 4 random, 14 of HMAC.
const NONCE_BYTES: usize = 24;
const NONCE_BODY_BYTES: usize = 10;

/// The fields of a `Digest` authorization that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestCredentials {
    /// The public key.
    pub username: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    nc: String,
    cnonce: String,
}

/// What an authorization turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOutcome {
    /// Good.
    Accepted,
    /// The right key, but the nonce is too old or was used: challenge again with `stale=true`.
    Stale,
    /// Wrong.
    Refused,
}

/// Challenges callers and checks their answers.
pub struct DigestGate {
    key: hmac::Key,
    replay: ReplayGuard,
}

impl DigestGate {
    /// A gate whose nonces are signed with `key`; replicas share it.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), replay: ReplayGuard::default() }
    }

    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(&self, runtime: &Runtime, stale: bool) -> String {
        let nonce = self.nonce(runtime.now_ms(), runtime.random_bytes());
        format!(
            "Digest realm=\"{REALM}\", domain=\"\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\", \
             stale={stale}"
        )
    }

    fn nonce(&self, now_ms: i64, random: [u8; 4]) -> String {
        let mut bytes = [0; NONCE_BYTES];
        bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        bytes[6..NONCE_BODY_BYTES].copy_from_slice(&random);
        let tag = hmac::sign(&self.key, &bytes[..NONCE_BODY_BYTES]);
        bytes[NONCE_BODY_BYTES..].copy_from_slice(&tag.as_ref()[..NONCE_BYTES - NONCE_BODY_BYTES]);
        STANDARD.encode(bytes)
    }

    /// The time of a nonce of ours; `None` for one that is not.
    fn nonce_time(&self, nonce: &str) -> Option<i64> {
        let bytes: [u8; NONCE_BYTES] = STANDARD.decode(nonce).ok()?.try_into().ok()?;
        let tag = hmac::sign(&self.key, &bytes[..NONCE_BODY_BYTES]);
        let ours = &tag.as_ref()[..NONCE_BYTES - NONCE_BODY_BYTES];
        if !bool::from(ours.ct_eq(&bytes[NONCE_BODY_BYTES..])) {
            return None;
        }
        let mut time = [0; 8];
        time[2..].copy_from_slice(&bytes[..6]);
        Some(i64::from_be_bytes(time))
    }

    /// Checks an answer. For an unknown key pass `None`: the same work is done and refused.
    #[must_use]
    pub fn check(
        &self,
        credentials: &DigestCredentials,
        ha1_stored: Option<&SecretString>,
        method: &str,
        target: &str,
        now_ms: i64,
    ) -> DigestOutcome {
        let decoy = "00000000000000000000000000000000";
        let ha1_hex = ha1_stored.map_or(decoy, SecretString::expose);
        let expected = expected_response(credentials, ha1_hex, method);
        let given = credentials.response.to_ascii_lowercase();
        let right = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        let same_target = same_target(&credentials.uri, target) && credentials.realm == REALM;
        if !right || !same_target || ha1_stored.is_none() {
            return DigestOutcome::Refused;
        }
        let Some(made_at) = self.nonce_time(&credentials.nonce) else {
            // A nonce of another process or an older key: the key pair is right, so ask again.
            return DigestOutcome::Stale;
        };
        let fresh = (now_ms - NONCE_LIFETIME_MS..=now_ms + CLOCK_SKEW_MS).contains(&made_at);
        let count = u32::from_str_radix(&credentials.nc, 16).unwrap_or(0);
        if fresh && self.replay.first_use(&credentials.nonce, made_at, count, now_ms) {
            DigestOutcome::Accepted
        } else {
            DigestOutcome::Stale
        }
    }
}

/// How long the replay guard must remember a nonce.
pub(crate) const NONCE_MEMORY_MS: i64 = NONCE_LIFETIME_MS + CLOCK_SKEW_MS;

/// HA1 = MD5(user ":" realm ":" password), in hexadecimal. As good as the password: a secret.
#[must_use]
pub fn ha1(public_key: &str, private_key: &SecretString) -> SecretString {
    SecretString::new(md5_hex(&[public_key, REALM, private_key.expose()]))
}

/// Whether a private key given in a body belongs to the stored HA1. For an unknown key pass `None`:
/// the same work is done and refused.
#[must_use]
pub fn ha1_matches(
    public_key: &str,
    private_key: &SecretString,
    ha1_stored: Option<&SecretString>,
) -> bool {
    let given = ha1(public_key, private_key);
    let stored = ha1_stored.map_or("00000000000000000000000000000000", SecretString::expose);
    bool::from(given.expose().as_bytes().ct_eq(stored.as_bytes())) && ha1_stored.is_some()
}

fn expected_response(credentials: &DigestCredentials, ha1_hex: &str, method: &str) -> String {
    let ha2 = md5_hex(&[method, &credentials.uri]);
    let DigestCredentials { nonce, nc, cnonce, .. } = credentials;
    md5_hex(&[ha1_hex, nonce, nc, cnonce, "auth", &ha2])
}

pub(crate) fn md5_hex(parts: &[&str]) -> String {
    hex::encode(Md5::digest(parts.join(":").as_bytes()))
}

/// The `uri` must name what was asked for; an absolute one (RFC 7616, 3.4) may name it too.
fn same_target(uri: &str, target: &str) -> bool {
    if uri == target {
        return true;
    }
    let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
    rest.and_then(|rest| rest.find('/').map(|slash| &rest[slash..])) == Some(target)
}

/// Reads the value of an `Authorization` header whose scheme is `Digest`. Values may be quoted or
/// not: the Go client quotes `algorithm`, curl does not.
///
/// # Errors
/// [`AuthError::Invalid`] naming what is missing or not offered.
pub fn parse_digest(value: &str) -> Result<DigestCredentials, AuthError> {
    let parameters = parameters(value)?;
    let get = |name: &'static str| {
        parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    };
    let need = |name: &'static str| get(name).ok_or(AuthError::Invalid(name));
    if get("algorithm").is_some_and(|name| !name.eq_ignore_ascii_case("MD5")) {
        return Err(AuthError::Invalid("algorithm"));
    }
    if need("qop")? != "auth" {
        return Err(AuthError::Invalid("qop"));
    }
    Ok(DigestCredentials {
        username: need("username")?,
        realm: need("realm")?,
        nonce: need("nonce")?,
        uri: need("uri")?,
        response: need("response")?,
        nc: need("nc")?,
        cnonce: need("cnonce")?,
    })
}

pub(crate) fn parameters(value: &str) -> Result<Vec<(String, String)>, AuthError> {
    let mut rest = value.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) =
            rest.split_once('=').ok_or(AuthError::Invalid("expected name=value"))?;
        let (value, after) = parameter_value(after.trim_start())?;
        found.push((name.trim().to_owned(), value));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(found)
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> Result<(String, &str), AuthError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return Ok((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err(AuthError::Invalid("a quoted value does not end"))
}
