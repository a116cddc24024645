//! Reading the replies of commands. Servers other than MongoDB leave fields out or use other numeric
//! types; what is not there stays unknown.

use bson::spec::BinarySubtype;
use bson::{Bson, Document, RawBsonRef, RawDocument};

use crate::{ClusterError, CollectionInfo, CollectionKind, IndexInfo};

/// One entry of `listCollections`.
pub(super) fn collection(entry: &RawDocument) -> Result<CollectionInfo, ClusterError> {
    let name = entry
        .get_str("name")
        .map_err(|_| ClusterError::Internal("listCollections gave an entry without name".into()))?;
    let kind = match entry.get_str("type") {
        Ok("view") => CollectionKind::View,
        Ok("timeseries") => CollectionKind::TimeSeries,
        _ => CollectionKind::Collection,
    };
    let capped = entry.get_document("options").is_ok_and(|options| truthy(options, "capped"));
    let uuid = entry.get_document("info").ok().and_then(uuid);
    Ok(CollectionInfo { name: name.to_owned(), uuid, kind, capped, shard_key: None })
}

/// One entry of `listIndexes`.
pub(super) fn index(entry: &RawDocument) -> Result<IndexInfo, ClusterError> {
    let wrong = |_| ClusterError::Internal("listIndexes gave an entry without name or key".into());
    let keys = entry.get_document("key").map_err(wrong)?;
    let keys = keys.iter().map_while(Result::ok);
    let keys =
        keys.take_while(|(_, how)| is_number(*how)).map(|(path, _)| path.to_string()).collect();
    let partial = entry.get_document("partialFilterExpression").is_ok();
    let complete = !partial && !truthy(entry, "sparse") && !truthy(entry, "hidden");
    Ok(IndexInfo { name: entry.get_str("name").map_err(wrong)?.to_owned(), keys, complete })
}

/// The paths of an ordered index have a number; hashed, text and other indexes find no ranges.
fn is_number(how: RawBsonRef<'_>) -> bool {
    matches!(how, RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_))
}

/// From a reply of `getParameter`.
pub(super) fn transaction_lifetime_ms(reply: &Document) -> Option<u64> {
    let seconds = count(reply, "transactionLifetimeLimitSeconds").ok()?;
    Some(seconds.saturating_mul(1_000))
}

fn truthy(document: &RawDocument, name: &str) -> bool {
    match document.get(name) {
        Ok(Some(RawBsonRef::Boolean(value))) => value,
        Ok(Some(RawBsonRef::Int32(value))) => value != 0,
        Ok(Some(RawBsonRef::Double(value))) => value != 0.0,
        _ => false,
    }
}

fn uuid(info: &RawDocument) -> Option<[u8; 16]> {
    match info.get("uuid") {
        Ok(Some(RawBsonRef::Binary(binary))) if binary.subtype == BinarySubtype::Uuid => {
            binary.bytes.try_into().ok()
        }
        _ => None,
    }
}

/// The names in a reply of `listDatabases`.
pub(super) fn database_names(reply: &Document) -> Result<Vec<String>, ClusterError> {
    let databases = reply
        .get_array("databases")
        .map_err(|_| ClusterError::Internal("listDatabases gave no databases".into()))?;
    let name = |entry: &Bson| entry.as_document()?.get_str("name").ok().map(str::to_owned);
    Ok(databases.iter().filter_map(name).collect())
}

/// The first statement of a write that was refused: code and words.
pub(super) fn write_error(reply: &Document) -> Option<(i32, String)> {
    let first = reply.get_array("writeErrors").ok()?.first()?.as_document()?;
    let code = i32::try_from(count(first, "code").unwrap_or(0)).unwrap_or(0);
    Some((code, first.get_str("errmsg").unwrap_or("refused").to_owned()))
}

/// Its place in the command.
pub(super) fn write_error_index(reply: &Document) -> Option<usize> {
    let first = reply.get_array("writeErrors").ok()?.first()?.as_document()?;
    usize::try_from(count(first, "index").ok()?).ok()
}

/// A count, whatever numeric type the server chose.
pub(super) fn count(reply: &Document, name: &str) -> Result<u64, ClusterError> {
    match reply.get(name) {
        Some(Bson::Int32(n)) => u64::try_from(*n).ok(),
        Some(Bson::Int64(n)) => u64::try_from(*n).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        Some(Bson::Double(n)) if *n >= 0.0 => Some(*n as u64),
        _ => None,
    }
    .ok_or_else(|| ClusterError::Internal(format!("the reply has no count {name:?}")))
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, doc, rawdoc};

    use super::*;

    #[test]
    fn only_what_an_index_orders_is_among_its_keys() {
        let keys = |keys: RawDocumentBuf| {
            let entry = rawdoc! { "name": "i", "key": keys };
            index(&entry).expect("an index").keys
        };
        assert_eq!(keys(rawdoc! { "at": 1, "carrier": -1.0 }), ["at", "carrier"]);
        assert_eq!(keys(rawdoc! { "carrier": 1_i64, "at": "hashed" }), ["carrier"]);
        assert!(keys(rawdoc! { "at": "hashed" }).is_empty());
    }

    #[test]
    fn a_server_tells_how_long_transactions_live() {
        let reply = doc! { "transactionLifetimeLimitSeconds": 90, "ok": 1.0 };
        assert_eq!(transaction_lifetime_ms(&reply), Some(90_000));
        assert_eq!(transaction_lifetime_ms(&doc! { "ok": 1.0 }), None);
    }
}
