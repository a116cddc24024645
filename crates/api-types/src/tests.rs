//! Tests of the wire shapes.

mod fields;
mod paging;
mod versions;
