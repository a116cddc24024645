//! Tests of the stored form of SCRAM secrets.

use super::*;

fn secret(fill: u8, bytes: usize) -> ScramSecret {
    ScramSecret {
        salt: vec![fill; 16],
        iterations: 15_000,
        stored_key: vec![fill + 1; bytes],
        server_key: vec![fill + 2; bytes],
    }
}

#[test]
fn credentials_survive_the_store() {
    let credentials = ScramCredentials { sha1: secret(1, 20), sha256: secret(9, 32) };
    assert_eq!(credentials.encode().parse::<ScramCredentials>(), Ok(credentials));
}

#[test]
fn other_texts_are_refused() {
    for bad in ["", "1:::", "x:AA==:AA==:AA==", "1:AA==:AA==:AA==:AA==", "1:!:AA==:AA=="] {
        let parsed = bad.parse::<ScramSecret>();
        if bad == "1:::" {
            assert!(parsed.is_ok(), "empty byte strings are byte strings");
        } else {
            assert_eq!(parsed, Err(SecurityError::InvalidScram), "{bad}");
        }
    }
    assert!("SCRAM-SHA-1=1:::;1:::".parse::<ScramCredentials>().is_err());
}

#[test]
fn nothing_is_printed() {
    let credentials = ScramCredentials { sha1: secret(1, 20), sha256: secret(9, 32) };
    assert_eq!(format!("{credentials:?}"), "ScramCredentials { sha1: ***, sha256: *** }");
}
