//! Rate limits: token buckets, one per set of endpoints and per project, organization, caller or address.
//!
//! A request of somebody who may not see the project or organization of its path takes from the caller's
//! own bucket: nobody empties a foreign one. Buckets are kept by this process alone and their number is
//! bounded; which limits there are is in [`sets`].

mod buckets;
mod sets;

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::http::Response;
use portolan_api_types::{ErrorCode, Problem};

use crate::answer::set_header;
use crate::call::Call;
pub(crate) use sets::{EndpointSet, REFILL_S, RateScope, SETS, TOKEN_PATH, set_of};

use buckets::{Buckets, Level};

/// The buckets of this process.
pub(crate) struct RateLimiter {
    multiplier: f64,
    buckets: Mutex<Buckets>,
}

/// What a request got from its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    limit: u64,
    refill: u64,
    remaining: u64,
    /// Whole seconds until there is a token again; `None` when there was one.
    retry_after_s: Option<u64>,
}

impl RateLimiter {
    /// All buckets full. `multiplier` scales capacities and refills.
    pub(crate) fn new(multiplier: f64) -> Self {
        Self { multiplier, buckets: Mutex::default() }
    }

    /// A documented figure as it is in force here: scaled, at least one.
    pub(crate) fn scaled(&self, figure: u32) -> u64 {
        let scaled = (f64::from(figure) * self.multiplier).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let whole = if scaled < 1.0 { 1 } else { scaled.min(1e15) as u64 };
        whole
    }

    /// Takes a token for one request.
    pub(crate) fn take(&self, set: &'static EndpointSet, key: &str, now_boot_ms: u64) -> Taken {
        let (limit, refill) = (self.scaled(set.capacity), self.scaled(set.refill));
        let level = Level { capacity: limit, refill_per_minute: refill };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (remaining, retry_after_s) = buckets.take((set.id, key), level, now_boot_ms);
        Taken { limit, refill, remaining, retry_after_s }
    }

    /// Takes a token for a call; `seen` says that the caller may see what its path names.
    pub(crate) fn take_for(&self, pattern: &str, call: &Call, seen: bool) -> Taken {
        let set = set_of(pattern);
        let caller = || call.caller.principal.actor.id_text();
        let address = || call.caller.remote_address.map(|ip| ip.to_string()).unwrap_or_default();
        let key = match set.scope {
            RateScope::Ip => address(),
            RateScope::Group if seen => call.text("groupId").to_owned(),
            RateScope::Organization if seen => call.text("orgId").to_owned(),
            _ => caller(),
        };
        self.take(set, &key, call.control().runtime.boot_ms())
    }
}

impl Taken {
    /// The refusal, when there was no token left.
    pub(crate) fn problem(&self, path: &str) -> Option<Problem> {
        let (after, limit, refill) = (self.retry_after_s?, self.limit, self.refill);
        let detail = format!(
            "Rate limit exceeded for {path}. Please retry after {after} seconds. Request capacity: \
             {limit}. Refill rate: {refill} per {REFILL_S} seconds."
        );
        let problem = Problem::new(ErrorCode::RateLimitedTokenBucket, detail);
        Some(problem.with(path).with(after).with(limit).with(refill).with(REFILL_S))
    }

    /// The refusal of the token endpoint, which has words of its own.
    pub(crate) fn token_problem(&self) -> Option<Problem> {
        self.retry_after_s?;
        let limit = self.limit;
        let detail =
            format!("Resource {TOKEN_PATH} is limited to {limit} requests every 1 minutes.");
        Some(Problem::new(ErrorCode::RateLimited, detail).with(TOKEN_PATH).with(limit).with(1))
    }

    /// Tells the client how it stands.
    pub(crate) fn set_headers(&self, response: &mut Response<Body>) {
        set_header(response, "ratelimit-limit", &self.limit.to_string());
        set_header(response, "ratelimit-remaining", &self.remaining.to_string());
        if let Some(after) = self.retry_after_s {
            set_header(response, "retry-after", &after.to_string());
        }
    }
}
