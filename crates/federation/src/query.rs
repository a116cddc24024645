//! What a command asks of a namespace, free of the command's own shape.
//!
//! `find`, `count`, `distinct` and `aggregate` all come down to a [`Query`]; skipping, limiting,
//! projecting, counting and grouping happen above the union, never below it.

use bson::{RawDocument, RawDocumentBuf};
use portolan_model::Namespace;
use portolan_mql::{Context, Filter, Sort};

use crate::FederationError;

/// An order, as asked and as parsed.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) raw: RawDocumentBuf,
    pub(crate) sort: Sort,
}

/// Documents of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) namespace: Namespace,
    pub(crate) filter: Filter,
    /// `None`: any order.
    pub(crate) order: Option<Order>,
    /// How many documents from the front are needed (skip + limit); `None`: all.
    pub(crate) needed: Option<u64>,
    /// Whether the cluster may evaluate the filter. Not when it uses variables of this command.
    pub(crate) filter_travels: bool,
}

impl Query {
    /// All documents that match, in any order.
    pub(crate) fn new(
        namespace: Namespace,
        filter: &RawDocument,
        context: &Context,
    ) -> Result<Self, FederationError> {
        Ok(Self {
            namespace,
            filter: Filter::parse(filter, context)?,
            order: None,
            needed: None,
            filter_travels: context.vars.is_empty(),
        })
    }

    /// The same in an order.
    pub(crate) fn ordered(mut self, sort: Option<&RawDocument>) -> Result<Self, FederationError> {
        if let Some(raw) = sort {
            let sort = Sort::parse(raw)?;
            if !sort.is_empty() {
                self.order = Some(Order { raw: raw.to_owned(), sort });
            }
        }
        Ok(self)
    }

    /// The same, only the first `needed` documents.
    pub(crate) fn first(mut self, needed: Option<u64>) -> Self {
        self.needed = needed;
        self
    }
}
