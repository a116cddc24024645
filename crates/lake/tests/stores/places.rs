//! The stores: a fresh, empty location in each. Buckets are made here, signed as each cloud demands.

use object_store::ClientOptions;
use object_store::HeaderMap;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use portolan_lake::{
    AzureAccess, AzureSecret, GcsAccess, LakeError, Location, Protocol, Remote, S3Access, S3Key,
};
use portolan_runtime::Runtime;
use portolan_security::SecretString;

/// Bucket, container; made where it is not there.
const BUCKET: &str = "portolan-test";
/// The root user that the runner starts MinIO with.
const S3_KEY: (&str, &str) = ("portolan-test", "portolan-test-secret");
/// The key that the runner gives MinIO to encrypt with.
pub(crate) const KMS_KEY: &str = "portolan-test-key";
/// The account that Azurite has, with its key; both are public (Azurite's README).
const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A location of one test.
pub(crate) struct Place {
    pub(crate) location: Location,
    _folder: Option<tempfile::TempDir>,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { location, _folder: None }
    }
}

pub(crate) fn memory() -> Place {
    Location::memory().into()
}

pub(crate) fn folder() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::folder(folder.path()).unwrap();
    Place { location, _folder: Some(folder) }
}

pub(crate) async fn s3() -> Place {
    let server = s3_server();
    make_s3_bucket(&server, false).await;
    server.place()
}

/// A bucket with Object Lock, and a checksum with every upload.
pub(crate) async fn s3_with_object_lock() -> Place {
    let server = Server { checksums: true, ..s3_server().with_bucket("portolan-locked") };
    make_s3_bucket(&server, true).await;
    server.place()
}

/// A bucket whose objects are all retained for a day.
pub(crate) async fn s3_with_retention() -> (Server, Place) {
    let server = Server { checksums: true, ..s3_server().with_bucket("portolan-retention") };
    make_s3_bucket(&server, true).await;
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                <DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>\
                </ObjectLockConfiguration>";
    let (status, _, body) = server.ask("PUT", "?object-lock", rule).await;
    assert_eq!(status, 200, "{body}");
    let place = server.place();
    (server, place)
}

/// Uploads ask the server to encrypt, with this kind of key.
pub(crate) async fn s3_encrypted(kind: &'static str, key: Option<&'static str>) -> (Server, Place) {
    let server = Server { encryption: Some((kind, key)), ..s3_server() };
    make_s3_bucket(&server, false).await;
    let place = server.place();
    (server, place)
}

async fn make_s3_bucket(server: &Server, lock: bool) {
    let mut request = request("PUT", &format!("{}/{}", server.endpoint, server.bucket));
    if lock {
        let enabled = "true".parse().unwrap();
        request.headers_mut().insert("x-amz-bucket-object-lock-enabled", enabled);
    }
    make_bucket(signed(request)).await;
}

/// Signed as the root user of MinIO.
fn signed(mut request: HttpRequest) -> HttpRequest {
    let (id, secret) = S3_KEY;
    let credential = AwsCredential { key_id: id.into(), secret_key: secret.into(), token: None };
    AwsAuthorizer::new(&credential, "s3", "us-east-1").authorize(&mut request, None);
    request
}

pub(crate) async fn azure() -> Place {
    let server = azure_server();
    let url = format!("{}/{BUCKET}?restype=container", server.endpoint);
    let mut request = request("PUT", &url);
    request.headers_mut().insert("content-length", 0.into());
    let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(AZURE_KEY).unwrap());
    AzureAuthorizer::new(&credential, AZURE_ACCOUNT).authorize(&mut request);
    make_bucket(request).await;
    server.place()
}

pub(crate) async fn gcs() -> Place {
    let server = gcs_server();
    let mut request = request("POST", &format!("{}/storage/v1/b?project=test", server.endpoint));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    *request.body_mut() = HttpRequestBody::from(format!("{{\"name\": \"{BUCKET}\"}}"));
    make_bucket(request).await;
    server.place()
}

fn request(method: &str, url: &str) -> HttpRequest {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = url.parse().unwrap();
    request
}

/// Made, or there already: tests run side by side.
async fn make_bucket(request: HttpRequest) {
    let (status, _, body) = answer(request).await;
    assert!(matches!(status, 200 | 201 | 409), "{status}: {body}");
}

/// Status, headers and body.
async fn answer(request: HttpRequest) -> (u16, HeaderMap, String) {
    let options = ClientOptions::new().with_allow_http(true);
    let client = ReqwestConnector::default().connect(&options).unwrap();
    let answer = client.execute(request).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.into_body().bytes().await.unwrap();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

/// A server that a variable names.
#[derive(Clone)]
pub(crate) struct Server {
    endpoint: String,
    scheme: &'static str,
    bucket: String,
    key: String,
    secret: String,
    checksums: bool,
    encryption: Option<(&'static str, Option<&'static str>)>,
}

pub(crate) fn s3_server() -> Server {
    server("PORTOLAN_TEST_S3", "s3", S3_KEY)
}

pub(crate) fn azure_server() -> Server {
    server("PORTOLAN_TEST_AZURE", "abfss", (AZURE_ACCOUNT, AZURE_KEY))
}

pub(crate) fn gcs_server() -> Server {
    server("PORTOLAN_TEST_GCS", "gs", ("", ""))
}

fn server(variable: &str, scheme: &'static str, (key, secret): (&str, &str)) -> Server {
    let endpoint = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let (bucket, key, secret) = (BUCKET.into(), key.into(), secret.into());
    Server { endpoint, scheme, bucket, key, secret, checksums: false, encryption: None }
}

impl Server {
    pub(crate) fn with_bucket(&self, bucket: &str) -> Self {
        Self { bucket: bucket.into(), ..self.clone() }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.into(), ..self.clone() }
    }

    pub(crate) fn with_secret(&self, secret: &str) -> Self {
        Self { secret: secret.into(), ..self.clone() }
    }

    fn remote(&self) -> Remote {
        let (bucket, key) = (&self.bucket, &self.key);
        let random = hex::encode(Runtime::system().random_bytes::<8>());
        let secret = SecretString::from(self.secret.as_str());
        let (host, protocol) = match self.scheme {
            "s3" => {
                let key = Some(S3Key { id: key.clone(), secret, token: None });
                let (encryption, kms_key_id) = self.encryption.unzip();
                let access = S3Access {
                    key,
                    checksums: self.checksums,
                    encryption: encryption.map(str::to_owned),
                    kms_key_id: kms_key_id.flatten().map(str::to_owned),
                    ..S3Access::default()
                };
                (bucket.clone(), Protocol::S3(access))
            }
            "abfss" => {
                let secret = Some(AzureSecret::Key(secret));
                let host = format!("{bucket}@{key}.dfs.core.windows.net");
                (host, Protocol::Azure(AzureAccess { secret }))
            }
            _ => {
                let access = GcsAccess { service_account: None, anonymous: true };
                (bucket.clone(), Protocol::Gcs(access))
            }
        };
        Remote {
            url: format!("{}://{host}/test-{random}", self.scheme),
            endpoint: Some(self.endpoint.clone()),
            allow_http: true,
            ca_pem: None,
            timeout_ms: 30_000,
            protocol,
        }
    }

    /// Asks MinIO itself for something of the bucket: status, headers and body.
    pub(crate) async fn ask(
        &self,
        method: &str,
        what: &str,
        body: &str,
    ) -> (u16, HeaderMap, String) {
        let slash = if what.starts_with('?') { "" } else { "/" };
        let url = format!("{}/{}{slash}{what}", self.endpoint, self.bucket);
        let mut request = request(method, &url);
        *request.body_mut() = HttpRequestBody::from(body.to_owned());
        answer(signed(request)).await
    }

    fn place(&self) -> Place {
        Location::remote(&self.remote()).unwrap().into()
    }
}

/// A probe of the server must fail with this remedy, and show no secret.
pub(crate) async fn refuses(server: Server, remedy: &str) {
    let error = server.place().location.probe(&Runtime::system()).await.unwrap_err();
    let LakeError::Unfit { remedy: found, .. } = &error else { panic!("{error:?}") };
    assert!(found.contains(remedy), "{error}");
    assert!(server.secret.is_empty() || !format!("{error} {error:?}").contains(&server.secret));
}
