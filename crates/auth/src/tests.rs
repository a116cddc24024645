//! Tests of authentication and authorization.

mod credentials;
mod digest;
mod policy;
