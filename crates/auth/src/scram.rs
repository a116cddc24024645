//! SCRAM secrets of database users (RFC 5802, RFC 7677), derived as MongoDB servers do: SHA-1 over
//! the legacy digest of name and password with 10,000 iterations, SHA-256 over the SASLprepped
//! password with 15,000. The conversation with a client lives in `wire`.

use std::num::NonZeroU32;

use md5::{Digest, Md5};
use portolan_runtime::Runtime;
use portolan_security::SecretString;
use portolan_security::scram::{ScramCredentials, ScramSecret};
use ring::{digest, hmac, pbkdf2};

use crate::AuthError;

const SHA1_ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");
const SHA256_ITERATIONS: NonZeroU32 = NonZeroU32::new(15_000).expect("not zero");
/// Salt lengths of MongoDB servers: digest length less four, for the block counter.
const SHA1_SALT_BYTES: usize = 16;
const SHA256_SALT_BYTES: usize = 28;

/// Derives both secrets of a user.
///
/// # Errors
/// [`AuthError::PasswordRefused`] when SASLprep forbids a character of the password.
pub fn derive(
    runtime: &Runtime,
    username: &str,
    password: &SecretString,
) -> Result<ScramCredentials, AuthError> {
    let salt1 = runtime.random_bytes::<SHA1_SALT_BYTES>();
    let salt256 = runtime.random_bytes::<SHA256_SALT_BYTES>();
    Ok(ScramCredentials {
        sha1: derive_sha1(username, password, &salt1, SHA1_ITERATIONS),
        sha256: derive_sha256(password, &salt256, SHA256_ITERATIONS)?,
    })
}

pub(crate) fn derive_sha1(
    username: &str,
    password: &SecretString,
    salt: &[u8],
    iterations: NonZeroU32,
) -> ScramSecret {
    let legacy = format!("{username}:mongo:{}", password.expose());
    let legacy = hex::encode(Md5::digest(legacy.as_bytes()));
    let algorithms = Algorithms {
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
        hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    };
    algorithms.secret(legacy.as_bytes(), salt, iterations)
}

pub(crate) fn derive_sha256(
    password: &SecretString,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Result<ScramSecret, AuthError> {
    let prepared =
        stringprep::saslprep(password.expose()).map_err(|_| AuthError::PasswordRefused)?;
    let algorithms = Algorithms {
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
        hmac: hmac::HMAC_SHA256,
        digest: &digest::SHA256,
    };
    Ok(algorithms.secret(prepared.as_bytes(), salt, iterations))
}

struct Algorithms {
    pbkdf2: pbkdf2::Algorithm,
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
}

impl Algorithms {
    fn secret(&self, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> ScramSecret {
        let mut salted = vec![0; self.digest.output_len()];
        pbkdf2::derive(self.pbkdf2, iterations, salt, password, &mut salted);
        let key = hmac::Key::new(self.hmac, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        ScramSecret {
            salt: salt.to_vec(),
            iterations: iterations.get(),
            stored_key: digest::digest(self.digest, client_key.as_ref()).as_ref().to_vec(),
            server_key: hmac::sign(&key, b"Server Key").as_ref().to_vec(),
        }
    }
}
