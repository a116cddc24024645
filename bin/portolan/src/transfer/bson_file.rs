//! Files of BSON documents one behind the other, as mongodump writes one per collection.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, ensure};
use bson::{RawDocument, RawDocumentBuf};

/// What a document may take in a file: 16 MiB, and what servers add to their own.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024 + 16 * 1024;
const LENGTH_BYTES: usize = 4;

/// The next document; `None` at the end.
pub(super) fn read_document(input: &mut impl Read) -> Result<Option<RawDocumentBuf>> {
    let mut length = [0; LENGTH_BYTES];
    let mut filled = 0;
    while filled < LENGTH_BYTES {
        match input.read(&mut length[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    finish_document(input, length).map(Some)
}

/// The document whose length was read already.
pub(super) fn finish_document(
    input: &mut impl Read,
    length: [u8; LENGTH_BYTES],
) -> Result<RawDocumentBuf> {
    let length_bytes = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
    ensure!(
        (5..=DOCUMENT_BYTES_MAX).contains(&length_bytes),
        "there is no BSON document where one should begin"
    );
    let mut bytes = vec![0; length_bytes];
    bytes[..LENGTH_BYTES].copy_from_slice(&length);
    input
        .read_exact(&mut bytes[LENGTH_BYTES..])
        .context("the file ends in the middle of a document")?;
    RawDocumentBuf::from_bytes(bytes).context("a document is not sound BSON")
}

/// Writes a document.
pub(super) fn write_document(output: &mut impl Write, document: &RawDocument) -> Result<()> {
    output.write_all(document.as_bytes())?;
    Ok(())
}
