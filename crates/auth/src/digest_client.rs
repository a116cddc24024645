//! The other end of HTTP Digest: answering the challenge of another Portolan instance.

use portolan_runtime::Runtime;
use portolan_security::SecretString;

use crate::AuthError;
use crate::digest::{REALM, ha1, md5_hex, parameters};

/// The value of `Authorization` for a request that was challenged.
///
/// # Errors
/// [`AuthError::Invalid`] when the challenge is not one of Digest with MD5 in our realm.
pub fn answer_digest(
    challenge: &str,
    public_key: &str,
    private_key: &SecretString,
    method: &str,
    target: &str,
    runtime: &Runtime,
) -> Result<String, AuthError> {
    let rest = challenge.strip_prefix("Digest ").ok_or(AuthError::Invalid("scheme"))?;
    let found = parameters(rest)?;
    let get = |name: &'static str| {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        found.iter().find(same).map(|(_, value)| value.as_str()).ok_or(AuthError::Invalid(name))
    };
    if get("realm")? != REALM {
        return Err(AuthError::Invalid("realm"));
    }
    if !get("qop")?.split(',').any(|qop| qop.trim() == "auth") {
        return Err(AuthError::Invalid("qop"));
    }
    let nonce = get("nonce")?;
    let is_safe = |text: &str| !text.contains(['"', '\\', '\r', '\n']);
    if !is_safe(nonce) || !is_safe(public_key) || !is_safe(target) {
        return Err(AuthError::Invalid("nonce"));
    }
    let cnonce = hex::encode(runtime.random_bytes::<8>());
    let ha1 = ha1(public_key, private_key);
    let ha2 = md5_hex(&[method, target]);
    let response = md5_hex(&[ha1.expose(), nonce, "00000001", &cnonce, "auth", &ha2]);
    Ok(format!(
        "Digest username=\"{public_key}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{target}\", \
         response=\"{response}\", algorithm=MD5, cnonce=\"{cnonce}\", qop=auth, nc=00000001"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DigestGate, DigestOutcome, parse_digest};

    #[test]
    fn a_gate_accepts_the_answer_to_its_challenge() {
        let (runtime, _clock) = Runtime::manual(1_786_330_966_000, 1);
        let (gate, key) = (DigestGate::new(&[3; 32]), SecretString::new("private"));
        let challenge = gate.challenge(&runtime, false);
        let answer = answer_digest(&challenge, "abcdefgh", &key, "PUT", "/a?b=c", &runtime);
        let answer = answer.expect("a challenge of ours");
        let credentials = parse_digest(&answer["Digest ".len()..]).expect("well formed");
        let stored = ha1("abcdefgh", &key);
        let now_ms = runtime.now_ms();
        let check = |method| gate.check(&credentials, Some(&stored), method, "/a?b=c", now_ms);
        assert_eq!(check("GET"), DigestOutcome::Refused);
        assert_eq!(check("PUT"), DigestOutcome::Accepted);
    }

    #[test]
    fn other_challenges_are_refused() {
        let (runtime, _clock) = Runtime::manual(0, 1);
        let key = SecretString::new("private");
        for challenge in [
            "Basic realm=\"x\"",
            "Digest realm=\"other\", nonce=\"n\", qop=\"auth\"",
            "Digest realm=\"MMS Public API\", qop=\"auth\"",
            "Digest realm=\"MMS Public API\", nonce=\"n\"",
            "Digest realm=\"MMS Public API\", nonce=\"n\", qop=\"auth-int\"",
        ] {
            let answer = answer_digest(challenge, "abcdefgh", &key, "GET", "/", &runtime);
            assert!(answer.is_err(), "{challenge}");
        }
    }
}
