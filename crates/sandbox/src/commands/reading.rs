//! What a read command reads: one snapshot, in which collections and views are found, also by the
//! stages of pipelines that name other collections.

use std::sync::Arc;

use bson::RawDocumentBuf;
use portolan_model::Namespace;
use portolan_mql::{Collation, Collections, Context, Filter, Others, Pipeline};

use super::fields::{self, Moment};
use super::output::{Documents, as_mql};
use super::views::{self, Resolved};
use super::writes::check_uuid;
use super::{Call, Need};
use crate::error::{Failure, codes, refuse};
use crate::plan::{Hint, Plan};
use crate::scan::{Matches, Patience};
use crate::store::{CollectionEntry, Snapshot};

/// A command's view of the store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) call: Call,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) patience: Patience,
}

impl Reading {
    /// Fixes the moment at which everything is read.
    pub(crate) fn new(call: &Call, patience: &Patience) -> Result<Self, Failure> {
        let snapshot = Arc::new(call.snapshot()?);
        Ok(Self { call: call.clone(), snapshot, patience: patience.clone() })
    }

    /// What the command's namespace means; checks its `collectionUUID`.
    pub(crate) fn resolve(&self, namespace: &Namespace) -> Result<Resolved, Failure> {
        let catalog = self.snapshot.catalog()?;
        let resolved = views::resolve(&catalog, namespace)?;
        let command = &self.call.command;
        let own = resolved.entry.as_ref().filter(|_| !resolved.is_view);
        check_uuid(&catalog, command, namespace, own)?;
        if resolved.is_view
            && let Some(asked) = command.get_document("collation")?
            && fields::collation(Some(asked))? != resolved.collation
        {
            let message = format!("Cannot override a view's default collation for {namespace}");
            return Err(refuse(codes::OPTION_NOT_SUPPORTED_ON_VIEW, message));
        }
        Ok(resolved)
    }

    /// The context of the command, with the way to other collections.
    pub(crate) fn context(&self, default: Option<&Collation>) -> Result<Context, Failure> {
        let moment = Moment::now(&self.call.engine.runtime);
        let context = fields::context(&self.call.command, moment, default)?;
        Ok(self.with_others(context))
    }

    fn with_others(&self, context: Context) -> Context {
        let others =
            OtherCollections { reading: self.clone(), collation: context.collation.clone() };
        context.with_others(Others::new(others))
    }

    /// The documents that match, and whether they come in the order that `plan` was asked for.
    pub(crate) fn documents(
        &self,
        resolved: &Resolved,
        filter: &Filter,
        plan: impl FnOnce(&CollectionEntry) -> Result<Plan, Failure>,
    ) -> Result<(Documents, bool), Failure> {
        if !resolved.stages.is_empty() {
            return Ok((self.through_view(resolved, filter)?, false));
        }
        let Some(entry) = &resolved.entry else { return Ok((Box::new(std::iter::empty()), true)) };
        let plan = plan(entry)?;
        let sorted = plan.sorted;
        let collection = self.snapshot.open(entry.clone())?;
        let matches = Matches::new(collection, plan, filter.clone(), self.patience.clone());
        Ok((Box::new(matches), sorted))
    }

    fn through_view(&self, resolved: &Resolved, filter: &Filter) -> Result<Documents, Failure> {
        let moment = Moment::now(&self.call.engine.runtime);
        let context = moment.context(resolved.collation.clone());
        let pipeline = Pipeline::parse(&resolved.stages, &self.with_others(context))?;
        let documents = self.run(resolved, &pipeline)?;
        let filter = filter.clone();
        Ok(Box::new(documents.filter_map(move |document| {
            let document = match document {
                Ok(document) => document,
                failed => return Some(failed),
            };
            match filter.matches(&document) {
                Ok(true) => Some(Ok(document)),
                Ok(false) => None,
                Err(error) => Some(Err(error.into())),
            }
        })))
    }

    /// Runs a pipeline over the collection below; a leading `$match` goes through the planner.
    pub(crate) fn run(
        &self,
        resolved: &Resolved,
        pipeline: &Pipeline,
    ) -> Result<Documents, Failure> {
        let (filter, rest) = match pipeline.leading_filter() {
            Some((filter, rest)) => (filter, rest),
            None => (everything()?, pipeline.clone()),
        };
        let base = Resolved {
            base: resolved.base.clone(),
            entry: resolved.entry.clone(),
            stages: Vec::new(),
            is_view: false,
            collation: None,
        };
        let sort = rest.leading_sort().cloned();
        let (documents, sorted) = self.documents(&base, &filter, |entry| {
            Ok(Plan::choose(entry, &filter, sort.as_ref(), &Hint::None))
        })?;
        let rest = if sorted { rest.without_leading_sort() } else { rest };
        let output = rest.run(documents.map(|document| document.map_err(as_mql)));
        Ok(Box::new(output.map(|document| document.map_err(Failure::from))))
    }
}

/// A filter that all documents match.
pub(crate) fn everything() -> Result<Filter, Failure> {
    Ok(Filter::parse(&RawDocumentBuf::new(), &Context::new(0))?)
}

/// The other collections of the command's database.
struct OtherCollections {
    reading: Reading,
    collation: Option<Collation>,
}

impl OtherCollections {
    fn resolved(&self, collection: &str) -> Result<Resolved, Failure> {
        let call = &self.reading.call;
        let namespace = fields::namespace_of(&call.command.database, collection)?;
        call.allow(Need::Read, &namespace)?;
        views::resolve(&self.reading.snapshot.catalog()?, &namespace)
    }

    fn matching(&self, collection: &str, filter: &Filter) -> Result<Documents, Failure> {
        let resolved = self.resolved(collection)?;
        let plan = |entry: &CollectionEntry| Ok(Plan::choose(entry, filter, None, &Hint::None));
        Ok(self.reading.documents(&resolved, filter, plan)?.0)
    }

    fn has_index(&self, collection: &str, path: &str) -> Result<bool, Failure> {
        let resolved = self.resolved(collection)?;
        let Some(entry) = resolved.entry.filter(|_| resolved.stages.is_empty()) else {
            return Ok(false);
        };
        if path == "_id" {
            return Ok(entry.options.collation() == self.collation.as_ref());
        }
        Ok(entry.indexes.iter().any(|index| {
            index.fields.first().is_some_and(|field| field.path == path)
                && !index.options.hidden
                && index.is_complete()
                && index.options.collation == self.collation
        }))
    }
}

impl Collections for OtherCollections {
    fn read(
        &self,
        collection: &str,
        filter: &Filter,
    ) -> Result<portolan_mql::Documents, portolan_mql::MqlError> {
        let documents = self.matching(collection, filter).map_err(as_mql)?;
        Ok(Box::new(documents.map(|document| document.map_err(as_mql))))
    }

    fn is_indexed(&self, collection: &str, path: &str) -> Result<bool, portolan_mql::MqlError> {
        self.has_index(collection, path).map_err(as_mql)
    }
}
