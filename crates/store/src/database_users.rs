//! Database users of projects.
