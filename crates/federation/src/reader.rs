//! From a query to a stream of documents: ordered or not, no more than needed.

use bson::RawDocumentBuf;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::FederationError;
use crate::query::Query;
use crate::session::Session;
use crate::union::Union;

/// Documents of a query.
pub(crate) type Documents = BoxStream<'static, Result<RawDocumentBuf, FederationError>>;

/// Reads a query.
pub(crate) fn read(session: Session, query: Query) -> Documents {
    let needed = query.needed;
    let ordered = query.order.is_some();
    let union = Union::new(session, query);
    let documents: Documents = if ordered {
        let sorted = async move {
            let documents = union.sorted().await?;
            Ok::<_, FederationError>(futures::stream::iter(documents.into_iter().map(Ok)))
        };
        futures::stream::once(sorted).try_flatten().boxed()
    } else {
        union.into_stream()
    };
    match needed.map(|needed| usize::try_from(needed).unwrap_or(usize::MAX)) {
        Some(needed) => documents.take(needed).boxed(),
        None => documents,
    }
}
