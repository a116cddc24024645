//! Formats of keys, secrets and tokens; SCRAM against the RFCs' examples.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portolan_runtime::Runtime;
use portolan_security::SecretString;

use crate::{AccessToken, ApiKeyPair, ServiceAccountSecret, mask_private_key, secret_matches};

#[test]
fn keys_secrets_and_tokens_have_the_shapes_clients_expect() {
    let (runtime, _clock) = Runtime::manual(0, 11);
    let pair = ApiKeyPair::generate(&runtime);
    assert_eq!(pair.public_key.len(), 8);
    assert!(pair.public_key.bytes().all(|b| b.is_ascii_lowercase()));
    let private = pair.private_key.expose();
    assert_eq!(private.len(), 36);
    assert_eq!(mask_private_key(&pair.private_key_tail()).len(), 31);
    assert!(private.ends_with(&pair.private_key_tail()));
    let secret = ServiceAccountSecret::generate(&runtime);
    assert!(secret.secret.expose().starts_with("mdb_sa_sk_"));
    assert_eq!(secret.secret.expose().len(), 50);
    assert_eq!(secret_matches(secret.secret.expose(), &[[0; 32], secret.sha256]), Some(1));
    assert_eq!(secret_matches("mdb_sa_sk_x", &[secret.sha256]), None);
    assert!(AccessToken::generate(&runtime).token.expose().starts_with("portolan_at_"));
    assert_eq!(format!("{pair:?}").matches(private).count(), 0);
}

/// RFC 7677, section 3: user `user`, password `pencil`, 4096 iterations.
#[test]
fn scram_sha_256_follows_the_rfc() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
    let iterations = NonZeroU32::new(4096).expect("not zero");
    let secret = crate::scram::derive_sha256(&SecretString::new("pencil"), &salt, iterations)
        .expect("an allowed password");
    assert_eq!(STANDARD.encode(&secret.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
    assert_eq!(STANDARD.encode(&secret.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

#[test]
fn a_soft_hyphen_is_mapped_away_and_a_control_character_refused() {
    let (runtime, _clock) = Runtime::manual(0, 1);
    let iterations = NonZeroU32::new(4096).expect("not zero");
    let of =
        |text: &str| crate::scram::derive_sha256(&SecretString::new(text), b"salt", iterations);
    assert_eq!(of("pen\u{ad}cil"), of("pencil"));
    assert!(crate::scram::derive(&runtime, "u", &SecretString::new("a\u{7}b")).is_err());
}
