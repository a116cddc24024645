//! Operators on arrays: `$push`, `$addToSet`, `$pull`, `$pullAll`, `$pop`.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use super::paths::{Change, Leaf};
use crate::compare::compare_in;
use crate::{Collation, Filter, MqlError, Result, Sort, types};

/// The elements of the array an operator meets; a missing one is empty.
fn elements(operator: &str, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Vec<RawBson>> {
    let array = match current {
        None => return Ok(Vec::new()),
        Some(RawBsonRef::Array(array)) => array,
        Some(other) => {
            let message = format!(
                "The field '{path}' must be an array for {operator} but is of type {}",
                types::name_of(other)
            );
            return Err(MqlError::bad_value(message));
        }
    };
    let mut out = Vec::new();
    for element in array {
        out.push(RawBson::from(element?));
    }
    Ok(out)
}

fn array(items: &[RawBson]) -> RawBson {
    RawBson::Array(items.iter().map(RawBson::as_raw_bson_ref).collect::<RawArrayBuf>())
}

/// How `$push` orders the array after adding.
#[derive(Debug)]
pub(super) enum Order {
    Values { ascending: bool, collation: Option<Collation> },
    Fields(Sort),
}

/// `$push` with its modifiers: insert, then sort, then slice.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) values: Vec<RawBson>,
    pub(super) position: Option<i64>,
    pub(super) order: Option<Order>,
    pub(super) slice: Option<i64>,
}

impl Leaf for Push {
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change> {
        let mut items = elements("$push", current, path)?;
        let length = items.len() as i64;
        let at = match self.position {
            Some(position) if position < 0 => length.saturating_add(position).max(0),
            Some(position) => position.min(length),
            None => length,
        };
        items.splice(at as usize..at as usize, self.values.iter().cloned());
        self.sort(&mut items)?;
        if let Some(slice) = self.slice {
            let keep = (slice.unsigned_abs() as usize).min(items.len());
            if slice < 0 {
                items.drain(..items.len() - keep);
            } else {
                items.truncate(keep);
            }
        }
        Ok(Change::Put(array(&items)))
    }
}

impl Push {
    fn sort(&self, items: &mut Vec<RawBson>) -> Result<()> {
        match &self.order {
            None => {}
            Some(Order::Values { ascending, collation }) => items.sort_by(|a, b| {
                let (a, b) = (a.as_raw_bson_ref(), b.as_raw_bson_ref());
                let order = compare_in(a, b, collation.as_ref());
                if *ascending { order } else { order.reverse() }
            }),
            Some(Order::Fields(sort)) => {
                let mut keyed = Vec::with_capacity(items.len());
                for item in items.drain(..) {
                    keyed.push((sort.element_key(item.as_raw_bson_ref())?, item));
                }
                keyed.sort_by(|a, b| a.0.cmp(&b.0));
                items.extend(keyed.into_iter().map(|(_, item)| item));
            }
        }
        Ok(())
    }
}

/// `$addToSet`: adds what no element equals.
#[derive(Debug)]
pub(super) struct AddToSet(pub(super) Vec<RawBson>, pub(super) Option<Collation>);

impl Leaf for AddToSet {
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change> {
        let existed = current.is_some();
        let mut items = elements("$addToSet", current, path)?;
        let before = items.len();
        for value in &self.0 {
            let value_ref = value.as_raw_bson_ref();
            let same = |item: &RawBson| {
                compare_in(item.as_raw_bson_ref(), value_ref, self.1.as_ref()).is_eq()
            };
            if !items.iter().any(same) {
                items.push(value.clone());
            }
        }
        let unchanged = existed && items.len() == before;
        Ok(if unchanged { Change::Keep } else { Change::Put(array(&items)) })
    }
}

/// Which elements `$pull` and `$pullAll` remove.
#[derive(Debug)]
pub(super) enum Pull {
    /// Elements equal to one of these.
    Equal(Vec<RawBson>, Option<Collation>),
    /// Documents that match.
    Documents(Filter),
    /// Elements that satisfy a predicate: the filter is on the field with the empty name.
    Values(Filter),
}

impl Leaf for Pull {
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change> {
        let items = elements("$pull", current, path)?;
        let before = items.len();
        let mut kept = Vec::with_capacity(before);
        for item in items {
            if !self.removes(item.as_raw_bson_ref())? {
                kept.push(item);
            }
        }
        Ok(if kept.len() == before { Change::Keep } else { Change::Put(array(&kept)) })
    }

    fn creates(&self) -> bool {
        false
    }
}

impl Pull {
    fn removes(&self, element: RawBsonRef<'_>) -> Result<bool> {
        match self {
            Self::Equal(values, collation) => {
                let order = |value: &RawBson| {
                    compare_in(value.as_raw_bson_ref(), element, collation.as_ref())
                };
                Ok(values.iter().any(|value| order(value).is_eq()))
            }
            Self::Documents(filter) => match element {
                RawBsonRef::Document(doc) => filter.matches(doc),
                _ => Ok(false),
            },
            Self::Values(filter) => {
                let mut holder = RawDocumentBuf::new();
                holder.append(cstr!(""), element);
                filter.matches(&holder)
            }
        }
    }
}

/// `$pop`: takes the first or the last element away.
#[derive(Debug)]
pub(super) struct Pop {
    pub(super) first: bool,
}

impl Leaf for Pop {
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change> {
        if let Some(other) = current.filter(|value| value.as_array().is_none()) {
            let found = types::name_of(other);
            let message = format!("Path '{path}' contains an element of non-array type '{found}'");
            return Err(MqlError::type_mismatch(message));
        }
        let mut items = elements("$pop", current, path)?;
        if items.is_empty() {
            return Ok(Change::Keep);
        }
        items.remove(if self.first { 0 } else { items.len() - 1 });
        Ok(Change::Put(array(&items)))
    }

    fn creates(&self) -> bool {
        false
    }
}
