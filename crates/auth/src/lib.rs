//! Who is calling and what may they do.
//!
//! Here are HTTP Digest, the formats of keys, secrets and access tokens, the derivation of SCRAM
//! secrets, the one policy table (role -> actions), and the [`Authorized`] witness that the store
//! demands for tenants' resources. What is not here: SQL (the store finds keys and grants) and HTTP
//! (the admin API reads headers and writes answers).

mod action;
mod authorized;
mod credentials;
mod digest;
mod digest_client;
mod error;
mod policy;
mod principal;
mod replay;
pub mod scram;

pub use action::Action;
pub use authorized::{Authorized, Instance, OrgScope, ProjectScope, Refused, Scope, authorize};
pub use credentials::{
    ACCESS_TOKEN_LIFETIME_MS, AccessToken, ApiKeyPair, ServiceAccountSecret, hash_token,
    mask_private_key, secret_matches,
};
pub use digest::{
    DigestCredentials, DigestGate, DigestOutcome, REALM, ha1, ha1_matches, parse_digest,
};
pub use digest_client::answer_digest;
pub use error::AuthError;
pub use policy::{allowed_in_org, allowed_in_project};
pub use principal::{Actor, Grants, Principal};

#[cfg(test)]
mod tests;
