//! `$group`: documents by key, with accumulators. Null and missing keys are one group.

use std::collections::HashMap;

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::accumulators::{Accumulator, State};
use super::parse::too_much_memory;
use crate::expr::{Expr, append};
use crate::{Collation, Context, MqlError, Result, key};

/// A parsed `$group`.
#[derive(Debug)]
pub(super) struct Group {
    id: Expr,
    fields: Vec<(String, Accumulator, Expr)>,
    collation: Option<Collation>,
}

impl Group {
    /// What `$sortByCount` groups: by an expression, with a count.
    pub(super) fn counting(id: Expr, context: &Context) -> Self {
        let one = Expr::Constant(RawBson::Int32(1));
        let sum = Accumulator::plain("$sum", None);
        let collation = context.collation.clone();
        Self { id, fields: vec![("count".to_owned(), sum, one)], collation }
    }
}

pub(super) fn parse(spec: &RawDocument, context: &Context) -> Result<Group> {
    let mut id = None;
    let mut fields: Vec<(String, Accumulator, Expr)> = Vec::new();
    for field in spec {
        let (name, value) = field?;
        let name = name.as_str();
        if name == "_id" {
            id = Some(Expr::parse(value, context)?);
            continue;
        }
        if name.contains('.') || name.starts_with('$') {
            let message = format!("The field name '{name}' cannot contain '.' or start with '$'");
            return Err(MqlError::new(40235, message));
        }
        let (accumulator, expr) = accumulator(name, value, context)?;
        fields.push((name.to_owned(), accumulator, expr));
    }
    let id = id.ok_or_else(|| MqlError::new(15955, "a group specification must include an _id"))?;
    Ok(Group { id, fields, collation: context.collation.clone() })
}

fn accumulator(
    name: &str,
    value: RawBsonRef<'_>,
    context: &Context,
) -> Result<(Accumulator, Expr)> {
    let shape = || {
        let message = format!("The field '{name}' must be an accumulator object");
        MqlError::new(40234, message)
    };
    let spec = value.as_document().ok_or_else(shape)?;
    let mut parts = spec.into_iter();
    let (Some(first), None) = (parts.next(), parts.next()) else {
        let message = format!("The field '{name}' must specify one accumulator");
        return Err(MqlError::new(40238, message));
    };
    let (operator, argument) = first?;
    if !operator.as_str().starts_with('$') {
        return Err(shape());
    }
    Accumulator::parse(operator.as_str(), argument, context)
}

/// One execution of a `$group`.
#[derive(Debug, Default)]
pub(super) struct Groups {
    places: HashMap<Vec<u8>, usize>,
    groups: Vec<(RawBson, Vec<State>)>,
    bytes: usize,
}

/// Bytes that a group costs beside its key and its id.
const GROUP_BYTES: usize = 160;

impl Groups {
    pub(super) fn add(
        &mut self,
        group: &Group,
        doc: &RawDocument,
        memory_bytes: usize,
    ) -> Result<()> {
        let id = group.id.evaluate(doc)?;
        let collation = group.collation.as_ref();
        let key = id.get().map_or_else(key::missing, |id| key::encode_in(id, collation));
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => {
                let states = group.fields.iter().map(|(_, kind, _)| kind.start()).collect();
                self.bytes += 2 * key.len() + GROUP_BYTES;
                self.places.insert(key, self.groups.len());
                self.groups.push((id.into_raw().unwrap_or(RawBson::Null), states));
                self.groups.len() - 1
            }
        };
        let states = &mut self.groups[place].1;
        for ((_, _, expr), state) in group.fields.iter().zip(states) {
            self.bytes += state.add(expr.evaluate(doc)?, doc)?;
        }
        if self.bytes > memory_bytes {
            return Err(too_much_memory("$group", memory_bytes));
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, group: &Group) -> Result<Vec<RawDocumentBuf>> {
        let groups = std::mem::take(&mut self.groups);
        groups.into_iter().map(|(id, states)| output(group, &id, states)).collect()
    }
}

fn output(group: &Group, id: &RawBson, states: Vec<State>) -> Result<RawDocumentBuf> {
    let mut doc = RawDocumentBuf::new();
    append(&mut doc, "_id", id)?;
    for ((name, ..), state) in group.fields.iter().zip(states) {
        append(&mut doc, name, state.finish())?;
    }
    Ok(doc)
}
