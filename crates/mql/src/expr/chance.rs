//! `$rand`: numbers from a stream that the command's seed decides, because this crate draws no
//! randomness of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use bson::RawBsonRef;

use super::parse::Parser;
use super::{Env, Expr, Special, Value};
use crate::{MqlError, Result};

/// Distance between two states of the stream (SplitMix64).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug)]
struct Rand(AtomicU64);

impl Special for Rand {
    fn eval<'e>(&'e self, _: &Env<'e>) -> Result<Value<'e>> {
        let state = self.0.fetch_add(STEP, Ordering::Relaxed);
        // The upper 53 bits are a double in 0.0..1.0.
        Ok(Value::double((mixed(state) >> 11) as f64 / (1_u64 << 53) as f64))
    }
}

/// The number of a state of the stream.
pub(crate) fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) fn rand(_: &str, value: RawBsonRef<'_>, parser: &mut Parser<'_>) -> Result<Expr> {
    let empty = match value {
        RawBsonRef::Document(doc) => doc.is_empty(),
        RawBsonRef::Array(array) => array.is_empty(),
        _ => false,
    };
    if !empty {
        return Err(MqlError::new(3_040_501, "$rand does not currently accept arguments"));
    }
    Ok(Expr::Special(Box::new(Rand(AtomicU64::new(parser.seed())))))
}
