//! Gzip around the files of imports and exports: undone wherever a file begins as gzip does, made when the
//! new file's name ends in `.gz`. mongodump's `--gzip` makes such files, of archives and of collections.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Result, Write};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The file's name without `.gz`, and whether that was there.
pub(super) fn strip(path: &Path) -> (&Path, bool) {
    let gzipped = path.extension().is_some_and(|extension| extension == "gz");
    let stem = path.file_stem().filter(|_| gzipped);
    (stem.map_or(path, Path::new), gzipped)
}

/// The contents of a file, unpacked if they are gzipped.
pub(super) fn open(file: File) -> Result<Box<dyn BufRead + Send>> {
    let mut input = BufReader::new(file);
    if input.fill_buf()?.starts_with(&MAGIC) {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(input))));
    }
    Ok(Box::new(input))
}

/// A file that is being written.
pub(super) enum Output {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Output {
    pub(super) fn new(file: File, gzipped: bool) -> Self {
        let output = BufWriter::new(file);
        match gzipped {
            true => Self::Gzip(Box::new(GzEncoder::new(output, Compression::default()))),
            false => Self::Plain(output),
        }
    }

    /// Writes the end. A file without it is incomplete.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::Plain(mut output) => output.flush(),
            Self::Gzip(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(output) => output.write(bytes),
            Self::Gzip(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            Self::Gzip(output) => output.flush(),
        }
    }
}
