//! The Portolan binary.
fn main() {}
