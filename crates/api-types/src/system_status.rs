//! system_status
