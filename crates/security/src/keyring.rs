//! Column encryption: AES-256-GCM under a ring of master keys.
//!
//! The place of a value (table, row, column) is its associated data, so that a ciphertext copied to
//! another row does not open. A sealed value is `version (1) | key id (8) | nonce (12) | ciphertext
//! and tag`: the key id lets the primary key change while older values stay readable.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{SecretBytes, SecurityError, sha256};

/// Length of a master key.
pub const MASTER_KEY_BYTES: usize = 32;

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN;

/// Where a sealed value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table.
    pub table: &'a str,
    /// Primary key of the row, as text.
    pub row: &'a str,
    /// Column.
    pub column: &'a str,
}

impl Place<'_> {
    /// Each part with its length before it, so that no two places have the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = vec![VERSION];
        for part in [self.table, self.row, self.column] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// The keys that open stored secrets; the first one seals new ones.
pub struct KeyRing {
    keys: Vec<MasterKey>,
}

struct MasterKey {
    id: [u8; KEY_ID_BYTES],
    key: LessSafeKey,
}

impl MasterKey {
    fn new(bytes: &[u8; MASTER_KEY_BYTES]) -> Self {
        let mut named = b"portolan master key id".to_vec();
        named.extend_from_slice(bytes);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&sha256(&named)[..KEY_ID_BYTES]);
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes");
        Self { id, key: LessSafeKey::new(key) }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<String> = self.keys.iter().map(|key| hex::encode(key.id)).collect();
        f.debug_struct("KeyRing").field("key_ids", &ids).finish()
    }
}

impl KeyRing {
    /// A ring that seals with `primary` and opens with all.
    #[must_use]
    pub fn new(primary: &[u8; MASTER_KEY_BYTES], older: &[[u8; MASTER_KEY_BYTES]]) -> Self {
        let keys = std::iter::once(primary).chain(older).map(MasterKey::new).collect();
        Self { keys }
    }

    /// Reads a key file: one key of 64 hexadecimal digits a line, the primary one first; empty lines
    /// and lines that begin with `#` do not count.
    ///
    /// # Errors
    /// [`SecurityError::InvalidKey`] naming the line, [`SecurityError::NoKey`].
    pub fn parse(text: &str) -> Result<Self, SecurityError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut bytes = [0; MASTER_KEY_BYTES];
            hex::decode_to_slice(line, &mut bytes)
                .map_err(|_| SecurityError::InvalidKey { line: index + 1 })?;
            keys.push(MasterKey::new(&bytes));
        }
        if keys.is_empty() { Err(SecurityError::NoKey) } else { Ok(Self { keys }) }
    }

    /// The text of a key file with this key alone.
    #[must_use]
    pub fn file_text(key: &[u8; MASTER_KEY_BYTES]) -> String {
        format!(
            "# Master key of this Portolan instance. Without it stored secrets are lost.\n{}\n",
            hex::encode(key)
        )
    }

    /// Seals `plain` for `place`. The nonce must be random and used once.
    ///
    /// # Panics
    /// Never for values under 64 GiB.
    #[must_use]
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], nonce: &[u8; NONCE_LEN]) -> Vec<u8> {
        let primary = &self.keys[0];
        let mut body = plain.to_vec();
        let aad = Aad::from(place.associated_data());
        primary
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(*nonce), aad, &mut body)
            .expect("AES-GCM refuses only values of 64 GiB and more");
        let mut sealed = Vec::with_capacity(HEADER_BYTES + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&primary.id);
        sealed.extend_from_slice(nonce);
        sealed.append(&mut body);
        sealed
    }

    /// Opens a value sealed for `place`.
    ///
    /// # Errors
    /// [`SecurityError::UnknownKey`] when its key is not in the ring, [`SecurityError::DoesNotOpen`]
    /// when it was changed or belongs to another place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<SecretBytes, SecurityError> {
        let (id, nonce, body) = split(sealed).ok_or(SecurityError::DoesNotOpen)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| SecurityError::UnknownKey { key_id: hex::encode(id) })?;
        let mut body = body.to_vec();
        let aad = Aad::from(place.associated_data());
        let plain = key
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .map_err(|_| SecurityError::DoesNotOpen)?;
        let length = plain.len();
        body.truncate(length);
        Ok(SecretBytes::new(body))
    }

    /// The ids of the keys, the primary one first, as hexadecimal digits. An id tells nothing about its key.
    #[must_use]
    pub fn key_ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex::encode(key.id)).collect()
    }

    /// The id of the key that a value is sealed under; `None` when it is no sealed value.
    #[must_use]
    pub fn key_id_of(sealed: &[u8]) -> Option<String> {
        split(sealed).map(|(id, _, _)| hex::encode(id))
    }

    /// Whether a value is sealed under the primary key; others are due for sealing anew.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        split(sealed).is_some_and(|(id, _, _)| id == self.keys[0].id)
    }
}

type Parts<'a> = ([u8; KEY_ID_BYTES], [u8; NONCE_LEN], &'a [u8]);

fn split(sealed: &[u8]) -> Option<Parts<'_>> {
    let (version, rest) = sealed.split_first()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (nonce, body) = rest.split_first_chunk()?;
    (*version == VERSION).then_some((*id, *nonce, body))
}

#[cfg(test)]
mod tests;
