//! Online archives.
