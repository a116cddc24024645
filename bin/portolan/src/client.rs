//! A small client of Portolan's own HTTP API, for the quickstart and the commands. It authenticates
//! as a service account and shows the server's own error code and detail.

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// The newest dated version that the commands rely on.
const ACCEPT: &str = "application/vnd.atlas.2025-03-12+json";

/// An authenticated client.
pub(crate) struct ApiClient {
    http: reqwest::Client,
    base_url: String,
    token: String,
}

impl ApiClient {
    /// Exchanges the client id and secret for a token.
    pub(crate) async fn connect(base_url: &str, client_id: &str, secret: &str) -> Result<Self> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let http = reqwest::Client::new();
        let request = http
            .post(format!("{base_url}/api/oauth/token"))
            .basic_auth(client_id, Some(secret))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = send(request).await.with_context(|| format!("no token from {base_url}"))?;
        let token = answer["access_token"].as_str().context("the token answer holds no token")?;
        Ok(Self { http, token: token.to_owned(), base_url })
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// POST.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PATCH.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let shown = format!("{method} {path}");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base_url))
            .bearer_auth(&self.token)
            .header("Accept", ACCEPT);
        if let Some(body) = body {
            request = request.json(body);
        }
        send(request).await.with_context(|| shown)
    }
}

async fn send(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(body);
    }
    let code = body["errorCode"].as_str().or(body["error"].as_str()).unwrap_or("no error code");
    let detail = body["detail"].as_str().or(body["error_description"].as_str()).unwrap_or(&text);
    bail!("{status}: {code}: {detail}")
}
