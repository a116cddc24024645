//! Dialling other instances: the one that a link token names, and hosts that run migrations.
//!
//! Names are resolved here, every address is judged by the same policy as those of clusters, and only
//! judged addresses are dialled: no proxy, no redirect, no second look-up.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use portolan_api_types::link_token::LinkToken;
use portolan_auth::answer_digest;
use portolan_control::{HostError, LinkAnswer, LinkCall, LinkHost};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Method, Response};
use url::Url;

use super::Host;

const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_MS: u64 = 5_000;
/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[async_trait]
impl LinkHost for Host {
    async fn call(
        &self,
        link: &LinkToken,
        call: LinkCall,
        path: &str,
    ) -> Result<LinkAnswer, HostError> {
        let url = Url::parse(&format!("{}{path}", link.base_url)).map_err(refused)?;
        let client = self.client(&url).await?;
        let challenged = send(&client, &url, &call, None).await?;
        let challenge = challenged.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let Some(challenge) = challenge.filter(|_| challenged.status() == 401) else {
            return read(challenged).await;
        };
        let (public_key, private_key) = (&link.public_key, &link.private_key);
        let (method, runtime) = (call.method(), &self.inner.runtime);
        let target = url.path();
        let answer = answer_digest(&challenge, public_key, private_key, method, target, runtime)
            .map_err(refused)?;
        read(send(&client, &url, &call, Some(answer)).await?).await
    }

    async fn reach(&self, host: &str) -> Result<(), HostError> {
        let url = Url::parse(&format!("tcp://{host}")).map_err(refused)?;
        let port = url.port().ok_or_else(|| refused("the port is missing"))?;
        let name = url.host_str().ok_or_else(|| refused("the host is missing"))?;
        let mut last = HostError::Unreachable(format!("{name} has no address"));
        for address in self.judged(name, port).await? {
            let dial = tokio::net::TcpStream::connect(address);
            match self.inner.runtime.timeout_ms(CONNECT_MS, dial).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => last = HostError::Unreachable(error.to_string()),
                Err(error) => last = HostError::Unreachable(error.to_string()),
            }
        }
        Err(last)
    }
}

impl Host {
    /// A client that can reach nothing but the judged addresses of the URL's host.
    async fn client(&self, url: &Url) -> Result<reqwest::Client, HostError> {
        let name = url.host_str().ok_or_else(|| refused("the host is missing"))?;
        let port = url.port_or_known_default().ok_or_else(|| refused("the port is missing"))?;
        let addresses = self.judged(name, port).await?;
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(CALL_TIMEOUT)
            .resolve_to_addrs(name, &addresses)
            .build()
            .map_err(|error| HostError::Failed(error.to_string()))
    }

    /// The addresses of a host, all of which must be allowed: one that is not could be dialled instead.
    async fn judged(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, HostError> {
        let policy = self.policy().await.map_err(|error| HostError::Failed(error.to_string()))?;
        // URLs write IPv6 addresses in brackets.
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((plain, port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| HostError::Unreachable(error.to_string()))?.collect();
        for address in &found {
            policy.judge(address.ip(), address.port()).map_err(refused)?;
        }
        Ok(found)
    }
}

async fn send(
    client: &reqwest::Client,
    url: &Url,
    call: &LinkCall,
    authorization: Option<String>,
) -> Result<Response, HostError> {
    let method = Method::from_bytes(call.method().as_bytes()).map_err(refused)?;
    let mut request = client.request(method, url.clone());
    if let LinkCall::Put(body) = call {
        request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
    }
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.send().await.map_err(|error| HostError::Unreachable(error.to_string()))
}

async fn read(mut response: Response) -> Result<LinkAnswer, HostError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| HostError::Unreachable(error.to_string()))?;
        let Some(chunk) = chunk else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(ANSWER_BYTES_MAX);
    Ok(LinkAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn refused(error: impl std::fmt::Display) -> HostError {
    HostError::Refused(error.to_string())
}
