//! Tests of column encryption.

use proptest::prelude::*;

use super::*;

const NONCE: [u8; 12] = [7; 12];

fn place<'a>(table: &'a str, row: &'a str, column: &'a str) -> Place<'a> {
    Place { table, row, column }
}

proptest! {
    #[test]
    fn a_value_opens_at_its_place_and_nowhere_else(
        plain in proptest::collection::vec(any::<u8>(), 0..200),
        parts in proptest::array::uniform3("[a-c]{0,3}"),
        other in proptest::array::uniform3("[a-c]{0,3}"),
        nonce in any::<[u8; 12]>(),
    ) {
        let ring = KeyRing::new(&[1; 32], &[]);
        let home = place(&parts[0], &parts[1], &parts[2]);
        let away = place(&other[0], &other[1], &other[2]);
        let sealed = ring.seal(&home, &plain, &nonce);
        let opened = ring.open(&home, &sealed).expect("it opens at home");
        prop_assert_eq!(opened.expose(), &plain[..]);
        prop_assert_eq!(ring.open(&away, &sealed).is_ok(), home == away);
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0usize..60, bit in 0u8..8) {
        let ring = KeyRing::new(&[1; 32], &[]);
        let home = place("api_keys", "1", "ha1");
        let mut sealed = ring.seal(&home, &[5; 30], &NONCE);
        let at = at % sealed.len();
        sealed[at] ^= 1 << bit;
        prop_assert!(ring.open(&home, &sealed).is_err());
    }
}

#[test]
fn parts_of_a_place_do_not_run_together() {
    let ring = KeyRing::new(&[1; 32], &[]);
    let sealed = ring.seal(&place("ab", "c", "d"), b"x", &NONCE);
    assert_eq!(ring.open(&place("a", "bc", "d"), &sealed), Err(SecurityError::DoesNotOpen));
}

#[test]
fn older_keys_open_and_the_primary_seals() {
    let home = place("t", "r", "c");
    let old = KeyRing::new(&[1; 32], &[]);
    let sealed = old.seal(&home, b"secret", &NONCE);
    let rotated = KeyRing::new(&[2; 32], &[[1; 32]]);
    assert_eq!(rotated.open(&home, &sealed).expect("opens").expose(), b"secret");
    assert!(!rotated.is_current(&sealed));
    assert!(rotated.is_current(&rotated.seal(&home, b"secret", &NONCE)));
    let forgotten = KeyRing::new(&[2; 32], &[]);
    assert!(matches!(forgotten.open(&home, &sealed), Err(SecurityError::UnknownKey { .. })));
}

#[test]
fn key_files_are_read_back() {
    let text = KeyRing::file_text(&[3; 32]);
    let ring = KeyRing::parse(&text).expect("a key file");
    let home = place("t", "r", "c");
    let sealed = KeyRing::new(&[3; 32], &[]).seal(&home, b"x", &NONCE);
    assert!(ring.open(&home, &sealed).is_ok());
    assert_eq!(KeyRing::parse("# none\n").err(), Some(SecurityError::NoKey));
    let bad = KeyRing::parse("\nabc\n").err();
    assert_eq!(bad, Some(SecurityError::InvalidKey { line: 2 }));
}

#[test]
fn nothing_secret_is_printed() {
    let ring = KeyRing::new(&[9; 32], &[]);
    assert!(!format!("{ring:?}").contains(&hex::encode([9u8; 32])));
    assert_eq!(format!("{:?}", SecretBytes::new(*b"hush")), "***");
    assert_eq!(format!("{:?}", crate::SecretString::new("hush")), "***");
}
