//! The only door to users' live clusters.
