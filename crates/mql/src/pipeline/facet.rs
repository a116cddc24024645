//! `$facet`: several pipelines over the same documents, one document with all of their results.

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

use super::parse::too_much_memory;
use super::{Pipeline, PipelineRun, sub};
use crate::expr::{append, check_size};
use crate::{Context, MqlError, Result};

/// A parsed `$facet`.
#[derive(Debug)]
pub(super) struct Facet(Vec<(String, Pipeline)>);

/// One execution of a `$facet`.
#[derive(Debug)]
pub(super) struct Facets {
    runs: Vec<(PipelineRun, RawArrayBuf)>,
}

/// Stages that read other documents than those that come, or see all facets.
const FORBIDDEN: &[&str] = &[
    "$facet",
    "$out",
    "$merge",
    "$geoNear",
    "$indexStats",
    "$collStats",
    "$planCacheStats",
    "$documents",
    "$changeStream",
];

impl Facet {
    pub(super) fn parse(spec: &RawDocument, context: &Context) -> Result<Self> {
        let mut facets = Vec::new();
        for field in spec {
            let (name, value) = field?;
            let name = name.as_str();
            if name.is_empty() || name.starts_with('$') || name.contains('.') {
                let message = format!("'{name}' is not a valid name of a facet");
                return Err(MqlError::new(40169, message));
            }
            let stages = sub::stages("$facet", value)?;
            for stage in &stages {
                for field in stage {
                    let stage = field?.0.as_str();
                    if FORBIDDEN.contains(&stage) {
                        let message =
                            format!("{stage} is not allowed to be used within a $facet stage");
                        return Err(MqlError::new(40600, message));
                    }
                }
            }
            facets.push((name.to_owned(), Pipeline::parse(&stages, context)?));
        }
        if facets.is_empty() {
            let message = "the $facet specification must be a non-empty object";
            return Err(MqlError::new(40169, message));
        }
        Ok(Self(facets))
    }

    pub(super) fn start(&self) -> Facets {
        let runs = self.0.iter().map(|(_, pipeline)| (pipeline.start(), RawArrayBuf::new()));
        Facets { runs: runs.collect() }
    }
}

impl Facets {
    pub(super) fn add(&mut self, doc: &RawDocument, memory_bytes: usize) -> Result<()> {
        for (run, out) in &mut self.runs {
            if !run.is_done() {
                run.push(doc.to_owned())?.into_iter().for_each(|doc| out.push(doc));
            }
            if out.as_bytes().len() > memory_bytes {
                return Err(too_much_memory("$facet", memory_bytes));
            }
        }
        Ok(())
    }

    /// The one document that comes out.
    pub(super) fn finish(&mut self, facet: &Facet) -> Result<RawDocumentBuf> {
        let mut found = RawDocumentBuf::new();
        for ((name, _), (run, out)) in facet.0.iter().zip(&mut self.runs) {
            run.finish()?.into_iter().for_each(|doc| out.push(doc));
            append(&mut found, name, RawBsonRef::Array(out))?;
            check_size(found.as_bytes().len())?;
        }
        Ok(found)
    }
}
