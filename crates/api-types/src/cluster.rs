//! Wire shapes of clusters.
