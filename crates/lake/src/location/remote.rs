//! How a bucket or container is reached: S3 and compatible servers, Azure Blob Storage, Google Cloud
//! Storage. The clients are those of `object_store`; no cloud SDK is involved.
//!
//! Without a key of its own a location uses what the platform gives: the variables of each cloud
//! (`AWS_*`, `AZURE_*`, `GOOGLE_*`), web identity, or the instance's role.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Certificate, ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider,
};
use portolan_security::SecretString;
use url::Url;

use crate::LakeError;

/// Retries of one request inside the client. Few: who calls looks at what happened and decides.
const RETRIES_MAX: usize = 3;
/// Time for all retries of one request.
const RETRY_TIMEOUT_S: u64 = 30;
/// Time to reach a server.
const CONNECT_TIMEOUT_S: u64 = 5;

/// A bucket or container, and how it is reached.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `s3://BUCKET/PREFIX`, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX` or
    /// `gs://BUCKET/PREFIX`: the forms that other engines read tables by. It tells the protocol.
    pub url: String,
    /// Base URL of a server that is not the cloud's own; for Azure with the account in its path.
    pub endpoint: Option<String>,
    /// Whether the endpoint may be plain HTTP.
    pub allow_http: bool,
    /// More certificate authorities to trust, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Time for one request, an upload included, in milliseconds.
    pub timeout_ms: u64,
    /// The protocol and its credentials.
    pub protocol: Protocol,
}

/// The protocol of a store, with what is its own.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// S3 and compatible.
    S3(S3Access),
    /// Azure Blob Storage.
    Azure(AzureAccess),
    /// Google Cloud Storage.
    Gcs(GcsAccess),
}

/// Access to S3.
#[derive(Debug, Clone, Default)]
pub struct S3Access {
    /// Region that requests are signed for; default `us-east-1`, which compatible servers accept.
    pub region: Option<String>,
    /// The bucket in the host name; default: in the path where there is an endpoint.
    pub virtual_hosted: bool,
    /// A key; `None`: what the platform gives.
    pub key: Option<S3Key>,
    /// `x-amz-server-side-encryption` of every object: `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub encryption: Option<String>,
    /// The KMS key, with `aws:kms`.
    pub kms_key_id: Option<String>,
    /// A SHA-256 checksum with every upload, which buckets with Object Lock demand.
    pub checksums: bool,
}

/// An access key.
#[derive(Debug, Clone)]
pub struct S3Key {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: SecretString,
    /// The token of a session.
    pub token: Option<SecretString>,
}

/// Access to Azure Blob Storage.
#[derive(Debug, Clone, Default)]
pub struct AzureAccess {
    /// A secret; `None`: what the platform gives.
    pub secret: Option<AzureSecret>,
}

/// A secret of a storage account.
#[derive(Debug, Clone)]
pub enum AzureSecret {
    /// An account key, base64.
    Key(SecretString),
    /// A shared access signature: the query text, with or without `?`.
    Sas(SecretString),
}

/// Access to Google Cloud Storage.
#[derive(Debug, Clone, Default)]
pub struct GcsAccess {
    /// A service account's key, JSON; `None`: what the platform gives.
    pub service_account: Option<SecretString>,
    /// No credentials at all, for emulators.
    pub anonymous: bool,
}

impl Remote {
    /// The URL of the location, ending in `/`, and the store with `/` at it.
    pub(super) fn open(&self) -> Result<(Url, Arc<dyn ObjectStore>), LakeError> {
        let url = root_url(&self.url)?;
        self.check_endpoint()?;
        let store = match &self.protocol {
            Protocol::S3(access) => self.s3(&url, access)?,
            Protocol::Azure(access) => self.azure(&url, access)?,
            Protocol::Gcs(access) => self.gcs(&url, access)?,
        };
        let prefix = Path::from_url_path(url.path()).map_err(|error| invalid("url", error))?;
        let rooted: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            store
        } else {
            Arc::new(PrefixStore::new(store, prefix))
        };
        Ok((url, rooted))
    }

    fn check_endpoint(&self) -> Result<(), LakeError> {
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let url = Url::parse(endpoint).map_err(|error| invalid("endpoint", error))?;
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.allow_http => Ok(()),
            "http" => Err(invalid("endpoint", "plain HTTP needs allow_http = true")),
            other => Err(invalid("endpoint", format!("{other} is neither https nor http"))),
        }
    }

    fn s3(&self, url: &Url, access: &S3Access) -> Result<Arc<dyn ObjectStore>, LakeError> {
        let bucket = host(url, "s3", "s3://BUCKET/PREFIX")?;
        let mut builder = match &access.key {
            Some(key) => s3_key(AmazonS3Builder::new(), key),
            None => AmazonS3Builder::from_env(),
        };
        builder = builder
            .with_bucket_name(bucket)
            .with_virtual_hosted_style_request(access.virtual_hosted)
            .with_client_options(self.client()?)
            .with_retry(retry());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &access.region {
            builder = builder.with_region(region);
        }
        if access.checksums {
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        for (name, value) in encryption(access) {
            let key: AmazonS3ConfigKey = name.parse().map_err(|error| invalid(name, error))?;
            builder = builder.with_config(key, value);
        }
        Ok(Arc::new(builder.build().map_err(|error| invalid("s3", error))?))
    }

    fn azure(&self, url: &Url, access: &AzureAccess) -> Result<Arc<dyn ObjectStore>, LakeError> {
        let form = "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX";
        let host = host(url, "abfss", form)?;
        let account = host.strip_suffix(".dfs.core.windows.net");
        let account = account.filter(|_| !url.username().is_empty());
        let account = account.ok_or_else(|| invalid("url", format!("it is not {form}")))?;
        let mut builder = match &access.secret {
            Some(AzureSecret::Key(key)) => {
                MicrosoftAzureBuilder::new().with_access_key(key.expose())
            }
            Some(AzureSecret::Sas(sas)) => {
                let sas = sas.expose().trim_start_matches('?');
                MicrosoftAzureBuilder::new().with_config(AzureConfigKey::SasKey, sas)
            }
            None => MicrosoftAzureBuilder::from_env(),
        };
        builder = builder
            .with_account(account)
            .with_container_name(url.username())
            .with_client_options(self.client()?)
            .with_retry(retry());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        Ok(Arc::new(builder.build().map_err(|error| invalid("azure", error))?))
    }

    fn gcs(&self, url: &Url, access: &GcsAccess) -> Result<Arc<dyn ObjectStore>, LakeError> {
        let bucket = host(url, "gs", "gs://BUCKET/PREFIX")?;
        let mut builder = match &access.service_account {
            Some(key) => GoogleCloudStorageBuilder::new().with_service_account_key(key.expose()),
            None if access.anonymous => {
                let nobody = object_store::gcp::GcpCredential { bearer: String::new() };
                GoogleCloudStorageBuilder::new()
                    .with_skip_signature(true)
                    .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            }
            None => GoogleCloudStorageBuilder::from_env(),
        };
        builder = builder
            .with_bucket_name(bucket)
            .with_client_options(self.client()?)
            .with_retry(retry());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_base_url(endpoint.trim_end_matches('/'));
        }
        Ok(Arc::new(builder.build().map_err(|error| invalid("gcs", error))?))
    }

    fn client(&self) -> Result<ClientOptions, LakeError> {
        let mut options = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_S))
            .with_timeout(Duration::from_millis(self.timeout_ms));
        if let Some(pem) = &self.ca_pem {
            let authorities =
                Certificate::from_pem_bundle(pem).map_err(|error| invalid("ca_file", error))?;
            for authority in authorities {
                options = options.with_root_certificate(authority);
            }
        }
        Ok(options)
    }
}

fn s3_key(builder: AmazonS3Builder, key: &S3Key) -> AmazonS3Builder {
    let builder = builder.with_access_key_id(&key.id).with_secret_access_key(key.secret.expose());
    match &key.token {
        Some(token) => builder.with_token(token.expose()),
        None => builder,
    }
}

fn encryption(access: &S3Access) -> impl Iterator<Item = (&'static str, &String)> {
    let kind = access.encryption.iter().map(|kind| ("aws_server_side_encryption", kind));
    kind.chain(access.kms_key_id.iter().map(|id| ("aws_sse_kms_key_id", id)))
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: Duration::from_secs(RETRY_TIMEOUT_S),
        ..RetryConfig::default()
    }
}

/// The location's URL with `/` at its end; no query, password or port.
fn root_url(text: &str) -> Result<Url, LakeError> {
    let url = Url::parse(text).map_err(|error| invalid("url", error))?;
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.password().is_none()
        && url.port().is_none();
    if !plain {
        return Err(invalid("url", "it may hold no query, password or port"));
    }
    let rooted = format!("{}/", text.trim_end_matches('/'));
    Url::parse(&rooted).map_err(|error| invalid("url", error))
}

fn host<'a>(url: &'a Url, scheme: &str, form: &str) -> Result<&'a str, LakeError> {
    let host = url.host_str().filter(|host| url.scheme() == scheme && !host.is_empty());
    host.ok_or_else(|| invalid("url", format!("it is not {form}")))
}

fn invalid(setting: &str, why: impl std::fmt::Display) -> LakeError {
    LakeError::Invalid(format!("{setting}: {why}"))
}
