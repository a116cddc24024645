//! Clusters of projects: sandbox and attached.
