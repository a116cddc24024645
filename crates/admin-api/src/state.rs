//! What every request may use.

use std::sync::{Arc, OnceLock};

use portolan_api_types::control_plane::ControlPlaneAddresses;
use portolan_api_types::links::Base;
use portolan_auth::DigestGate;
use portolan_control::Control;
use portolan_security::IpNet;
use prometheus_client::registry::Registry;

use crate::metrics::ApiMetrics;
use crate::openapi::{openapi, page};
use crate::rate::RateLimiter;
use crate::usage::UsageLedger;

/// What the binary decides about the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Signs the nonces of Digest challenges; replicas share it.
    pub nonce_key: [u8; 32],
    /// Largest request body.
    pub body_bytes_max: usize,
    /// How long a client may take to send its body.
    pub body_timeout_ms: u64,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Scales the rate limits that the service documents; more than zero.
    pub rate_multiplier: f64,
    /// The addresses that `listControlPlaneIpAddresses` tells.
    pub addresses: ControlPlaneAddresses,
    /// Version of the product, for `/version` and a response header.
    pub version: String,
    /// The 40 hexadecimal digits of the source's commit; zeros when unknown.
    pub build: String,
}

impl ApiSettings {
    /// The defaults, with this nonce key.
    #[must_use]
    pub fn new(nonce_key: [u8; 32]) -> Self {
        Self {
            nonce_key,
            body_bytes_max: 1024 * 1024,
            body_timeout_ms: 30_000,
            trusted_proxies: Vec::new(),
            rate_multiplier: 1.0,
            addresses: ControlPlaneAddresses::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: "0".repeat(40),
        }
    }
}

/// Shared by all requests. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) control: Control,
    pub(crate) settings: ApiSettings,
    pub(crate) gate: DigestGate,
    pub(crate) limiter: RateLimiter,
    pub(crate) usage: UsageLedger,
    pub(crate) base: Base,
    pub(crate) metrics: ApiMetrics,
    pub(crate) registry: Arc<Registry>,
    /// The API description, for programs and for people, once somebody asked for it.
    described: OnceLock<Described>,
}

/// The API description as it is served.
pub(crate) struct Described {
    pub(crate) json: Vec<u8>,
    pub(crate) page: Vec<u8>,
}

impl ApiState {
    /// Assembles the state. `metrics` must have been registered in `registry`.
    #[must_use]
    pub fn new(
        control: Control,
        settings: ApiSettings,
        metrics: ApiMetrics,
        registry: Arc<Registry>,
    ) -> Self {
        let gate = DigestGate::new(&settings.nonce_key);
        let limiter = RateLimiter::new(settings.rate_multiplier);
        let usage = UsageLedger::default();
        let base = Base::new(&control.public_url);
        let described = OnceLock::new();
        let inner =
            Inner { control, settings, gate, limiter, usage, base, metrics, registry, described };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn described(&self) -> &Described {
        self.inner.described.get_or_init(|| {
            let inner = &self.inner;
            let document = openapi(inner.base.public_url(), &inner.settings.version);
            let json = document.to_string().into_bytes();
            Described { json, page: page::write(&document).into_bytes() }
        })
    }

    pub(crate) fn control(&self) -> &Control {
        &self.inner.control
    }
}
