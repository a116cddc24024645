//! Whether the cluster has an index that finds cold documents without reading the whole collection.
//! Checked with every run and every estimate, because an index may be dropped later; the answer holds
//! the line to paste.

use bson::{RawBsonRef, RawDocument};
use portolan_cluster::{Cluster, ClusterError, IndexInfo};
use portolan_model::{Criteria, IndexCheck, Namespace, OnlineArchive};

use crate::ArchiverError;
use crate::criteria::Frozen;

/// Looks at the collection's indexes.
///
/// # Errors
/// Those of the cluster; one that cannot list indexes gives [`IndexCheck::Unknown`].
pub(crate) async fn check(
    cluster: &dyn Cluster,
    archive: &OnlineArchive,
    frozen: &Frozen,
) -> Result<IndexCheck, ArchiverError> {
    match cluster.list_indexes(&archive.namespace).await {
        Ok(indexes) => Ok(judge(archive, frozen.filter(), &indexes)),
        Err(ClusterError::Unsupported(_)) => Ok(IndexCheck::Unknown),
        Err(error) => Err(error.into()),
    }
}

fn judge(archive: &OnlineArchive, filter: &RawDocument, indexes: &[IndexInfo]) -> IndexCheck {
    let fields = match &archive.criteria {
        Criteria::Date { field, .. } => vec![field.clone()],
        Criteria::Custom { .. } => fields_of(filter),
    };
    let leads = |index: &IndexInfo| {
        index.complete && index.keys.first().is_some_and(|first| fields.contains(first))
    };
    if indexes.iter().any(leads) {
        return IndexCheck::Sufficient;
    }
    match fields.first() {
        Some(field) => {
            IndexCheck::Insufficient { create_index: create_index(&archive.namespace, field) }
        }
        // Nothing but expressions over the whole document: no index helps.
        None => IndexCheck::Impossible,
    }
}

/// Paths that a filter restricts at its top, or inside a top `$and`: an index on one of them helps.
fn fields_of(filter: &RawDocument) -> Vec<String> {
    let mut fields = Vec::new();
    for (name, value) in filter.iter().filter_map(Result::ok) {
        match (name.as_str(), value) {
            ("$and", RawBsonRef::Array(parts)) => {
                let parts = parts.into_iter().filter_map(Result::ok);
                let parts = parts.filter_map(|part| part.as_document());
                fields.extend(parts.flat_map(fields_of));
            }
            (name, _) if !name.starts_with('$') => fields.push(name.to_owned()),
            _ => {}
        }
    }
    fields
}

/// The line to paste into mongosh. Names go in as JSON texts, so that none of them can end the line.
fn create_index(namespace: &Namespace, field: &str) -> String {
    let text = |name: &str| serde_json::Value::from(name).to_string();
    let (database, collection) = (text(&namespace.database), text(&namespace.collection));
    format!(
        "db.getSiblingDB({database}).getCollection({collection}).createIndex({{{}: 1}})",
        text(field)
    )
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use portolan_model::DateFormat;

    use super::*;

    fn index(keys: &[&str], complete: bool) -> IndexInfo {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        IndexInfo { name: "i".into(), keys, complete }
    }

    fn date(field: &str) -> Criteria {
        let format = DateFormat::IsoDate;
        Criteria::Date { field: field.into(), format, expire_after_days: 1 }
    }

    fn verdict(criteria: Criteria, filter: &RawDocument, indexes: &[IndexInfo]) -> IndexCheck {
        let mut archive = crate::tests::archive();
        archive.criteria = criteria;
        judge(&archive, filter, indexes)
    }

    #[test]
    fn an_index_that_begins_with_the_date_is_enough() {
        let all = [index(&["_id"], true), index(&["carrier", "at"], true)];
        let IndexCheck::Insufficient { create_index } = verdict(date("at"), &rawdoc! {}, &all)
        else {
            panic!("no index begins with the date")
        };
        let line = r#"db.getSiblingDB("air").getCollection("flights").createIndex({"at": 1})"#;
        assert_eq!(create_index, line);
        let partial = [index(&["at"], false)];
        assert!(matches!(
            verdict(date("at"), &rawdoc! {}, &partial),
            IndexCheck::Insufficient { .. }
        ));
        let good = [index(&["at", "carrier"], true)];
        assert_eq!(verdict(date("at"), &rawdoc! {}, &good), IndexCheck::Sufficient);
        assert_eq!(verdict(date("_id"), &rawdoc! {}, &all), IndexCheck::Sufficient);
    }

    #[test]
    fn a_custom_rule_needs_an_index_on_one_of_its_fields() {
        let custom = || Criteria::Custom { query: "{}".into() };
        let filter = rawdoc! { "$and": [{ "a": 1 }, { "$expr": true }], "b": 2 };
        assert_eq!(verdict(custom(), &filter, &[index(&["b"], true)]), IndexCheck::Sufficient);
        let none = verdict(custom(), &filter, &[index(&["_id"], true)]);
        assert!(
            matches!(none, IndexCheck::Insufficient { create_index } if create_index.ends_with("{\"a\": 1})"))
        );
        let whole = rawdoc! { "$expr": { "$lt": ["$at", "$$NOW"] } };
        assert_eq!(verdict(custom(), &whole, &[index(&["_id"], true)]), IndexCheck::Impossible);
    }
}
