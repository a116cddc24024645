//! `aggregate`: a leading `$match` prunes and travels to the cluster, everything else runs above
//! the union.

use std::collections::VecDeque;

use bson::{RawBsonRef, RawDocumentBuf};
use futures::{StreamExt, TryStreamExt};
use portolan_model::Namespace;
use portolan_mql::{Context, Pipeline, PipelineRun};
use portolan_wire::{Command, CommandContext, CommandError, CursorReply, Reply};

use super::{explain, log, options};
use crate::query::Query;
use crate::reader::{self, Documents};
use crate::session::Session;
use crate::{Endpoint, FederationError};

const KNOWN: &[&str] =
    &["pipeline", "cursor", "explain", "let", "bypassDocumentValidation", "fromMongos"];
const REFUSED: &[&str] = &["background", "collectionUUID", "isMapReduceCommand"];

/// What an `aggregate` asks.
pub(super) struct Aggregate {
    pub(super) query: Query,
    rest: Pipeline,
}

impl Aggregate {
    pub(super) fn parse(
        endpoint: &Endpoint,
        context: &CommandContext,
        command: &Command,
    ) -> Result<Self, CommandError> {
        options::check(command, KNOWN, REFUSED)?;
        if !matches!(command.get("aggregate"), Some(RawBsonRef::String(_))) {
            let text = "aggregate on a whole database is not supported here; name a collection";
            return Err(CommandError::not_implemented(text));
        }
        let namespace = options::namespace(context, command)?;
        let evaluation = options::evaluation(endpoint, command)?;
        Ok(Self::of_stages(namespace, &stages(command)?, &evaluation)?)
    }

    fn of_stages(
        namespace: Namespace,
        stages: &[RawDocumentBuf],
        evaluation: &Context,
    ) -> Result<Self, FederationError> {
        let pipeline = Pipeline::parse(stages, evaluation)?;
        let (filter, rest) = match pipeline.leading_match() {
            Some((filter, rest)) => (filter, rest),
            None => (RawDocumentBuf::new(), pipeline),
        };
        Ok(Self { query: Query::new(namespace, &filter, evaluation)?, rest })
    }

    /// The documents that leave the pipeline.
    pub(super) fn read(self, session: Session) -> Documents {
        let documents = reader::read(session, self.query);
        if self.rest.is_empty() {
            return documents;
        }
        let piped =
            Piped { documents: Some(documents), run: self.rest.start(), ready: VecDeque::new() };
        futures::stream::try_unfold(piped, |mut piped| async move {
            let document = piped.next().await?;
            Ok::<_, FederationError>(document.map(|document| (document, piped)))
        })
        .boxed()
    }
}

fn stages(command: &Command) -> Result<Vec<RawDocumentBuf>, CommandError> {
    let Some(pipeline) = command.get_array("pipeline")? else {
        return Err(CommandError::failed_to_parse("aggregate needs a pipeline"));
    };
    let mut stages = Vec::new();
    for stage in pipeline {
        match stage? {
            RawBsonRef::Document(stage) => stages.push(stage.to_owned()),
            _ => {
                let text = "Each element of the 'pipeline' array must be an object";
                return Err(CommandError::type_mismatch(text));
            }
        }
    }
    Ok(stages)
}

/// Documents on their way through a pipeline.
struct Piped {
    /// `None` once the input has ended.
    documents: Option<Documents>,
    run: PipelineRun,
    ready: VecDeque<RawDocumentBuf>,
}

impl Piped {
    async fn next(&mut self) -> Result<Option<RawDocumentBuf>, FederationError> {
        loop {
            if let Some(document) = self.ready.pop_front() {
                return Ok(Some(document));
            }
            let Some(documents) = &mut self.documents else { return Ok(None) };
            let input = if self.run.is_done() { None } else { documents.try_next().await? };
            match input {
                Some(document) => self.ready.extend(self.run.push(document)?),
                None => {
                    self.documents = None;
                    self.ready.extend(self.run.finish()?);
                }
            }
        }
    }
}

/// Answers an `aggregate`.
pub(super) async fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    let aggregate = Aggregate::parse(endpoint, context, command)?;
    if command.get_bool("explain")? == Some(true) {
        return explain::of_query(endpoint, &aggregate.query, explain::Verbosity::Planner).await;
    }
    let Some(cursor) = command.get_document("cursor")? else {
        let text =
            "The 'cursor' option is required, except for aggregate with the explain argument";
        return Err(CommandError::failed_to_parse(text));
    };
    let options_of_cursor = Command {
        name: "cursor".into(),
        body: cursor.to_owned(),
        ..Command::new(&command.database, command.body.clone())?
    };
    let namespace = aggregate.query.namespace.to_string();
    let session = Session::new(endpoint);
    let noted = log::Noted::new(&session, context, command);
    let documents = log::noting(aggregate.read(session), noted).map_err(CommandError::from).boxed();
    let batch_size = options::batch_size(options_of_cursor.get_u64("batchSize")?);
    Ok(Reply::Cursor(CursorReply { batch_size, ..CursorReply::new(namespace, documents) }))
}
