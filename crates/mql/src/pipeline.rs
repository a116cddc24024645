//! Aggregation pipelines: parsed once, run by pushing documents through.
//!
//! A [`Pipeline`] is immutable and cheap to clone; a [`PipelineRun`] holds the state of one execution.
//! Stages that must see everything first (`$group`, `$sort`, `$sample`, …) hold at most
//! [`crate::Limits::memory_bytes`] and fail with code 292 beyond. Stages that read other
//! collections need [`Context::others`].

mod accumulators;
mod bucket;
mod facet;
mod fill;
mod graph;
mod group;
mod join;
mod parse;
mod redact;
mod run;
mod several;
mod sub;
mod union;
mod unwind;
mod window;

use std::sync::Arc;

use bson::RawDocumentBuf;

use crate::expr::Expr;
use crate::{Context, Filter, MqlError, Projection, Result, Sort};
#[cfg(test)]
pub(crate) use accumulators::NAMES as ACCUMULATORS;
use bucket::BucketAuto;
use facet::Facet;
use graph::GraphLookup;
use group::Group;
use join::Lookup;
use redact::Redact;
pub use run::PipelineRun;
use union::Union;
use unwind::Unwind;
use window::WindowFields;

/// A parsed aggregation pipeline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
    /// Stages before this one were taken away.
    first: usize,
}

#[derive(Debug)]
struct Inner {
    stages: Vec<Stage>,
    memory_bytes: usize,
    seed: u64,
}

#[derive(Debug)]
enum Stage {
    Match(Filter),
    Project(Projection),
    AddFields(Vec<(Vec<String>, Expr)>),
    ReplaceRoot(Expr),
    Unwind(Unwind),
    Skip(u64),
    Limit(u64),
    Count(String),
    Group(Group),
    Sort(Sort),
    Sample(u64),
    Lookup(Box<Lookup>),
    GraphLookup(Box<GraphLookup>),
    Union(Union),
    Facet(Facet),
    BucketAuto(Box<BucketAuto>),
    Redact(Redact),
    WindowFields(Box<WindowFields>),
    /// Documents that the pipeline begins with.
    Documents(Vec<RawDocumentBuf>),
}

impl Stage {
    /// Whether nothing comes out before everything was seen.
    fn holds_back(&self) -> bool {
        matches!(
            self,
            Self::Count(_)
                | Self::Group(_)
                | Self::Sort(_)
                | Self::Sample(_)
                | Self::Facet(_)
                | Self::BucketAuto(_)
                | Self::WindowFields(_)
        )
    }
}

impl Pipeline {
    /// Parses the stages of an `aggregate` command.
    ///
    /// # Errors
    /// MongoDB's codes for malformed stages; code 238 for stages that are not implemented.
    pub fn parse(stages: &[RawDocumentBuf], context: &Context) -> Result<Self> {
        let mut parsed = Vec::with_capacity(stages.len());
        for (position, stage) in stages.iter().enumerate() {
            parse::stage(stage, context, &mut parsed)?;
            if position > 0 && matches!(parsed.last(), Some(Stage::Documents(_))) {
                let message = "$documents is only valid as the first stage in a pipeline";
                return Err(MqlError::new(40602, message));
            }
        }
        let inner =
            Inner { stages: parsed, memory_bytes: context.limits.memory_bytes, seed: context.seed };
        Ok(Self { inner: Arc::new(inner), first: 0 })
    }

    fn stages(&self) -> &[Stage] {
        &self.inner.stages[self.first..]
    }

    /// Whether documents pass unchanged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages().is_empty()
    }

    /// The filter of a leading `$match` and the pipeline behind it.
    #[must_use]
    pub fn leading_match(&self) -> Option<(RawDocumentBuf, Self)> {
        let Some(Stage::Match(filter)) = self.stages().first() else { return None };
        let rest = Self { inner: self.inner.clone(), first: self.first + 1 };
        Some((filter.raw().to_owned(), rest))
    }

    /// As [`Pipeline::leading_match`], with the filter as it was parsed.
    #[must_use]
    pub fn leading_filter(&self) -> Option<(Filter, Self)> {
        let Some(Stage::Match(filter)) = self.stages().first() else { return None };
        let rest = Self { inner: self.inner.clone(), first: self.first + 1 };
        Some((filter.clone(), rest))
    }

    /// Whether the pipeline begins with documents of its own (`$documents`).
    #[must_use]
    pub fn has_documents(&self) -> bool {
        matches!(self.stages().first(), Some(Stage::Documents(_)))
    }

    /// The order that a leading `$sort` asks for: documents that come in it are not sorted again
    /// by [`Pipeline::without_leading_sort`].
    #[must_use]
    pub fn leading_sort(&self) -> Option<&Sort> {
        match self.stages().first() {
            Some(Stage::Sort(sort)) => Some(sort),
            _ => None,
        }
    }

    /// The pipeline behind a leading `$sort`.
    #[must_use]
    pub fn without_leading_sort(&self) -> Self {
        let skip = usize::from(self.leading_sort().is_some());
        Self { inner: self.inner.clone(), first: self.first + skip }
    }

    /// Starts an execution to which documents are pushed.
    #[must_use]
    pub fn start(&self) -> PipelineRun {
        PipelineRun::new(self.clone())
    }

    /// Runs over an iterator, lazily as far as the stages allow.
    pub fn run<'a, I>(
        &self,
        docs: I,
    ) -> Box<dyn Iterator<Item = std::result::Result<RawDocumentBuf, MqlError>> + Send + 'a>
    where
        I: Iterator<Item = std::result::Result<RawDocumentBuf, MqlError>> + Send + 'a,
    {
        Box::new(run::Iter::new(self.start(), docs))
    }
}

#[cfg(test)]
mod tests;
