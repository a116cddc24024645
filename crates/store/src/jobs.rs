//! Jobs: what is due, and when.
