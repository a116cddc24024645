//! Accumulators that keep several values: the first or last that come, the smallest or largest, and
//! those that come first or last in an order.

use std::collections::VecDeque;

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument};

use super::accumulators::size;
use crate::{Collation, Result, Sort, key};

/// Which values are kept.
#[derive(Debug)]
pub(super) enum Keep {
    First,
    Last,
    Smallest(Option<Collation>),
    Largest(Option<Collation>),
    Top(Sort),
    Bottom(Sort),
}

/// The values of one group.
#[derive(Debug)]
pub(super) struct Several {
    keep: Keep,
    count: usize,
    /// The result is one value, not an array.
    single: bool,
    /// Values and what they are ordered by.
    held: VecDeque<(Vec<u8>, RawBson)>,
    bytes: usize,
}

impl Several {
    pub(super) fn new(keep: Keep, count: usize, single: bool) -> Self {
        Self { keep, count, single, held: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, value: Option<RawBsonRef<'_>>, doc: &RawDocument) -> Result<()> {
        let nothing = matches!(value, None | Some(RawBsonRef::Null | RawBsonRef::Undefined));
        let value = value.unwrap_or(RawBsonRef::Null);
        let order = match &self.keep {
            Keep::First if self.held.len() >= self.count => return Ok(()),
            // Values that are not there have no extreme.
            Keep::Smallest(_) | Keep::Largest(_) if nothing => return Ok(()),
            Keep::First | Keep::Last => Vec::new(),
            Keep::Smallest(collation) => key::encode_in(value, collation.as_ref()),
            Keep::Largest(collation) => {
                key::encode_in(value, collation.as_ref()).into_iter().map(|byte| !byte).collect()
            }
            Keep::Top(sort) | Keep::Bottom(sort) => sort.key(doc)?,
        };
        self.put(order, value.into());
        self.trim();
        Ok(())
    }

    /// Behind what sorts alike: who came first stays first.
    fn put(&mut self, order: Vec<u8>, value: RawBson) {
        let place = self.held.partition_point(|(known, _)| *known <= order);
        self.bytes += order.len() + size(&value) + size_of::<RawBson>();
        self.held.insert(place, (order, value));
    }

    fn trim(&mut self) {
        if self.held.len() <= self.count {
            return;
        }
        let gone = match self.keep {
            Keep::Last | Keep::Bottom(_) => self.held.pop_front(),
            _ => self.held.pop_back(),
        };
        if let Some((order, value)) = gone {
            self.bytes -= order.len() + size(&value) + size_of::<RawBson>();
        }
    }

    pub(super) fn finish(mut self) -> RawBson {
        if self.single {
            return self.held.pop_front().map_or(RawBson::Null, |(_, value)| value);
        }
        let mut array = RawArrayBuf::new();
        for (_, value) in &self.held {
            array.push(value.as_raw_bson_ref());
        }
        RawBson::Array(array)
    }
}
