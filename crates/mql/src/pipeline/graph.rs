//! `$graphLookup`: what is reached from a value through another collection, breadth first.

use std::collections::HashSet;

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::parse::too_much_memory;
use crate::expr::{Expr, FieldPath, append, check_size};
use crate::mutate::{set, split};
use crate::number::Number;
use crate::{Context, Filter, MqlError, Others, Result, key};

/// A parsed `$graphLookup`.
#[derive(Debug)]
pub(super) struct GraphLookup {
    from: String,
    start: Expr,
    connect_from: FieldPath,
    connect_to: String,
    to: Vec<String>,
    depth_max: Option<u64>,
    depth_field: Option<Vec<String>>,
    restriction: Option<RawDocumentBuf>,
    context: Context,
    others: Others,
}

impl GraphLookup {
    pub(super) fn parse(spec: &RawDocument, context: &Context) -> Result<Self> {
        let Some(others) = context.others.clone() else {
            return Err(MqlError::not_implemented("$graphLookup"));
        };
        let known = [
            "from",
            "startWith",
            "connectFromField",
            "connectToField",
            "as",
            "maxDepth",
            "depthField",
            "restrictSearchWithMatch",
        ];
        for field in spec {
            let (name, _) = field?;
            if !known.contains(&name.as_str()) {
                let message = format!("Unknown argument to $graphLookup: {}", name.as_str());
                return Err(MqlError::new(40104, message));
            }
        }
        let text = |name: &str| match spec.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text)),
            Some(_) => {
                let message = format!("expected string as argument for {name}");
                Err(MqlError::new(40103, message))
            }
        };
        let required = |name: &str| text(name)?.ok_or_else(incomplete);
        let start = spec.get("startWith")?.ok_or_else(incomplete)?;
        let restriction = match spec.get("restrictSearchWithMatch")? {
            None => None,
            Some(RawBsonRef::Document(filter)) => {
                Filter::parse(filter, context)?;
                Some(filter.to_owned())
            }
            Some(_) => {
                let message = "$graphLookup: restrictSearchWithMatch must be an object";
                return Err(MqlError::new(40185, message));
            }
        };
        FieldPath::parse(required("as")?)?;
        FieldPath::parse(required("connectToField")?)?;
        Ok(Self {
            from: required("from")?.to_owned(),
            start: Expr::parse(start, context)?,
            connect_from: FieldPath::parse(required("connectFromField")?)?,
            connect_to: required("connectToField")?.to_owned(),
            to: split(required("as")?),
            depth_max: depth_max(spec)?,
            depth_field: text("depthField")?.map(split),
            restriction,
            context: context.clone(),
            others,
        })
    }

    /// The document with what is reached from it.
    pub(super) fn apply(&self, doc: &RawDocument, memory_bytes: usize) -> Result<RawDocumentBuf> {
        let mut search = Search::default();
        search.aim(self.start.evaluate(doc)?.get())?;
        let mut depth = 0;
        while !search.frontier.is_empty() && self.depth_max.is_none_or(|max| depth <= max) {
            self.step(&mut search, depth, memory_bytes)?;
            depth += 1;
        }
        check_size(search.found.as_bytes().len())?;
        set(doc, &self.to, Some(RawBsonRef::Array(&search.found)))
    }

    /// Reads what the frontier leads to; what that leads to is the next frontier.
    fn step(&self, search: &mut Search, depth: u64, memory_bytes: usize) -> Result<()> {
        let wanted = std::mem::take(&mut search.frontier);
        let filter = Filter::parse(&self.filter(&wanted)?, &self.context)?;
        for document in self.others.read(&self.from, &filter)? {
            let document = document?;
            let id = document.get("_id")?.map_or_else(key::missing, key::encode);
            if !search.seen.insert(id) {
                continue;
            }
            search.aim(self.connect_from.of_document(&document)?.get())?;
            let depth = RawBsonRef::Int64(i64::try_from(depth).unwrap_or(i64::MAX));
            match &self.depth_field {
                Some(path) => search.found.push(set(&document, path, Some(depth))?),
                None => search.found.push(document),
            }
            if search.found.as_bytes().len() > memory_bytes {
                return Err(too_much_memory("$graphLookup", memory_bytes));
            }
        }
        Ok(())
    }

    fn filter(&self, wanted: &[RawBson]) -> Result<RawDocumentBuf> {
        let mut list = RawArrayBuf::new();
        wanted.iter().for_each(|value| list.push(value.as_raw_bson_ref()));
        let mut condition = RawDocumentBuf::new();
        condition.append(cstr!("$in"), RawBsonRef::Array(&list));
        let mut filter = RawDocumentBuf::new();
        append(&mut filter, &self.connect_to, RawBsonRef::Document(&condition))?;
        let Some(restriction) = &self.restriction else { return Ok(filter) };
        let mut both = RawArrayBuf::new();
        both.push(filter);
        both.push(restriction.clone());
        let mut joined = RawDocumentBuf::new();
        joined.append(cstr!("$and"), RawBsonRef::Array(&both));
        Ok(joined)
    }
}

/// One search through the graph.
#[derive(Default)]
struct Search {
    /// Values to look for next, none of which was looked for before.
    frontier: Vec<RawBson>,
    asked: HashSet<Vec<u8>>,
    /// Documents found, by `_id`.
    seen: HashSet<Vec<u8>>,
    found: RawArrayBuf,
}

impl Search {
    fn aim(&mut self, value: Option<RawBsonRef<'_>>) -> Result<()> {
        match value {
            Some(RawBsonRef::Array(array)) => {
                for element in array {
                    self.aim_at(element?)?;
                }
                Ok(())
            }
            Some(value) => self.aim_at(value),
            None => Ok(()),
        }
    }

    fn aim_at(&mut self, value: RawBsonRef<'_>) -> Result<()> {
        match value {
            RawBsonRef::Undefined => return Ok(()),
            RawBsonRef::RegularExpression(_) => {
                return Err(MqlError::not_implemented("$graphLookup by a regular expression"));
            }
            _ => {}
        }
        if self.asked.insert(key::encode(value)) {
            self.frontier.push(value.into());
        }
        Ok(())
    }
}

fn incomplete() -> MqlError {
    let message = "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and \
                   'connectToField' to be specified.";
    MqlError::new(40105, message)
}

fn depth_max(spec: &RawDocument) -> Result<Option<u64>> {
    let Some(value) = spec.get("maxDepth")? else { return Ok(None) };
    let number = Number::of(value).and_then(Number::as_integer);
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(depth) => Ok(Some(depth)),
        None => {
            let message = "maxDepth requires a nonnegative integer argument";
            Err(MqlError::new(40101, message))
        }
    }
}
