//! Digest: the recorded challenge, both clients' forms of the answer, staleness and replay.

use md5::{Digest, Md5};
use portolan_runtime::Runtime;
use portolan_security::SecretString;

use crate::{DigestGate, DigestOutcome, ha1, ha1_matches, parse_digest};

const TARGET: &str = "/api/atlas/v2/groups?pageNum=1";

struct World {
    runtime: Runtime,
    clock: std::sync::Arc<portolan_runtime::ManualClock>,
    gate: DigestGate,
    ha1: SecretString,
}

fn world() -> World {
    let (runtime, clock) = Runtime::manual(1_700_000_000_000, 3);
    let ha1 = ha1("abcdefgh", &SecretString::new("secret"));
    World { runtime, clock, gate: DigestGate::new(&[7; 32]), ha1 }
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

fn nonce_of(challenge: &str) -> String {
    let start = challenge.find("nonce=\"").expect("a nonce") + 7;
    challenge[start..].split('"').next().expect("its end").to_owned()
}

fn answer(ha1: &str, nonce: &str, nc: &str, method: &str, uri: &str) -> String {
    let ha2 = md5(&format!("{method}:{uri}"));
    let response = md5(&format!("{ha1}:{nonce}:{nc}:0a4f113b:auth:{ha2}"));
    format!(
        "username=\"abcdefgh\", realm=\"MMS Public API\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=\"MD5\", cnonce=\"0a4f113b\", qop=auth, nc={nc}"
    )
}

impl World {
    fn check(&self, value: &str) -> DigestOutcome {
        let credentials = parse_digest(value).expect("well formed");
        self.gate.check(&credentials, Some(&self.ha1), "GET", TARGET, self.runtime.now_ms())
    }

    fn nonce(&self) -> String {
        nonce_of(&self.gate.challenge(&self.runtime, false))
    }
}

#[test]
fn the_challenge_has_the_recorded_form() {
    let world = world();
    let challenge = world.gate.challenge(&world.runtime, false);
    let nonce = nonce_of(&challenge);
    assert_eq!(nonce.len(), 32);
    let expected = format!(
        "Digest realm=\"MMS Public API\", domain=\"\", nonce=\"{nonce}\", algorithm=MD5, \
         qop=\"auth\", stale=false"
    );
    assert_eq!(challenge, expected);
}

#[test]
fn quoted_and_bare_parameters_are_read_alike() {
    let world = world();
    let value = answer(world.ha1.expose(), &world.nonce(), "00000001", "GET", TARGET);
    assert_eq!(world.check(&value), DigestOutcome::Accepted);
    let nonce = world.nonce();
    let value = answer(world.ha1.expose(), &nonce, "00000001", "GET", TARGET)
        .replace("algorithm=\"MD5\"", "algorithm=MD5")
        .replace("qop=auth", "qop=\"auth\"")
        .replace("nc=00000001", "nc=\"00000001\"");
    assert_eq!(world.check(&value), DigestOutcome::Accepted);
}

#[test]
fn an_answer_is_good_once() {
    let world = world();
    let nonce = world.nonce();
    for (nc, outcome) in [
        ("00000001", DigestOutcome::Accepted),
        ("00000001", DigestOutcome::Stale),
        ("00000003", DigestOutcome::Accepted),
        ("00000002", DigestOutcome::Accepted),
        ("00000002", DigestOutcome::Stale),
        ("00000000", DigestOutcome::Stale),
    ] {
        let value = answer(world.ha1.expose(), &nonce, nc, "GET", TARGET);
        assert_eq!(world.check(&value), outcome, "{nc}");
    }
}

#[test]
fn old_and_foreign_nonces_are_stale_only_for_the_right_key() {
    let world = world();
    let nonce = world.nonce();
    world.clock.advance_ms(301_000);
    let right = answer(world.ha1.expose(), &nonce, "00000001", "GET", TARGET);
    assert_eq!(world.check(&right), DigestOutcome::Stale);
    let foreign = nonce_of(&DigestGate::new(&[8; 32]).challenge(&world.runtime, false));
    let right = answer(world.ha1.expose(), &foreign, "00000001", "GET", TARGET);
    assert_eq!(world.check(&right), DigestOutcome::Stale);
    let wrong = answer(&md5("wrong"), &nonce, "00000001", "GET", TARGET);
    assert_eq!(world.check(&wrong), DigestOutcome::Refused);
}

#[test]
fn wrong_method_path_or_key_is_refused() {
    let world = world();
    let value = answer(world.ha1.expose(), &world.nonce(), "00000001", "POST", TARGET);
    assert_eq!(world.check(&value), DigestOutcome::Refused);
    let value = answer(world.ha1.expose(), &world.nonce(), "00000001", "GET", "/api/atlas/v2");
    assert_eq!(world.check(&value), DigestOutcome::Refused);
    let value = answer(world.ha1.expose(), &world.nonce(), "00000001", "GET", TARGET);
    let credentials = parse_digest(&value).expect("well formed");
    let outcome = world.gate.check(&credentials, None, "GET", TARGET, world.runtime.now_ms());
    assert_eq!(outcome, DigestOutcome::Refused);
}

#[test]
fn malformed_headers_are_named() {
    for (value, what) in [
        ("username=\"a", "a quoted value does not end"),
        ("username", "expected name=value"),
        ("username=\"a\", qop=auth-int", "qop"),
        ("username=\"a\", algorithm=SHA-256, qop=auth", "algorithm"),
        ("username=\"a\", qop=auth", "realm"),
    ] {
        let error = parse_digest(value).expect_err(value);
        assert!(error.to_string().contains(what), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn no_header_breaks_the_parser(value in ".{0,80}", tail in "[a-z=\"\\\\, ]{0,40}") {
        let _ = parse_digest(&value);
        let _ = parse_digest(&tail);
    }
}

#[test]
fn a_pair_given_in_a_body_is_checked_against_ha1() {
    let world = world();
    let (right, wrong) = (SecretString::new("secret"), SecretString::new("Secret"));
    assert!(ha1_matches("abcdefgh", &right, Some(&world.ha1)));
    assert!(!ha1_matches("abcdefgh", &wrong, Some(&world.ha1)));
    assert!(!ha1_matches("abcdefgh", &right, None));
}
