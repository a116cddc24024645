//! The `insert` command: unordered, never sent twice. What is there already is refused by the server
//! and left as it is.

use bson::raw::RawArrayBuf;
use bson::{Bson, Document, RawDocumentBuf, rawdoc};
use portolan_model::Namespace;

use super::{MongoCluster, delete, replies};
use crate::{ClusterError, Inserted, NotInserted};

pub(super) async fn run(
    cluster: &MongoCluster,
    namespace: &Namespace,
    documents: &[RawDocumentBuf],
) -> Result<Inserted, ClusterError> {
    if documents.is_empty() {
        return Ok(Inserted::default());
    }
    let mut list = RawArrayBuf::new();
    for document in documents {
        list.push(document.clone());
    }
    let command = rawdoc! {
        "insert": namespace.collection.as_str(),
        "documents": list,
        "ordered": false,
        "writeConcern": delete::majority(),
    };
    outcome(&cluster.tell(&namespace.database, command).await?)
}

fn outcome(reply: &Document) -> Result<Inserted, ClusterError> {
    if let Ok(problem) = reply.get_document("writeConcernError") {
        return Err(ClusterError::Unknown(format!("the majority did not acknowledge: {problem}")));
    }
    let n = replies::count(reply, "n")?;
    let errors = reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
    Ok(Inserted { n, refused: errors.iter().filter_map(refused).collect() })
}

fn refused(error: &Bson) -> Option<NotInserted> {
    let error = error.as_document()?;
    let index = usize::try_from(replies::count(error, "index").ok()?).ok()?;
    let code = i32::try_from(replies::count(error, "code").unwrap_or(0)).unwrap_or(0);
    Some(NotInserted {
        index,
        code,
        message: error.get_str("errmsg").unwrap_or("refused").to_owned(),
    })
}
