//! The embedded MongoDB-compatible cluster: redb behind the wire server.
