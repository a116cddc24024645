//! Operators on single values: `$set`, `$unset`, `$inc`, `$mul`, `$min`, `$max`, `$bit`.

use std::cmp::Ordering;

use bson::{RawBson, RawBsonRef};

use super::paths::{Change, Leaf};
use crate::compare::compare_in;
use crate::expr::{Operation, calculate};
use crate::{Collation, MqlError, Result, types};

/// Sets a value; also what `$currentDate` sets.
#[derive(Debug)]
pub(super) struct Set(pub(super) RawBson);

impl Leaf for Set {
    fn change(&self, _: Option<RawBsonRef<'_>>, _: &str) -> Result<Change> {
        Ok(Change::Put(self.0.clone()))
    }
}

#[derive(Debug)]
pub(super) struct Unset;

impl Leaf for Unset {
    fn change(&self, _: Option<RawBsonRef<'_>>, _: &str) -> Result<Change> {
        Ok(Change::Remove)
    }

    fn creates(&self) -> bool {
        false
    }
}

/// `$inc` and `$mul`.
#[derive(Debug)]
pub(super) struct Calculate {
    pub(super) name: &'static str,
    pub(super) operation: Operation,
    pub(super) operand: RawBson,
}

impl Leaf for Calculate {
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change> {
        let operand = self.operand.as_raw_bson_ref();
        let current = current.unwrap_or(RawBsonRef::Int32(0));
        if crate::number::Number::of(current).is_none() {
            let message = format!(
                "Cannot apply {} to a value of non-numeric type. The field '{path}' is of \
                 non-numeric type {}",
                self.name,
                types::name_of(current)
            );
            return Err(MqlError::type_mismatch(message));
        }
        match calculate(self.operation, current, operand) {
            Some(value) => Ok(Change::Put(value)),
            None => {
                let message = format!(
                    "Failed to apply {} operations to the current value of '{path}'",
                    self.name
                );
                Err(MqlError::bad_value(message))
            }
        }
    }
}

/// `$min` and `$max`: puts the operand if it is on the wanted side of the value.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) wanted: Ordering,
    pub(super) operand: RawBson,
    pub(super) collation: Option<Collation>,
}

impl Leaf for Bound {
    fn change(&self, current: Option<RawBsonRef<'_>>, _: &str) -> Result<Change> {
        let operand = self.operand.as_raw_bson_ref();
        let collation = self.collation.as_ref();
        let order = |current| compare_in(operand, current, collation);
        let puts = current.is_none_or(|current| order(current) == self.wanted);
        Ok(if puts { Change::Put(self.operand.clone()) } else { Change::Keep })
    }
}

/// One of `and`, `or`, `xor`.
#[derive(Debug, Clone, Copy)]
pub(super) enum BitOperation {
    And,
    Or,
    Xor,
}

/// `$bit`: operations in the order given.
#[derive(Debug)]
pub(super) struct Bits(pub(super) Vec<(BitOperation, RawBson)>);

impl Leaf for Bits {
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change> {
        let mut value = RawBson::from(current.unwrap_or(RawBsonRef::Int32(0)));
        for (operation, operand) in &self.0 {
            value = bitwise(*operation, &value, operand).ok_or_else(|| {
                let found = types::name_of(value.as_raw_bson_ref());
                let message = format!(
                    "Cannot apply $bit to a value of non-integral type. The field '{path}' has \
                     the type {found}"
                );
                MqlError::bad_value(message)
            })?;
        }
        Ok(Change::Put(value))
    }
}

fn bitwise(operation: BitOperation, a: &RawBson, b: &RawBson) -> Option<RawBson> {
    let on = |a: i64, b: i64| match operation {
        BitOperation::And => a & b,
        BitOperation::Or => a | b,
        BitOperation::Xor => a ^ b,
    };
    Some(match (a, b) {
        // Sign extension commutes with all three.
        (RawBson::Int32(a), RawBson::Int32(b)) => {
            RawBson::Int32(on(i64::from(*a), i64::from(*b)) as i32)
        }
        (RawBson::Int32(a), RawBson::Int64(b)) | (RawBson::Int64(b), RawBson::Int32(a)) => {
            RawBson::Int64(on(i64::from(*a), *b))
        }
        (RawBson::Int64(a), RawBson::Int64(b)) => RawBson::Int64(on(*a, *b)),
        _ => return None,
    })
}
