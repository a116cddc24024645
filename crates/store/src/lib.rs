//! Control state in SQLite or PostgreSQL: one file per resource.
