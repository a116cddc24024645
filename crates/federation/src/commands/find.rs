//! `find`.

use futures::{StreamExt, TryStreamExt};
use portolan_mql::Projection;
use portolan_wire::{Command, CommandContext, CommandError, CursorReply, Reply};

use super::{log, options};
use crate::query::Query;
use crate::session::Session;
use crate::{Endpoint, FederationError, reader};

const KNOWN: &[&str] =
    &["filter", "sort", "projection", "skip", "limit", "batchSize", "singleBatch", "let"];
const REFUSED: &[&str] =
    &["tailable", "awaitData", "returnKey", "showRecordId", "min", "max", "oplogReplay"];

/// What a `find` asks, above the query itself.
pub(super) struct Find {
    pub(super) query: Query,
    pub(super) skip: u64,
    projection: Option<Projection>,
}

impl Find {
    pub(super) fn parse(
        endpoint: &Endpoint,
        context: &CommandContext,
        command: &Command,
    ) -> Result<Self, CommandError> {
        options::check(command, KNOWN, REFUSED)?;
        let namespace = options::namespace(context, command)?;
        let evaluation = options::evaluation(endpoint, command)?;
        let skip = command.get_u64("skip")?.unwrap_or(0);
        let limit = command.get_u64("limit")?.filter(|limit| *limit > 0);
        let needed = limit.map(|limit| limit.saturating_add(skip));
        let query = Query::new(namespace, options::filter(command, "filter")?, &evaluation)?
            .ordered(command.get_document("sort")?)?
            .first(needed);
        let projection = match command.get_document("projection")? {
            Some(projection) if !projection.is_empty() => {
                Some(Projection::parse(projection, &evaluation).map_err(FederationError::from)?)
            }
            _ => None,
        };
        Ok(Self { query, skip, projection })
    }

    /// The documents as the client is to get them.
    pub(super) fn read(self, session: Session) -> reader::Documents {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let documents = reader::read(session, self.query).skip(skip);
        match self.projection {
            None => documents.boxed(),
            Some(projection) => {
                documents.map(move |document| Ok(projection.apply(&document?)?)).boxed()
            }
        }
    }
}

/// Answers a `find`.
pub(super) fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    let find = Find::parse(endpoint, context, command)?;
    let namespace = find.query.namespace.to_string();
    let session = Session::new(endpoint);
    let noted = log::Noted::new(&session, context, command);
    let documents = log::noting(find.read(session), noted).map_err(CommandError::from).boxed();
    Ok(Reply::Cursor(CursorReply {
        namespace,
        documents,
        batch_size: options::batch_size(command.get_u64("batchSize")?),
        limit: command.get_u64("limit")?,
        single_batch: command.get_bool("singleBatch")?.unwrap_or(false),
        at_cluster_time: None,
        beside: None,
    }))
}
