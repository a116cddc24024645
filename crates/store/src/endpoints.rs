//! Endpoints of clusters and their ports.
