//! Tests of the cursor registry.
