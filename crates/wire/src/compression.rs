//! OP_COMPRESSED and its compressors.
//!
//! Rules: <https://github.com/mongodb/specifications/blob/master/source/compression/OP_COMPRESSED.md>.

use std::io::Read;

use crate::error::WireError;
use crate::frame::{Frame, HEADER_BYTES, MESSAGE_BYTES_MAX, OP_COMPRESSED};

/// Largest zstd window that a decoder reserves, as a power of two: enough for the largest message.
const ZSTD_WINDOW_LOG_MAX: u32 = 26;

/// A way to compress messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compressor {
    Noop,
    Snappy,
    Zlib,
    Zstd,
}

impl Compressor {
    /// By the name that clients list in `hello`. `noop` is for tests and never negotiated.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name {
            "snappy" => Some(Self::Snappy),
            "zlib" => Some(Self::Zlib),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Snappy => "snappy",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    fn by_id(id: u8) -> Option<Self> {
        [Self::Noop, Self::Snappy, Self::Zlib, Self::Zstd].get(usize::from(id)).copied()
    }

    fn id(self) -> u8 {
        match self {
            Self::Noop => 0,
            Self::Snappy => 1,
            Self::Zlib => 2,
            Self::Zstd => 3,
        }
    }

    fn compress(self, bytes: &[u8]) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Noop => Ok(bytes.to_vec()),
            Self::Snappy => snap::raw::Encoder::new()
                .compress_vec(bytes)
                .map_err(|error| WireError::invalid(format!("snappy: {error}"))),
            Self::Zlib => {
                let mut out = Vec::new();
                flate2::read::ZlibEncoder::new(bytes, flate2::Compression::fast())
                    .read_to_end(&mut out)?;
                Ok(out)
            }
            Self::Zstd => Ok(zstd::bulk::compress(bytes, 1)?),
        }
    }

    /// Exactly `expected` bytes, or an error. Never more memory than that, whatever the input.
    fn decompress(self, bytes: &[u8], expected: usize) -> Result<Vec<u8>, WireError> {
        let broken = |error: &dyn std::fmt::Display| {
            WireError::invalid(format!("{} data cannot be read: {error}", self.name()))
        };
        let out = match self {
            Self::Noop => bytes.to_vec(),
            Self::Snappy => {
                let declared = snap::raw::decompress_len(bytes).map_err(|error| broken(&error))?;
                if declared != expected {
                    return Err(wrong_length(declared, expected));
                }
                snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| broken(&error))?
            }
            Self::Zlib => read_at_most(flate2::read::ZlibDecoder::new(bytes), expected)
                .map_err(|error| broken(&error))?,
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                read_at_most(decoder, expected).map_err(|error| broken(&error))?
            }
        };
        if out.len() == expected { Ok(out) } else { Err(wrong_length(out.len(), expected)) }
    }
}

fn read_at_most(reader: impl Read, expected: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(expected as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

fn wrong_length(found: usize, expected: usize) -> WireError {
    WireError::invalid(format!(
        "compressed message holds {found} bytes or more, its header says {expected}"
    ))
}

/// The message inside a compressed one, and how it was compressed.
pub(crate) fn unwrap(frame: &Frame) -> Result<(Frame, Compressor), WireError> {
    let Some((head, compressed)) = frame.body.split_first_chunk::<9>() else {
        return Err(WireError::invalid("OP_COMPRESSED without its header"));
    };
    let op_code = i32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let size = i32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if op_code == OP_COMPRESSED {
        return Err(WireError::invalid("OP_COMPRESSED inside OP_COMPRESSED"));
    }
    let compressor = Compressor::by_id(head[8])
        .ok_or_else(|| WireError::invalid(format!("unknown compressor {}", head[8])))?;
    let expected = match usize::try_from(size) {
        Ok(size) if size <= MESSAGE_BYTES_MAX - HEADER_BYTES => size,
        Ok(_) => {
            let size_bytes = i64::from(size) + HEADER_BYTES as i64;
            return Err(WireError::TooLarge { size_bytes, max_bytes: MESSAGE_BYTES_MAX });
        }
        Err(_) => return Err(WireError::invalid(format!("negative uncompressed size {size}"))),
    };
    let body = compressor.decompress(compressed, expected)?;
    let Frame { request_id, response_to, .. } = *frame;
    Ok((Frame { request_id, response_to, op_code, body }, compressor))
}

/// Wraps a message.
pub(crate) fn wrap(frame: &Frame, compressor: Compressor) -> Result<Frame, WireError> {
    let compressed = compressor.compress(&frame.body)?;
    let size = i32::try_from(frame.body.len())
        .map_err(|_| WireError::invalid("a reply of more than 2 GiB"))?;
    let mut body = Vec::with_capacity(9 + compressed.len());
    body.extend_from_slice(&frame.op_code.to_le_bytes());
    body.extend_from_slice(&size.to_le_bytes());
    body.push(compressor.id());
    body.extend_from_slice(&compressed);
    let Frame { request_id, response_to, .. } = *frame;
    Ok(Frame { request_id, response_to, op_code: OP_COMPRESSED, body })
}
