//! `distinct`: the different values of one path.

use std::collections::BTreeMap;

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, rawdoc};
use futures::TryStreamExt;
use portolan_mql::key;
use portolan_wire::{Command, CommandContext, CommandError, Reply};

use super::{log, options};
use crate::query::Query;
use crate::session::Session;
use crate::{Endpoint, reader};

const KNOWN: &[&str] = &["key", "query"];
/// The reply is one document, so the values must fit into one.
const VALUES_BYTES_MAX: usize = 16 * 1024 * 1024 - 16 * 1024;
/// What servers answer when they do not.
const DISTINCT_TOO_BIG: i32 = 17217;

pub(super) fn parse(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Query, CommandError> {
    options::check(command, KNOWN, &[])?;
    let namespace = options::namespace(context, command)?;
    let evaluation = options::evaluation(endpoint, command)?;
    Ok(Query::new(namespace, options::filter(command, "query")?, &evaluation)?)
}

/// Answers a `distinct`.
pub(super) async fn run(
    endpoint: &Endpoint,
    context: &CommandContext,
    command: &Command,
) -> Result<Reply, CommandError> {
    let query = parse(endpoint, context, command)?;
    let Some(path) = command.get_str("key")?.filter(|path| !path.is_empty()) else {
        return Err(CommandError::failed_to_parse("distinct needs the field key"));
    };
    let parts: Vec<&str> = path.split('.').collect();
    let session = Session::new(endpoint);
    let noted = log::Noted::new(&session, context, command);
    let mut documents = log::noting(reader::read(session, query), noted);
    let mut values = Values::default();
    while let Some(document) = documents.try_next().await? {
        values.collect(RawBsonRef::Document(&document), &parts)?;
    }
    let values: RawArrayBuf = values.by_key.into_values().collect();
    Ok(Reply::Document(rawdoc! { "values": values }))
}

/// Different values, in their order.
#[derive(Default)]
struct Values {
    by_key: BTreeMap<Vec<u8>, RawBson>,
    size_bytes: usize,
}

impl Values {
    /// Follows a path through documents and arrays; an array at its end counts by its elements.
    fn collect(&mut self, value: RawBsonRef<'_>, parts: &[&str]) -> Result<(), CommandError> {
        match (value, parts.split_first()) {
            (RawBsonRef::Array(array), None) => {
                array.into_iter().try_for_each(|element| self.add(element?))
            }
            (value, None) => self.add(value),
            (RawBsonRef::Document(document), Some((first, rest))) => match document.get(first)? {
                Some(inner) => self.collect(inner, rest),
                None => Ok(()),
            },
            (RawBsonRef::Array(array), Some((first, rest))) => {
                for (index, element) in array.into_iter().enumerate() {
                    let element = element?;
                    if matches!(element, RawBsonRef::Document(_)) {
                        self.collect(element, parts)?;
                    }
                    if *first == index.to_string() {
                        self.collect(element, rest)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, value: RawBsonRef<'_>) -> Result<(), CommandError> {
        let key = key::encode(value);
        if self.by_key.contains_key(&key) {
            return Ok(());
        }
        let owned = RawBson::from(value);
        self.size_bytes += size_of(&owned);
        if self.size_bytes > VALUES_BYTES_MAX {
            return Err(CommandError::new(DISTINCT_TOO_BIG, "distinct too big, 16mb cap"));
        }
        self.by_key.insert(key, owned);
        Ok(())
    }
}

/// Bytes that a value takes in an array: type, index, value.
fn size_of(value: &RawBson) -> usize {
    let mut probe = bson::RawDocumentBuf::new();
    probe.append(bson::raw::cstr!("1234567"), value.as_raw_bson_ref());
    let probe: &RawDocument = &probe;
    probe.as_bytes().len()
}

#[cfg(test)]
mod tests;
