//! Views: a name for a pipeline over another collection (MongoDB manual, "Views"). Reading one runs
//! its pipeline; writing to one is refused where collections are opened for writing.

use bson::RawDocumentBuf;
use portolan_model::Namespace;
use portolan_mql::Collation;

use super::fields;
use crate::error::{Failure, codes, refuse};
use crate::store::{Catalog, CollectionEntry, Readable, View};

/// Views over views over views, at most.
const DEPTH_MAX: usize = 20;

/// What reading a namespace means.
pub(crate) struct Resolved {
    /// The collection whose documents are read.
    pub(crate) base: Namespace,
    /// The collection, if there is one.
    pub(crate) entry: Option<CollectionEntry>,
    /// The stages that make the view of it; empty for a collection.
    pub(crate) stages: Vec<RawDocumentBuf>,
    pub(crate) is_view: bool,
    /// The collation of commands that name none.
    pub(crate) collation: Option<Collation>,
}

/// Follows views to the collection below.
pub(crate) fn resolve(
    catalog: &Catalog<impl Readable>,
    namespace: &Namespace,
) -> Result<Resolved, Failure> {
    let (mut base, mut stages) = (namespace.clone(), Vec::new());
    let mut collation = None;
    for depth in 0..=DEPTH_MAX {
        let entry = catalog.get(&base)?;
        let view = entry.as_ref().map(|entry| entry.options.view()).transpose()?.flatten();
        if depth == 0 {
            collation = entry.as_ref().and_then(|entry| entry.options.collation().cloned());
        }
        let Some(view) = view else {
            return Ok(Resolved { base, entry, stages, is_view: depth > 0, collation });
        };
        stages.splice(0..0, view.stages);
        base = fields::namespace_of(&namespace.database, &view.on)?;
    }
    let message = format!("View depth limit exceeded; maximum depth is {DEPTH_MAX}");
    Err(refuse(codes::VIEW_DEPTH_LIMIT_EXCEEDED, message))
}

/// Refuses a view that could not be read: a circle, too many levels, or a stage that writes.
pub(crate) fn check(
    catalog: &Catalog<impl Readable>,
    namespace: &Namespace,
    view: &View,
) -> Result<(), Failure> {
    for stage in &view.stages {
        let name = stage.iter().next().transpose()?.map_or("", |(name, _)| name.as_str());
        if matches!(name, "$out" | "$merge" | "$changeStream" | "$collStats" | "$indexStats") {
            let message = format!("{name} is not allowed in a view's definition");
            return Err(refuse(codes::OPTION_NOT_SUPPORTED_ON_VIEW, message));
        }
    }
    let mut on = fields::namespace_of(&namespace.database, &view.on)?;
    for _ in 0..DEPTH_MAX {
        if on == *namespace {
            let message = "View cycle detected";
            return Err(refuse(codes::GRAPH_CONTAINS_CYCLE, message));
        }
        let entry = catalog.get(&on)?;
        match entry.map(|entry| entry.options.view()).transpose()?.flatten() {
            Some(next) => on = fields::namespace_of(&namespace.database, &next.on)?,
            None => return Ok(()),
        }
    }
    let message = format!("View depth limit exceeded; maximum depth is {DEPTH_MAX}");
    Err(refuse(codes::VIEW_DEPTH_LIMIT_EXCEEDED, message))
}
