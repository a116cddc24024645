//! The archive format of mongodump (`--archive`): one file with all documents of several collections.
//!
//! A magic number, a header, one description per collection and a terminator; then blocks of documents,
//! each behind the name of its collection, and for each collection an end mark with a checksum. As the
//! package `archive` of the MongoDB Database Tools describes it
//! (<https://github.com/mongodb/mongo-tools/tree/master/common/archive>). Gzip is undone elsewhere.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use bson::{RawDocument, RawDocumentBuf, rawdoc};

use super::bson_file::{finish_document, write_document};

const MAGIC: [u8; 4] = 0x8199_e26d_u32.to_le_bytes();
const TERMINATOR: [u8; 4] = (-1_i32).to_le_bytes();
/// Version of the format.
const VERSION: &str = "0.1";

/// Database and collection.
pub(super) type Name = (String, String);

/// A collection in an archive.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Described {
    pub(super) name: Name,
    /// Options and indexes as extended JSON; empty when the archive says nothing.
    pub(super) metadata: String,
}

/// Reads an archive from its beginning to its end.
pub(super) struct ArchiveReader<R> {
    input: R,
    /// The collection whose block is being read.
    open: Option<Name>,
    /// Checksums of the collections that have not ended.
    sums: BTreeMap<Name, Crc64>,
}

enum Block {
    Document(RawDocumentBuf),
    Terminator,
    End,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads what comes before the documents.
    pub(super) fn open(mut input: R) -> Result<(Self, Vec<Described>)> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic).context("the file is too short for an archive")?;
        ensure!(magic == MAGIC, "the file is no archive of mongodump");
        let mut reader = Self { input, open: None, sums: BTreeMap::new() };
        let Block::Document(header) = reader.block()? else { bail!("the archive has no header") };
        let version = header.get_str("version").unwrap_or_default();
        ensure!(version == VERSION, "version '{version}' of the archive format is not known");
        let mut described = Vec::new();
        loop {
            match reader.block()? {
                Block::Document(document) => described.push(Described {
                    name: name_of(&document)?,
                    metadata: document.get_str("metadata").unwrap_or_default().to_owned(),
                }),
                Block::Terminator => return Ok((reader, described)),
                Block::End => bail!("the archive ends before its documents"),
            }
        }
    }

    /// The next document and its collection; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Name, RawDocumentBuf)>> {
        loop {
            match (self.block()?, self.open.take()) {
                (Block::Document(document), Some(name)) => {
                    self.sums.entry(name.clone()).or_default().add(document.as_bytes());
                    self.open = Some(name.clone());
                    return Ok(Some((name, document)));
                }
                (Block::Document(header), None) => self.header(&header)?,
                (Block::Terminator, _) => {}
                (Block::End, None) => {
                    let open: Vec<_> =
                        self.sums.keys().map(|(db, name)| format!("{db}.{name}")).collect();
                    ensure!(
                        open.is_empty(),
                        "the archive ends in the middle of {}",
                        open.join(", ")
                    );
                    return Ok(None);
                }
                (Block::End, Some(name)) => {
                    bail!("the archive ends in the middle of {}.{}", name.0, name.1)
                }
            }
        }
    }

    fn header(&mut self, header: &RawDocument) -> Result<()> {
        let name = name_of(header)?;
        if header.get_bool("EOF").unwrap_or(false) {
            let found = self.sums.remove(&name).unwrap_or_default().value();
            let wanted = header.get_i64("CRC").unwrap_or(0).cast_unsigned();
            ensure!(found == wanted, "{}.{} is damaged: its checksum is wrong", name.0, name.1);
        } else {
            self.sums.entry(name.clone()).or_default();
            self.open = Some(name);
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Block> {
        let mut length = [0; 4];
        match self.input.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Block::End),
            Err(error) => return Err(error.into()),
        }
        if length == TERMINATOR {
            return Ok(Block::Terminator);
        }
        finish_document(&mut self.input, length).map(Block::Document)
    }
}

fn name_of(document: &RawDocument) -> Result<Name> {
    let text =
        |field| document.get_str(field).with_context(|| format!("the archive names no {field}"));
    Ok((text("db")?.to_owned(), text("collection")?.to_owned()))
}

/// Writes an archive, one collection after the other.
pub(super) struct ArchiveWriter<W> {
    output: W,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes what comes before the documents.
    pub(super) fn begin(mut output: W, described: &[Described]) -> Result<Self> {
        output.write_all(&MAGIC)?;
        let header = rawdoc! {
            "concurrent_collections": 1,
            "version": VERSION,
            "server_version": "",
            "tool_version": concat!("portolan ", env!("CARGO_PKG_VERSION")),
        };
        write_document(&mut output, &header)?;
        for Described { name, metadata } in described {
            let document = rawdoc! {
                "db": name.0.as_str(), "collection": name.1.as_str(), "metadata": metadata.as_str(),
                "size": 0, "type": "collection",
            };
            write_document(&mut output, &document)?;
        }
        output.write_all(&TERMINATOR)?;
        Ok(Self { output })
    }

    /// Begins a collection.
    pub(super) fn collection(&mut self, name: &Name) -> Result<CollectionWriter<'_, W>> {
        write_document(&mut self.output, &head(name, None))?;
        Ok(CollectionWriter { archive: self, name: name.clone(), sum: Crc64::default() })
    }

    /// Gives the output back.
    pub(super) fn finish(mut self) -> Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

fn head(name: &Name, end: Option<u64>) -> RawDocumentBuf {
    rawdoc! {
        "db": name.0.as_str(), "collection": name.1.as_str(), "EOF": end.is_some(),
        "CRC": end.unwrap_or(0).cast_signed(),
    }
}

/// Writes the documents of one collection.
pub(super) struct CollectionWriter<'a, W> {
    archive: &'a mut ArchiveWriter<W>,
    name: Name,
    sum: Crc64,
}

impl<W: Write> CollectionWriter<'_, W> {
    pub(super) fn document(&mut self, document: &RawDocument) -> Result<()> {
        self.sum.add(document.as_bytes());
        write_document(&mut self.archive.output, document)
    }

    /// Ends the collection.
    pub(super) fn end(self) -> Result<()> {
        let output = &mut self.archive.output;
        output.write_all(&TERMINATOR)?;
        write_document(output, &head(&self.name, Some(self.sum.value())))?;
        output.write_all(&TERMINATOR)?;
        Ok(())
    }
}

/// CRC-64 with the ECMA polynomial, bits reversed, as Go's `hash/crc64` computes it.
#[derive(Debug, Clone, Default)]
struct Crc64 {
    sum: u64,
}

const fn crc_table() -> [u64; 256] {
    const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

static CRC_TABLE: [u64; 256] = crc_table();

impl Crc64 {
    fn add(&mut self, bytes: &[u8]) {
        let mut sum = !self.sum;
        for byte in bytes {
            let index = usize::from(sum.to_le_bytes()[0] ^ byte);
            sum = CRC_TABLE[index] ^ (sum >> 8);
        }
        self.sum = !sum;
    }

    fn value(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(collection: &str) -> Name {
        ("db".into(), collection.into())
    }

    fn written() -> Vec<u8> {
        let described = ["a", "b"]
            .map(|collection| Described { name: name(collection), metadata: "{}".into() });
        let mut archive = ArchiveWriter::begin(Vec::new(), &described).unwrap();
        for (collection, count) in [("a", 3), ("b", 0)] {
            let mut writer = archive.collection(&name(collection)).unwrap();
            for id in 0..count {
                writer.document(&rawdoc! { "_id": id }).unwrap();
            }
            writer.end().unwrap();
        }
        archive.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Name, RawDocumentBuf)>> {
        let (mut reader, described) = ArchiveReader::open(bytes)?;
        assert_eq!(described.len(), 2);
        std::iter::from_fn(|| reader.next().transpose()).collect()
    }

    #[test]
    fn the_checksum_is_that_of_go() {
        // The check value of CRC-64/XZ in the catalogue of parametrised CRC algorithms.
        let mut sum = Crc64::default();
        sum.add(b"1234");
        sum.add(b"56789");
        assert_eq!(sum.value(), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let read = read(&written()).unwrap();
        let ids: Vec<_> =
            read.iter().map(|(name, id)| (&*name.1, id.get_i32("_id").unwrap())).collect();
        assert_eq!(ids, [("a", 0), ("a", 1), ("a", 2)]);
    }

    #[test]
    fn damaged_and_truncated_archives_are_refused() {
        let sound = written();
        let position = sound.windows(8).rposition(|bytes| bytes == b"\x10_id\0\x02\0\0").unwrap();
        let mut flipped = sound.clone();
        flipped[position + 5] ^= 1;
        assert!(read(&flipped).unwrap_err().to_string().contains("checksum"));
        for length in [0, 3, position, position + 20] {
            assert!(read(&sound[..length]).is_err(), "{length} bytes");
        }
        assert!(ArchiveReader::open(&b"\x1f\x8b\x08\x00 gzip"[..]).is_err());
    }
}
