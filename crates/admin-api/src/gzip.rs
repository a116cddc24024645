//! Lines as a gzip file, made while they are read: memory holds one page of them.

use std::io::Write;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use portolan_control::{ControlError, QueryLogReader};

struct Download {
    reader: QueryLogReader,
    page: Vec<String>,
    /// `None` once the end of the file was written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

/// The file as a body. The first page is read before the answer begins, so that what is wrong then
/// still becomes an error; later failures break the connection, and the file is seen to be cut.
pub(crate) async fn gzip_lines(mut reader: QueryLogReader) -> Result<Body, ControlError> {
    let page = reader.next_lines().await?;
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::default()));
    let download = Download { reader, page, encoder };
    Ok(Body::from_stream(futures::stream::try_unfold(download, Download::chunk)))
}

impl Download {
    async fn chunk(mut self) -> Result<Option<(Bytes, Self)>, std::io::Error> {
        loop {
            let Some(mut encoder) = self.encoder.take() else { return Ok(None) };
            if self.page.is_empty() {
                let rest = encoder.finish()?;
                return Ok(Some((Bytes::from(rest), self)));
            }
            for line in self.page.drain(..) {
                encoder.write_all(line.as_bytes())?;
                encoder.write_all(b"\n")?;
            }
            let ready = std::mem::take(encoder.get_mut());
            self.encoder = Some(encoder);
            self.page = self.reader.next_lines().await.map_err(std::io::Error::other)?;
            if !ready.is_empty() {
                return Ok(Some((Bytes::from(ready), self)));
            }
        }
    }
}
