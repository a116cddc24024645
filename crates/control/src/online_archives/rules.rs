//! Rules about archives that need more than the request: the cluster, its collection, other archives.

use bson::{Bson, RawDocumentBuf};
use portolan_api_types::online_archive::ArchiveDraft;
use portolan_api_types::{ErrorCode, Problem, cluster};
use portolan_auth::{Authorized, ProjectScope};
use portolan_cluster::{CollectionInfo, CollectionKind};
use portolan_model::{CloudProvider, ClusterKind, CollectionType, Criteria, OnlineArchive};
use portolan_mql::{Context, Filter};
use portolan_store::clusters::StoredCluster;
use portolan_store::{Page, Tx, archives};

use crate::{Control, ControlError};

/// How long a cluster may take to say what a collection is.
pub(super) const LOOK_TIMEOUT_MS: u64 = 3_000;

/// What the cluster cannot have: time-series collections, another provider's regions.
pub(super) fn check_against_cluster(
    draft: &ArchiveDraft,
    cluster: &StoredCluster,
) -> Result<(), ControlError> {
    if cluster::is_tenant(&cluster.cluster.replication_specs_json) {
        let what = "online archives on shared clusters; they need M10 or larger";
        return Err(Problem::unsupported(what).into());
    }
    if draft.collection_type == CollectionType::TimeSeries && !cluster.time_series {
        let rule = "the cluster has no time-series collections";
        return Err(Problem::invalid_attribute("collectionType", rule).into());
    }
    if draft.collection_type == CollectionType::TimeSeries {
        return Err(no_time_series().into());
    }
    let Some(region) = &draft.region else { return Ok(()) };
    let own = cluster::provider_of(&cluster.cluster.replication_specs_json);
    // An attached cluster names no provider: there the region only selects a storage location.
    let attached = matches!(cluster.cluster.kind, ClusterKind::Attached(_));
    let fits = region.provider == CloudProvider::Aws
        || attached
        || own.as_deref() == Some(region.provider.as_str());
    if fits {
        return Ok(());
    }
    let rule = format!("{} is not the provider of the cluster", region.provider);
    Err(Problem::invalid_attribute("dataProcessRegion.cloudProvider", rule).into())
}

/// Until MongoDB 6.3 measurements can only be deleted by the meta field, all that share its values; since 7.0
/// one by one, but not in transactions (MongoDB manual, "Time Series Collection Limitations"). Their `_id`s need
/// not be unique, so that a delete that was sent again could take another measurement.
fn no_time_series() -> Problem {
    let what = "online archives of time-series collections: servers do not keep the _ids of measurements \
                unique, so none could be proved to be the archived one before it goes";
    Problem::unsupported(what).at("collectionType", "must be STANDARD")
}

/// A CUSTOM rule must be a filter that can be evaluated.
pub(super) fn check_criteria(criteria: &Criteria, now_ms: i64) -> Result<(), ControlError> {
    match criteria {
        Criteria::Custom { query } => check_filter(query, now_ms),
        Criteria::Date { .. } => Ok(()),
    }
}

/// Parses a filter as the archiver will: plain or extended JSON.
pub(super) fn check_filter(query: &str, now_ms: i64) -> Result<(), ControlError> {
    check_any_filter("criteria.query", query, now_ms)
}

/// The same for the filter of another field.
pub(super) fn check_any_filter(field: &str, query: &str, now_ms: i64) -> Result<(), ControlError> {
    let refuse = |why: String| Problem::validation(field, why);
    let value: Bson =
        serde_json::from_str(query).map_err(|error| refuse(format!("is no JSON: {error}")))?;
    let Bson::Document(document) = value else {
        return Err(refuse("must be a JSON object".to_owned()).into());
    };
    let raw = RawDocumentBuf::try_from(&document)
        .map_err(|error| refuse(format!("cannot become BSON: {error}")))?;
    Filter::parse(&raw, &Context::new(now_ms))
        .map_err(|error| refuse(format!("is no filter: {}", error.message)))?;
    Ok(())
}

/// Whether extended JSON can be the `_id` of a document (MongoDB manual, "The _id Field": neither an
/// array nor a regular expression nor undefined).
pub(super) fn check_id(field: &str, text: &str) -> Result<(), ControlError> {
    let id: Bson = serde_json::from_str(text)
        .map_err(|error| Problem::validation(field, format!("is no extended JSON: {error}")))?;
    let rule = match &id {
        Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined => "is no _id of a document",
        Bson::Document(fields)
            if fields.keys().next().is_some_and(|name| name.starts_with('$')) =>
        {
            "is a filter, not an _id"
        }
        _ => return Ok(()),
    };
    Err(Problem::validation(field, rule).into())
}

/// What cannot be archived, where the cluster says so.
pub(super) fn check_kind(draft: &ArchiveDraft, info: &CollectionInfo) -> Result<(), ControlError> {
    let refuse = |rule: &str| {
        let detail = format!("Collection {} cannot be archived: {rule}.", draft.namespace);
        let problem = Problem::new(ErrorCode::InvalidCollectionName, detail);
        Err(problem.with(draft.namespace.to_string()).at("collName", rule).into())
    };
    if info.capped {
        return refuse("it is capped, so nothing can be deleted from it");
    }
    match (info.kind, draft.collection_type) {
        (CollectionKind::View, _) => refuse("it is a view"),
        (CollectionKind::TimeSeries, _) => Err(no_time_series().into()),
        (CollectionKind::Collection, CollectionType::TimeSeries) => {
            refuse("it is no time-series collection; set collectionType to STANDARD")
        }
        _ => Ok(()),
    }
}

impl Control {
    /// Limits, other archives of the collection, other providers on the cluster.
    pub(super) async fn check_conflicts(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        cluster: &StoredCluster,
        archive: &OnlineArchive,
    ) -> Result<(), ControlError> {
        let all = archives::list(tx, witness, cluster.cluster.id, Page::ALL).await?.items;
        let max = self.limits.archives_per_cluster;
        if all.len() >= max {
            return Err(full(&cluster.cluster.name, max, "online archives"));
        }
        let other =
            all.iter().find(|other| other.archive.region.provider != archive.region.provider);
        if let Some(other) = other {
            let provider = other.archive.region.provider;
            let rule = format!("the cluster has archives of provider {provider} already");
            let field = "dataProcessRegion.cloudProvider";
            return Err(Problem::invalid_attribute(field, rule).into());
        }
        let same = all.iter().map(|other| &other.archive).find(|other| {
            other.state.is_active()
                && other.namespace == archive.namespace
                && other.criteria == archive.criteria
        });
        if let Some(same) = same {
            return Err(already_exists(same));
        }
        if archive.state.is_active() {
            self.check_active_room(tx, witness, cluster, archive).await?;
        }
        Ok(())
    }

    /// Whether one more active archive has room on the cluster and on its collection.
    pub(super) async fn check_active_room(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        cluster: &StoredCluster,
        archive: &OnlineArchive,
    ) -> Result<(), ControlError> {
        let listed = archives::list(tx, witness, cluster.cluster.id, Page::ALL).await?;
        let others = listed.items.iter().map(|other| &other.archive);
        let active: Vec<&OnlineArchive> =
            others.filter(|other| other.id != archive.id && other.state.is_active()).collect();
        if let Some(other) = active.iter().find(|other| other.namespace == archive.namespace) {
            return Err(namespace_taken(other));
        }
        let max = self.limits.active_archives_per_cluster;
        if active.len() >= max {
            return Err(full(&cluster.cluster.name, max, "active online archives"));
        }
        Ok(())
    }
}

fn full(cluster_name: &str, max: usize, what: &str) -> ControlError {
    let detail = format!("Cluster {cluster_name} has the maximum of {max} {what}.");
    Problem::new(ErrorCode::ValidationError, detail).with(cluster_name).with(max).into()
}

fn already_exists(other: &OnlineArchive) -> ControlError {
    let (namespace, id) = (other.namespace.to_string(), other.id.to_string());
    let detail = format!("Online archive {id} with the same rule is active on {namespace}.");
    let problem = Problem::new(ErrorCode::OnlineArchiveAlreadyExists, detail);
    problem.with(id).with(namespace).into()
}

fn namespace_taken(other: &OnlineArchive) -> ControlError {
    let (namespace, id) = (other.namespace.to_string(), other.id.to_string());
    let detail = format!("Namespace {namespace} has the active online archive {id}.");
    let problem = Problem::new(ErrorCode::NamespaceHasOnlineArchive, detail);
    problem.with(namespace).with(id).into()
}
