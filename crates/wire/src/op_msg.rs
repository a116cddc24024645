//! OP_MSG: flags, sections, checksum.
//!
//! Rules: <https://github.com/mongodb/specifications/blob/master/source/message/OP_MSG.md>.

use bson::{RawDocument, RawDocumentBuf};

use crate::bson_check;
use crate::command::Command;
use crate::crc32c::crc32c;
use crate::error::{CommandError, WireError, codes};
use crate::frame::{Frame, OP_MSG};

const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
/// Bits of which a receiver must know every one that is set.
const REQUIRED_BITS: u32 = 0xffff;
/// The largest document that clients may store, and what servers allow a command around it.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
const COMMAND_BYTES_MAX: usize = DOCUMENT_BYTES_MAX + 16 * 1024;

/// Which commands may carry which document sequence.
const SEQUENCES: &[(&str, &str)] = &[
    ("insert", "documents"),
    ("update", "updates"),
    ("delete", "deletes"),
    ("bulkWrite", "ops"),
    ("bulkWrite", "nsInfo"),
];

/// A message cut into its sections; the documents inside are not looked at yet.
#[derive(Debug)]
pub(crate) struct OpMsg<'a> {
    /// The sender wants no reply.
    pub(crate) more_to_come: bool,
    body: &'a [u8],
    sequences: Vec<(&'a str, Vec<&'a [u8]>)>,
}

/// Cuts a message into its sections.
pub(crate) fn decode(frame: &Frame) -> Result<OpMsg<'_>, WireError> {
    let (flags, sections) = split_flags(frame)?;
    let mut reader = Reader { bytes: sections };
    let mut body = None;
    let mut sequences: Vec<(&str, Vec<&[u8]>)> = Vec::new();
    while !reader.bytes.is_empty() {
        match reader.take(1)?[0] {
            0 if body.is_some() => return Err(WireError::invalid("OP_MSG with two bodies")),
            0 => body = Some(reader.document()?),
            1 => {
                let (name, documents) = read_sequence(&mut reader)?;
                if sequences.iter().any(|(other, _)| *other == name) {
                    let text = format!("OP_MSG with two document sequences named {name}");
                    return Err(WireError::invalid(text));
                }
                sequences.push((name, documents));
            }
            kind => return Err(WireError::invalid(format!("OP_MSG with section kind {kind}"))),
        }
    }
    let body = body.ok_or_else(|| WireError::invalid("OP_MSG without a body"))?;
    Ok(OpMsg { more_to_come: flags & MORE_TO_COME != 0, body, sequences })
}

/// The flags, checked, and the bytes of the sections, without the checksum.
fn split_flags(frame: &Frame) -> Result<(u32, &[u8]), WireError> {
    let Some((flags, rest)) = frame.body.split_first_chunk::<4>() else {
        return Err(WireError::invalid("OP_MSG without flags"));
    };
    let flags = u32::from_le_bytes(*flags);
    let unknown = flags & REQUIRED_BITS & !(CHECKSUM_PRESENT | MORE_TO_COME);
    if unknown != 0 {
        return Err(WireError::invalid(format!("OP_MSG with unknown required flags {unknown:#x}")));
    }
    if flags & CHECKSUM_PRESENT == 0 {
        return Ok((flags, rest));
    }
    let Some((sections, sum)) = rest.split_last_chunk::<4>() else {
        return Err(WireError::invalid("OP_MSG without its checksum"));
    };
    let covered = &frame.body[..frame.body.len() - 4];
    if crc32c(&[&frame.header(), covered]) == u32::from_le_bytes(*sum) {
        Ok((flags, sections))
    } else {
        Err(WireError::invalid("OP_MSG checksum does not match"))
    }
}

fn read_sequence<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, Vec<&'a [u8]>), WireError> {
    let mut section = Reader { bytes: reader.sized(4)? };
    section.take(4)?;
    let name = section.text()?;
    let mut documents = Vec::new();
    while !section.bytes.is_empty() {
        documents.push(section.document()?);
    }
    Ok((name, documents))
}

impl OpMsg<'_> {
    /// The command inside, with its documents checked.
    pub(crate) fn to_command(&self) -> Result<Command, CommandError> {
        let body = checked(self.body)?;
        let name = match body.iter().next() {
            Some(element) => element?.0.as_str().to_owned(),
            None => return Err(CommandError::failed_to_parse("a command needs a name")),
        };
        let database = database_of(&body)?.to_owned();
        let mut sequences = Vec::with_capacity(self.sequences.len());
        for (field, documents) in &self.sequences {
            check_sequence_name(&name, field, &body)?;
            let documents = documents.iter().map(|bytes| checked(bytes));
            sequences.push(((*field).to_owned(), documents.collect::<Result<_, _>>()?));
        }
        Ok(Command { name, database, body, sequences })
    }
}

fn database_of(body: &RawDocument) -> Result<&str, CommandError> {
    match body.get("$db")? {
        Some(bson::RawBsonRef::String(name)) => check_database_name(name).map(|()| name),
        Some(_) => Err(CommandError::type_mismatch("$db must be a string")),
        None => Err(CommandError::new(
            codes::MISSING_DATABASE,
            "OP_MSG requests require a $db argument",
        )),
    }
}

/// The naming rules of <https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions>.
fn check_database_name(name: &str) -> Result<(), CommandError> {
    let forbidden = |c: char| matches!(c, '/' | '\\' | '.' | ' ' | '"' | '$' | '\0');
    if name.is_empty() || name.len() > 63 || (name != "$external" && name.contains(forbidden)) {
        let message = format!("Invalid database name: '{name}'");
        return Err(CommandError::new(codes::INVALID_NAMESPACE, message));
    }
    Ok(())
}

fn check_sequence_name(command: &str, field: &str, body: &RawDocument) -> Result<(), CommandError> {
    if !SEQUENCES.contains(&(command, field)) {
        let message = format!("command {command} takes no document sequence named {field}");
        return Err(CommandError::failed_to_parse(message));
    }
    if body.get(field)?.is_some() {
        let message = format!("field {field} came twice: in the body and as a document sequence");
        return Err(CommandError::failed_to_parse(message));
    }
    Ok(())
}

/// A document of its own, sound at every depth and not too large.
pub(crate) fn checked(bytes: &[u8]) -> Result<RawDocumentBuf, CommandError> {
    if bytes.len() > COMMAND_BYTES_MAX {
        let message = format!(
            "BSONObj size: {} is invalid. Size must be between 0 and {COMMAND_BYTES_MAX}",
            bytes.len()
        );
        return Err(CommandError::new(codes::BSON_OBJECT_TOO_LARGE, message));
    }
    bson_check::check(bytes).map_err(|text| CommandError::new(codes::INVALID_BSON, text))?;
    Ok(RawDocumentBuf::from_bytes(bytes.to_vec())?)
}

/// A reply.
pub(crate) fn encode(request_id: i32, response_to: i32, document: &RawDocument) -> Frame {
    let mut body = Vec::with_capacity(5 + document.as_bytes().len());
    body.extend_from_slice(&0_u32.to_le_bytes());
    body.push(0);
    body.extend_from_slice(document.as_bytes());
    Frame { request_id, response_to, op_code: OP_MSG, body }
}

/// Reads sections from the front of a slice.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        if count > self.bytes.len() {
            return Err(WireError::invalid("a section runs past the end of its message"));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, WireError> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Something that starts with its own length of at least `min` bytes.
    fn sized(&mut self, min: usize) -> Result<&'a [u8], WireError> {
        let length = Reader { bytes: self.bytes }.i32()?;
        match usize::try_from(length) {
            Ok(length) if length >= min => self.take(length),
            _ => Err(WireError::invalid(format!("a section of length {length}"))),
        }
    }

    pub(crate) fn document(&mut self) -> Result<&'a [u8], WireError> {
        self.sized(5)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, WireError> {
        let text = std::ffi::CStr::from_bytes_until_nul(self.bytes)
            .map_err(|_| WireError::invalid("an unterminated name in a message"))?;
        self.bytes = &self.bytes[text.to_bytes_with_nul().len()..];
        text.to_str().map_err(|_| WireError::invalid("a name in a message is not UTF-8"))
    }
}
