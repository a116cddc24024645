//! Aggregation pipelines. (Skeleton.)
use crate::{Context, MqlError, Result};
use bson::RawDocumentBuf;

/// A parsed aggregation pipeline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pipeline {
    stages: Vec<RawDocumentBuf>,
}

impl Pipeline {
    /// Parses the stages of an `aggregate` command.
    pub fn parse(stages: &[RawDocumentBuf], _context: &Context) -> Result<Self> {
        Ok(Self { stages: stages.to_vec() })
    }
    /// Whether documents pass unchanged.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
    /// The filter of a leading `$match` and the pipeline behind it.
    pub fn leading_match(&self) -> Option<(RawDocumentBuf, Pipeline)> {
        None
    }
    /// Starts an execution to which documents are pushed.
    pub fn start(&self) -> PipelineRun {
        PipelineRun {}
    }
    /// Runs over an iterator, lazily as far as the stages allow.
    pub fn run<'a, I>(
        &self,
        docs: I,
    ) -> Box<dyn Iterator<Item = std::result::Result<RawDocumentBuf, MqlError>> + Send + 'a>
    where
        I: Iterator<Item = std::result::Result<RawDocumentBuf, MqlError>> + Send + 'a,
    {
        Box::new(docs)
    }
}

/// One execution of a pipeline, fed by pushing documents; usable from async code.
#[derive(Debug)]
pub struct PipelineRun {}

impl PipelineRun {
    /// Feeds one document; gives the documents that come out because of it.
    pub fn push(&mut self, doc: RawDocumentBuf) -> Result<Vec<RawDocumentBuf>> {
        Ok(vec![doc])
    }
    /// Ends the input; gives the documents that blocking stages held back.
    pub fn finish(&mut self) -> Result<Vec<RawDocumentBuf>> {
        Ok(Vec::new())
    }
    /// Whether no further input can change the output (a `$limit` is full): stop reading.
    pub fn is_done(&self) -> bool {
        false
    }
}
