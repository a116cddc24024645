//! The MongoDB query language over raw BSON: pure functions, no I/O.
