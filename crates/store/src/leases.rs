//! Leases and their fencing tokens.
