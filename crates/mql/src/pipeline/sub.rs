//! Pipelines inside stages: what they may hold, `$documents` at their front, and how they run over
//! another collection.

use bson::{RawBsonRef, RawDocumentBuf};

use super::Pipeline;
use crate::expr::Expr;
use crate::{Context, Documents, Filter, MqlError, Others, Result};

/// The stages of an argument.
pub(super) fn stages(stage: &str, value: RawBsonRef<'_>) -> Result<Vec<RawDocumentBuf>> {
    let wrong =
        || MqlError::type_mismatch(format!("{stage}: 'pipeline' must be an array of objects"));
    let array = value.as_array().ok_or_else(wrong)?;
    let mut found = Vec::new();
    for element in array {
        found.push(element?.as_document().ok_or_else(wrong)?.to_owned());
    }
    Ok(found)
}

fn name(stage: &RawDocumentBuf) -> Option<&str> {
    stage.iter().next()?.ok().map(|(name, _)| name.as_str())
}

/// Whether the pipeline brings its own documents.
pub(super) fn begins_with_documents(stages: &[RawDocumentBuf]) -> bool {
    stages.first().and_then(name) == Some("$documents")
}

/// Parses a pipeline inside a stage: it writes nothing.
pub(super) fn parse(stages: &[RawDocumentBuf], context: &Context) -> Result<Pipeline> {
    let outermost = ["$out", "$merge", "$changeStream", "$collStats", "$indexStats", "$currentOp"];
    for stage in stages {
        if let Some(name) = name(stage).filter(|name| outermost.contains(name)) {
            let message = format!("{name} is not allowed within a pipeline inside another stage");
            return Err(MqlError::new(51047, message));
        }
    }
    Pipeline::parse(stages, context)
}

/// Runs a pipeline over another collection, or over the documents that it begins with.
pub(super) fn run(others: &Others, from: Option<&str>, pipeline: &Pipeline) -> Result<Documents> {
    if pipeline.has_documents() {
        return Ok(pipeline.run(std::iter::empty()));
    }
    let Some(from) = from else {
        return Err(MqlError::failed_to_parse("a pipeline without a collection needs $documents"));
    };
    let (filter, rest) = match pipeline.leading_filter() {
        Some((filter, rest)) => (filter, rest),
        None => {
            let everything = Filter::parse(&RawDocumentBuf::new(), &Context::new(0))?;
            (everything, pipeline.clone())
        }
    };
    let documents = others.read(from, &filter)?;
    Ok(rest.run(documents))
}

/// The documents of a `$documents` stage: an expression that gives an array of objects.
pub(super) fn documents(value: RawBsonRef<'_>, context: &Context) -> Result<Vec<RawDocumentBuf>> {
    let wrong = || MqlError::new(5_858_203, "an array of objects is expected by $documents");
    let expr = Expr::parse(value, context)?;
    let nothing = RawDocumentBuf::new();
    let value = expr.evaluate(&nothing)?;
    let mut found = Vec::new();
    for element in value.as_array().ok_or_else(wrong)? {
        found.push(element?.as_document().ok_or_else(wrong)?.to_owned());
    }
    Ok(found)
}
