//! Checks that bytes from outside are sound BSON before anything reads them.
//!
//! The bson crate checks a value when it is read; code behind this server may rely on the whole
//! document being sound, at every depth. The rules are those of <https://bsonspec.org/spec.html>,
//! and the nesting limit is the documented one of MongoDB plus room for the command around it.

use std::ffi::CStr;

/// Levels of nesting that a document may have. MongoDB documents 100 for stored documents and
/// lets commands go deeper.
pub(crate) const DEPTH_MAX: usize = 200;

type Checked<T> = Result<T, String>;

/// Checks a whole document: `bytes` hold exactly it.
pub(crate) fn check(bytes: &[u8]) -> Checked<()> {
    check_document(bytes, 0)
}

fn check_document(bytes: &[u8], depth: usize) -> Checked<()> {
    if depth >= DEPTH_MAX {
        return Err(format!("BSON nested deeper than {DEPTH_MAX} levels"));
    }
    let mut cursor = Cursor { bytes, at: 0 };
    let length = cursor.length()?;
    if length != bytes.len() || length < 5 {
        return Err(format!("BSON document declares {length} of {} bytes", bytes.len()));
    }
    loop {
        let kind = cursor.take(1)?[0];
        if kind == 0 {
            break;
        }
        cursor.text()?;
        check_value(&mut cursor, kind, depth)?;
    }
    if cursor.at == bytes.len() { Ok(()) } else { Err("bytes after the end of a document".into()) }
}

fn check_value(cursor: &mut Cursor<'_>, kind: u8, depth: usize) -> Checked<()> {
    match kind {
        0x01 | 0x09 | 0x11 | 0x12 => cursor.skip(8),
        0x10 => cursor.skip(4),
        0x13 => cursor.skip(16),
        0x07 => cursor.skip(12),
        0x06 | 0x0a | 0x7f | 0xff => Ok(()),
        0x02 | 0x0d | 0x0e => cursor.string(),
        0x08 => match cursor.take(1)?[0] {
            0 | 1 => Ok(()),
            other => Err(format!("a boolean of value {other}")),
        },
        0x03 | 0x04 => check_document(cursor.nested()?, depth + 1),
        0x05 => check_binary(cursor),
        0x0b => cursor.text().and_then(|()| cursor.text()),
        0x0c => cursor.string().and_then(|()| cursor.skip(12)),
        0x0f => check_scoped_code(cursor.nested()?, depth),
        other => Err(format!("unknown BSON type 0x{other:02x}")),
    }
}

fn check_binary(cursor: &mut Cursor<'_>) -> Checked<()> {
    let length = cursor.length()?;
    let subtype = cursor.take(1)?[0];
    let bytes = cursor.take(length)?;
    if subtype == 2 {
        let inner = Cursor { bytes, at: 0 }.length()?;
        if inner + 4 != length {
            return Err("old binary value with a wrong inner length".into());
        }
    }
    Ok(())
}

fn check_scoped_code(bytes: &[u8], depth: usize) -> Checked<()> {
    let mut cursor = Cursor { bytes, at: 4 };
    cursor.string()?;
    let scope = cursor.nested()?;
    if cursor.at != bytes.len() {
        return Err("bytes after the scope of a code value".into());
    }
    check_document(scope, depth + 1)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Checked<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or("BSON length overflows")?;
        let taken = self.bytes.get(self.at..end).ok_or("BSON value runs past its document")?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Checked<()> {
        self.take(count).map(|_| ())
    }

    fn length(&mut self) -> Checked<usize> {
        let bytes = self.take(4)?;
        let length = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        usize::try_from(length).map_err(|_| format!("negative BSON length {length}"))
    }

    /// A zero-terminated text. The standard library's search is compiled with optimization also
    /// in debug builds, which matters on this path.
    fn text(&mut self) -> Checked<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let text = CStr::from_bytes_until_nul(rest).map_err(|_| "unterminated BSON text")?;
        self.at += text.to_bytes_with_nul().len();
        text.to_str().map(|_| ()).map_err(|_| "BSON text that is not UTF-8".to_owned())
    }

    fn string(&mut self) -> Checked<()> {
        let length = self.length()?;
        match self.take(length)?.split_last() {
            Some((0, text)) => std::str::from_utf8(text)
                .map(|_| ())
                .map_err(|_| "BSON string that is not UTF-8".to_owned()),
            _ => Err("unterminated BSON string".into()),
        }
    }

    /// The bytes of a value that starts with its own length.
    fn nested(&mut self) -> Checked<&'a [u8]> {
        let start = self.at;
        let length = self.length()?;
        self.at = start;
        if length < 5 { Err(format!("BSON value of {length} bytes")) } else { self.take(length) }
    }
}
