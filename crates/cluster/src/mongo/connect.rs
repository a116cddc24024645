//! Preparing a client under the address policy.
//!
//! Three sets of hosts are judged: those of the connection string, the addresses that their names
//! resolve to, and the hosts that servers name later in `hello`. A refused host of the last kind
//! poisons the client: no further operation is sent.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mongodb::Client;
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{ClientOptions, ReadPreference, SelectionCriteria, ServerAddress};
use portolan_runtime::Runtime;
use portolan_security::address::AddressPolicy;
use portolan_security::{SecretString, mongo_uri};

use super::errors::of_read;
use crate::ClusterError;

/// Unless the connection string names another.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a connection string may ask for: a request of the API waits for it.
const TIMEOUT_MAX: Duration = Duration::from_secs(30);
const DEFAULT_PORT: u16 = 27017;

/// Remembers the first host that the policy refused after the client was made.
#[derive(Debug, Default)]
pub(super) struct Watch {
    refused: OnceLock<String>,
}

impl Watch {
    /// # Errors
    /// [`ClusterError::Denied`] once a host was refused.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        match self.refused.get() {
            Some(reason) => Err(ClusterError::Denied(reason.clone())),
            None => Ok(()),
        }
    }
}

pub(super) async fn client(
    uri: &SecretString,
    policy: &AddressPolicy,
    runtime: &Runtime,
) -> Result<(Client, Arc<Watch>), ClusterError> {
    mongo_uri::check(uri.expose()).map_err(|refused| ClusterError::Invalid(refused.to_string()))?;
    let mut options = ClientOptions::parse(uri.expose()).await.map_err(|error| of_read(&error))?;
    for host in &options.hosts {
        judge(host, policy, runtime).await?;
    }
    let watch = Arc::new(Watch::default());
    options.app_name = Some("portolan".to_owned());
    options.retry_writes = Some(false);
    options.connect_timeout = Some(bounded(options.connect_timeout));
    options.server_selection_timeout = Some(bounded(options.server_selection_timeout));
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.sdam_event_handler = Some(watch_hosts(watch.clone(), policy.clone(), runtime.clone()));
    let client = Client::with_options(options).map_err(|error| of_read(&error))?;
    Ok((client, watch))
}

/// Zero means "no limit" in a connection string, which nobody is given here.
fn bounded(asked: Option<Duration>) -> Duration {
    asked.filter(|asked| !asked.is_zero()).unwrap_or(TIMEOUT).min(TIMEOUT_MAX)
}

fn watch_hosts(
    watch: Arc<Watch>,
    policy: AddressPolicy,
    runtime: Runtime,
) -> EventHandler<SdamEvent> {
    EventHandler::async_callback(move |event| {
        let (watch, policy, runtime) = (watch.clone(), policy.clone(), runtime.clone());
        Box::pin(async move {
            let SdamEvent::ServerOpening(opening) = event else { return };
            if let Err(ClusterError::Denied(reason)) =
                judge(&opening.address, &policy, &runtime).await
            {
                tracing::warn!(%reason, "a cluster names a host that the address policy refuses");
                let _already_refused = watch.refused.set(reason);
            }
        })
    })
}

/// Judges a host and everything that its name resolves to.
async fn judge(
    host: &ServerAddress,
    policy: &AddressPolicy,
    runtime: &Runtime,
) -> Result<(), ClusterError> {
    let ServerAddress::Tcp { host, port } = host else {
        return Err(ClusterError::Denied("a file path is no address that may be dialled".into()));
    };
    let port = port.unwrap_or(DEFAULT_PORT);
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let addresses = match literal {
        Ok(address) => vec![address],
        Err(_) => resolve(host, port, runtime).await?,
    };
    addresses.into_iter().try_for_each(|address| {
        policy
            .judge(address, port)
            .map_err(|refused| ClusterError::Denied(format!("host {host}: {refused}")))
    })
}

async fn resolve(host: &str, port: u16, runtime: &Runtime) -> Result<Vec<IpAddr>, ClusterError> {
    let wait_ms = u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX);
    let found = runtime
        .timeout_ms(wait_ms, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|late| ClusterError::Unavailable(format!("resolving {host} {late}")))?
        .map_err(|error| ClusterError::Unavailable(format!("resolving {host}: {error}")))?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_those_of_the_connection_string_within_bounds() {
        let ms = Duration::from_millis;
        assert_eq!(bounded(None), TIMEOUT);
        assert_eq!(bounded(Some(ms(0))), TIMEOUT);
        assert_eq!(bounded(Some(ms(250))), ms(250));
        assert_eq!(bounded(Some(ms(600_000))), TIMEOUT_MAX);
    }
}
