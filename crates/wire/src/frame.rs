//! Message headers: cutting a byte stream into messages, and back.
//!
//! Layout: <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#standard-message-header>.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::WireError;

/// Length of a message header.
pub(crate) const HEADER_BYTES: usize = 16;
/// The largest message, header included, as servers announce it in `hello`.
pub(crate) const MESSAGE_BYTES_MAX: usize = 48_000_000;
/// The largest message of a client that did not authenticate: enough for any handshake.
pub(crate) const UNAUTHENTICATED_BYTES_MAX: usize = 1024 * 1024;

pub(crate) const OP_REPLY: i32 = 1;
pub(crate) const OP_QUERY: i32 = 2004;
pub(crate) const OP_COMPRESSED: i32 = 2012;
pub(crate) const OP_MSG: i32 = 2013;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) request_id: i32,
    pub(crate) response_to: i32,
    pub(crate) op_code: i32,
    pub(crate) body: Vec<u8>,
}

/// Why no message could be read, and to which request to answer if that is known.
#[derive(Debug)]
pub(crate) struct FrameError {
    pub(crate) request_id: Option<i32>,
    pub(crate) error: WireError,
}

impl FrameError {
    fn unanswerable(error: impl Into<WireError>) -> Self {
        Self { request_id: None, error: error.into() }
    }
}

impl Frame {
    /// The header as it stands on the wire.
    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        let length = i32::try_from(HEADER_BYTES + self.body.len()).unwrap_or(i32::MAX);
        let mut header = [0; HEADER_BYTES];
        let fields = [length, self.request_id, self.response_to, self.op_code];
        for (place, field) in header.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        header
    }

    /// Header and body.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.body.len());
        bytes.extend_from_slice(&self.header());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A parsed header.
struct Header {
    length: i32,
    request_id: i32,
    response_to: i32,
    op_code: i32,
}

impl Header {
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        let field = |at: usize| {
            i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self { length: field(0), request_id: field(4), response_to: field(8), op_code: field(12) }
    }

    /// Length of the body, judged before a byte of it is read.
    fn body_bytes(&self, max_bytes: usize) -> Result<usize, WireError> {
        let length = usize::try_from(self.length).unwrap_or(0);
        if length < HEADER_BYTES {
            return Err(WireError::invalid(format!("message length {} is too small", self.length)));
        }
        if length > max_bytes {
            return Err(WireError::TooLarge { size_bytes: i64::from(self.length), max_bytes });
        }
        Ok(length - HEADER_BYTES)
    }
}

/// Reads one message of at most `max_bytes` (asked for once the header is here); `None` at a clean
/// end of the stream.
pub(crate) async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    max_bytes: impl FnOnce() -> usize,
) -> Result<Option<Frame>, FrameError> {
    let Some(header) = read_header(reader).await? else { return Ok(None) };
    let answerable = |error| FrameError { request_id: Some(header.request_id), error };
    let expected = header.body_bytes(max_bytes()).map_err(answerable)?;
    // Grows with what arrives: a declared length alone reserves no memory.
    let mut body = Vec::with_capacity(expected.min(64 * 1024));
    let mut limited = reader.take(expected as u64);
    limited.read_to_end(&mut body).await.map_err(FrameError::unanswerable)?;
    if body.len() < expected {
        let text = format!("message truncated: {} of {expected} body bytes came", body.len());
        return Err(FrameError::unanswerable(WireError::invalid(text)));
    }
    let Header { request_id, response_to, op_code, .. } = header;
    Ok(Some(Frame { request_id, response_to, op_code, body }))
}

async fn read_header<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<Header>, FrameError> {
    let mut bytes = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < HEADER_BYTES {
        let count = reader.read(&mut bytes[filled..]).await.map_err(FrameError::unanswerable)?;
        match (count, filled) {
            (0, 0) => return Ok(None),
            (0, _) => {
                let text =
                    format!("message truncated: {filled} of {HEADER_BYTES} header bytes came");
                return Err(FrameError::unanswerable(WireError::invalid(text)));
            }
            _ => filled += count,
        }
    }
    Ok(Some(Header::parse(&bytes)))
}
