//! Resume tokens: a place in the change log as text that clients keep and give back.
//!
//! A token is `{_data: hex}`. Its bytes sort as the places do; they begin with the time, as MongoDB's
//! tokens do. Clients must not look into them.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use crate::error::{Failure, codes, refuse};
use crate::store::Position;

/// First byte of every token.
const FORMAT: u8 = 0x82;
/// MongoDB gives this refusal a number and no name.
const NO_DATA: i32 = 40_647;

/// How much of an event a stream has given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Given {
    Nothing,
    /// So many fragments of it.
    Fragments(u16),
    All,
    /// All, and that the stream has ended with it.
    Invalidate,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) given: Given,
}

impl Place {
    /// Before the first event of a time.
    pub(crate) fn before(tick: u64) -> Self {
        Self { position: Position { tick, number: 0 }, given: Given::Nothing }
    }

    /// After all that happened until a time.
    pub(crate) fn after(tick: u64) -> Self {
        Self { position: Position::end_of(tick), given: Given::All }
    }

    /// The token of this place.
    pub(crate) fn token(self) -> RawDocumentBuf {
        use std::fmt::Write;
        let (kind, fragment) = match self.given {
            Given::Nothing => (0x08, None),
            Given::Fragments(number) => (0x0c, Some(number)),
            Given::All => (0x10, None),
            Given::Invalidate => (0x20, None),
        };
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.position.to_key());
        bytes.push(kind);
        bytes.extend(fragment.into_iter().flat_map(u16::to_be_bytes));
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            let _infallible = write!(text, "{byte:02X}");
        }
        rawdoc! { "_data": text }
    }

    /// The place that a token names.
    pub(crate) fn parse(token: &RawDocument) -> Result<Self, Failure> {
        let Some(RawBsonRef::String(text)) = token.get("_data")? else {
            let message = "Bad resume token: _data of missing or of wrong type";
            return Err(refuse(NO_DATA, message));
        };
        from_hex(text).as_deref().and_then(Self::from_bytes).ok_or_else(|| {
            refuse(codes::INVALID_RESUME_TOKEN, "the resume token is none that this cluster gave")
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let position = Position::from_key(bytes.get(1..13)?)?;
        let rest = bytes.get(13..)?;
        let given = match rest {
            [0x08] => Given::Nothing,
            [0x0c, high, low] => Given::Fragments(u16::from_be_bytes([*high, *low])),
            [0x10] => Given::All,
            [0x20] => Given::Invalidate,
            _ => return None,
        };
        (bytes[0] == FORMAT).then_some(Self { position, given })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    if digits.len() % 2 == 1 {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
