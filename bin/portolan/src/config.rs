//! The configuration file: one TOML file, overlaid by environment variables
//! `PORTOLAN__SECTION__KEY`. Unknown keys are refused, every value is checked before anything starts.
//! What is not here: what the values do. The instance takes them from here.

mod archiver;
mod overlay;
mod storage;

pub(crate) use archiver::Archiver;
pub(crate) use storage::Storage;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde::Deserialize;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Folder of the instance: control state, keys, sandbox clusters, archives.
    pub(crate) dir: PathBuf,
    /// The HTTP listener.
    pub(crate) server: Server,
    /// What `portolan worker` has of its own.
    pub(crate) worker: Worker,
    /// Where the control state lives.
    pub(crate) state: State,
    /// The key that encrypts stored secrets.
    pub(crate) keys: Keys,
    /// Where archives lie.
    pub(crate) storage: Vec<Storage>,
    /// Listeners of sandbox clusters and archive endpoints.
    pub(crate) endpoints: Endpoints,
    /// Which clusters may be attached.
    pub(crate) clusters: Clusters,
    /// Cadence and sizes of archive runs.
    pub(crate) archiver: Archiver,
    /// The audit trail.
    pub(crate) audit: Audit,
    /// Limits.
    pub(crate) limits: Limits,
    /// Logging.
    pub(crate) log: Log,
}

/// Networks by `PROVIDER/REGION`.
pub(crate) type Networks = BTreeMap<String, Vec<IpNet>>;

/// The HTTP listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address and port. Anything but loopback needs `tls` or `insecure`.
    pub(crate) listen: SocketAddr,
    /// The base URL that clients use, for links; default: from `listen`.
    pub(crate) public_url: Option<String>,
    /// Certificate and key.
    pub(crate) tls: Option<Tls>,
    /// Serve plain HTTP beyond loopback: only behind a proxy that ends TLS.
    pub(crate) insecure: bool,
    /// Proxies whose `X-Forwarded-For` names the client, as CIDR.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Networks on which the API is reached, by `PROVIDER/REGION`, for `listControlPlaneIpAddresses`.
    pub(crate) inbound_networks: Networks,
    /// Networks from which attached clusters are dialled, likewise.
    pub(crate) outbound_networks: Networks,
}

/// What `portolan worker` has of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Worker {
    /// Where it shows `/metrics` and `/livez`, as `server.tls` says; nowhere when absent.
    pub(crate) listen: Option<SocketAddr>,
}

/// Certificate and key files, PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Chain, leaf first.
    pub(crate) cert_file: PathBuf,
    /// Private key.
    pub(crate) key_file: PathBuf,
}

/// Where the control state lives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct State {
    /// `sqlite:PATH` or `postgres://…`; default: `control.db` in the folder.
    pub(crate) url: Option<String>,
    /// A file that holds the URL, for URLs with a password.
    pub(crate) url_file: Option<PathBuf>,
}

/// The key that encrypts stored secrets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// Master key file; default: `keys/master.key` in the folder, made at first start.
    pub(crate) master_key_file: Option<PathBuf>,
}

/// Listeners of sandbox clusters and archive endpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Endpoints {
    /// Address to listen on.
    pub(crate) bind: std::net::IpAddr,
    /// Host name in connection strings; drivers must be able to resolve it.
    pub(crate) advertised_host: String,
    /// First and last port; each listener keeps its port for life.
    pub(crate) port_range: (u16, u16),
    /// Whether connections over loopback, too, must be on the project's IP access list.
    pub(crate) strict_access_list: bool,
    /// Certificate and key; without them `bind` must be loopback or `server.insecure` set.
    pub(crate) tls: Option<Tls>,
}

/// Which clusters may be attached, and what sandbox clusters do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Clusters {
    /// Private and loopback networks that may be dialled, as CIDR.
    pub(crate) allowed_networks: Vec<IpNet>,
    /// Whether admin users of sandbox clusters may set fail points.
    pub(crate) sandbox_test_commands: bool,
    /// Memory that the sandbox clusters of this process share for pages of their files.
    pub(crate) sandbox_cache_bytes: usize,
}

impl Default for Clusters {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            sandbox_test_commands: false,
            sandbox_cache_bytes: 512 * 1024 * 1024,
        }
    }
}

/// The audit trail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    /// How many days a row stays; 0: for ever.
    pub(crate) retention_days: u32,
}

/// Limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Bytes of a request body.
    pub(crate) body_bytes_max: usize,
    /// Connections of one sandbox cluster or endpoint.
    pub(crate) connections_max: usize,
    /// Connections of the HTTP listener.
    pub(crate) http_connections_max: usize,
    /// Of these, from one address that is no trusted proxy.
    pub(crate) http_connections_per_address_max: usize,
    /// How long an HTTP client may take to send the head of a request, or leave a connection idle.
    pub(crate) http_head_timeout_ms: u64,
    /// How long an HTTP client may take to send a body.
    pub(crate) http_body_timeout_ms: u64,
    /// How long an HTTP client may take to accept more of an answer.
    pub(crate) http_write_timeout_ms: u64,
    /// Scales the rate limits of the Admin API.
    pub(crate) rate_multiplier: f64,
}

/// Logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// A filter such as `info` or `warn,portolan_archiver=debug`.
    pub(crate) level: String,
    /// `text` or `json`.
    pub(crate) format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("./portolan-data"),
            server: Server::default(),
            worker: Worker::default(),
            state: State::default(),
            keys: Keys::default(),
            storage: Vec::new(),
            endpoints: Endpoints::default(),
            clusters: Clusters::default(),
            archiver: Archiver::default(),
            audit: Audit::default(),
            limits: Limits::default(),
            log: Log::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        Self {
            listen,
            public_url: None,
            tls: None,
            insecure: false,
            trusted_proxies: Vec::new(),
            inbound_networks: Networks::new(),
            outbound_networks: Networks::new(),
        }
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            bind: [127, 0, 0, 1].into(),
            advertised_host: "127.0.0.1".to_owned(),
            port_range: (27_100, 27_399),
            strict_access_list: false,
            tls: None,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: 365 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 5 << 20,
            connections_max: 1_000,
            http_connections_max: 1_000,
            http_connections_per_address_max: 250,
            http_head_timeout_ms: 30_000,
            http_body_timeout_ms: 30_000,
            http_write_timeout_ms: 30_000,
            rate_multiplier: 1.0,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        // The libraries that read Delta logs say a lot at `info`.
        let level = "info,buoyant_kernel=warn,buoyant_kernel_engine=warn,deltalake_core=warn";
        Self { level: level.to_owned(), format: LogFormat::Text }
    }
}

impl Config {
    /// Reads the file, if any, overlays the environment, and checks the whole.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?,
            None => String::new(),
        };
        let table: toml::Table = text.parse().context("the configuration is not TOML")?;
        let table = overlay::apply(table, environment)?;
        let config: Self = table.try_into().context("the configuration")?;
        config.check()?;
        Ok(config)
    }

    /// Checks what types cannot say.
    pub(crate) fn check(&self) -> Result<()> {
        let server = &self.server;
        let listeners = [("server", Some(server.listen)), ("worker", self.worker.listen)];
        for (section, listen) in listeners {
            let Some(listen) = listen else { continue };
            ensure!(
                listen.ip().is_loopback() || server.tls.is_some() || server.insecure,
                "{section}.listen {listen} is not loopback: set server.tls, or server.insecure = \
                 true behind a proxy that ends TLS"
            );
        }
        ensure!(
            self.endpoints.bind.is_loopback() || self.endpoints.tls.is_some() || server.insecure,
            "endpoints.bind {} is not loopback: set endpoints.tls, or server.insecure = true",
            self.endpoints.bind
        );
        let (first, last) = self.endpoints.port_range;
        ensure!(
            first > 0 && first <= last,
            "endpoints.port_range must be [first, last], rising, without 0"
        );
        self.archiver.check()?;
        ensure!(
            self.state.url.is_none() || self.state.url_file.is_none(),
            "state.url and state.url_file exclude each other"
        );
        let rate = self.limits.rate_multiplier;
        ensure!(
            rate.is_finite() && rate > 0.0,
            "limits.rate_multiplier must be more than 0; a large one lifts the rate limits"
        );
        for networks in [&server.inbound_networks, &server.outbound_networks] {
            check_labels(networks)?;
        }
        self.check_storage()
    }

    fn check_storage(&self) -> Result<()> {
        let (mut names, mut regions) = (BTreeSet::new(), BTreeSet::new());
        for location in &self.storage {
            ensure!(
                names.insert(&location.name),
                "two storage locations are named {}",
                location.name
            );
            location.check()?;
            // A location without regions serves all others: of those, too, there is one.
            let others = String::new();
            let served =
                if location.regions.is_empty() { vec![others] } else { location.regions.clone() };
            for label in served {
                let what = if label.is_empty() { "all other regions" } else { label.as_str() };
                let why = format!("storage {}: two locations serve {what}", location.name);
                ensure!(regions.insert(label.clone()), "{why}");
            }
        }
        Ok(())
    }

    /// The URL of the control state.
    pub(crate) fn state_url(&self) -> Result<String> {
        if let Some(file) = &self.state.url_file {
            let url = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read state.url_file {}", file.display()))?;
            return Ok(url.trim().to_owned());
        }
        let default = || format!("sqlite:{}", self.dir.join("control.db").display());
        Ok(self.state.url.clone().unwrap_or_else(default))
    }
}

fn check_labels(networks: &Networks) -> Result<()> {
    for label in networks.keys() {
        ensure!(
            is_label(label),
            "server: {label} is no label such as AWS/US_EAST_1 (AWS, AZURE or GCP)"
        );
    }
    Ok(())
}

/// Whether a text is `PROVIDER/REGION`.
fn is_label(text: &str) -> bool {
    text.split_once('/').is_some_and(|(provider, region)| {
        matches!(provider, "AWS" | "AZURE" | "GCP") && !region.is_empty()
    })
}

#[cfg(test)]
mod tests;
