//! Storage locations as they are configured: folders, S3 and compatible servers, Azure Blob Storage,
//! Google Cloud Storage. Secrets are named here, never held: each comes from a file or a variable.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portolan_lake::{AzureAccess, AzureSecret, GcsAccess, Protocol, Remote, S3Access, S3Key};
use portolan_security::SecretString;
use serde::Deserialize;

/// What `x-amz-server-side-encryption` may say (Amazon S3 API, PutObject).
const ENCRYPTIONS: [&str; 3] = ["AES256", "aws:kms", "aws:kms:dsse"];

/// One storage location.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storage {
    /// Its name.
    pub(crate) name: String,
    /// `file:///…`, `s3://…`, `abfss://…` or `gs://…`.
    pub(crate) url: String,
    /// `PROVIDER/REGION` labels of `dataProcessRegion` that it serves; empty: all others.
    #[serde(default)]
    pub(crate) regions: Vec<String>,
    /// Base URL of a server that is not the cloud's own.
    pub(crate) endpoint: Option<String>,
    /// Whether the endpoint may be plain HTTP.
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// More certificate authorities to trust, PEM.
    pub(crate) ca_file: Option<PathBuf>,
    /// Time for one request, an upload included.
    #[serde(default = "default_timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// What is S3's own.
    pub(crate) s3: Option<S3>,
    /// What is Azure's own.
    pub(crate) azure: Option<Azure>,
    /// What is Google's own.
    pub(crate) gcs: Option<Gcs>,
}

/// What is S3's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct S3 {
    /// Region that requests are signed for.
    pub(crate) region: Option<String>,
    /// Whether the bucket is part of the host name.
    pub(crate) virtual_hosted: bool,
    /// Public half of an access key; without it the platform's credentials are used.
    pub(crate) access_key_id: Option<String>,
    /// File with its secret half.
    pub(crate) secret_access_key_file: Option<PathBuf>,
    /// Variable with its secret half.
    pub(crate) secret_access_key_env: Option<String>,
    /// File with the token of a session.
    pub(crate) session_token_file: Option<PathBuf>,
    /// Variable with the token of a session.
    pub(crate) session_token_env: Option<String>,
    /// Encryption by the server.
    pub(crate) encryption: Option<String>,
    /// Its KMS key.
    pub(crate) kms_key_id: Option<String>,
    /// A checksum with every upload.
    pub(crate) checksums: bool,
}

/// What is Azure's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Azure {
    /// File with an account key.
    pub(crate) account_key_file: Option<PathBuf>,
    /// Variable with an account key.
    pub(crate) account_key_env: Option<String>,
    /// File with a shared access signature.
    pub(crate) sas_file: Option<PathBuf>,
    /// Variable with a shared access signature.
    pub(crate) sas_env: Option<String>,
}

/// What is Google's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gcs {
    /// The key of a service account, JSON.
    pub(crate) service_account_file: Option<PathBuf>,
    /// Variable with the key of a service account.
    pub(crate) service_account_env: Option<String>,
    /// No credentials, for emulators.
    pub(crate) anonymous: bool,
}

fn default_timeout_ms() -> u64 {
    120_000
}

impl Storage {
    /// A local folder that serves every region.
    pub(crate) fn of_folder(path: &Path) -> Self {
        Self {
            name: "folder".to_owned(),
            url: format!("file://{}", path.display()),
            regions: Vec::new(),
            endpoint: None,
            allow_http: false,
            ca_file: None,
            timeout_ms: default_timeout_ms(),
            s3: None,
            azure: None,
            gcs: None,
        }
    }

    /// The path of a local folder; `None`: it is an object store.
    pub(crate) fn as_folder(&self) -> Option<&Path> {
        self.url.strip_prefix("file://").map(Path::new)
    }

    /// Checks what can be checked without opening anything.
    pub(super) fn check(&self) -> Result<()> {
        self.check_sections().with_context(|| format!("storage {}", self.name))
    }

    fn check_sections(&self) -> Result<()> {
        for label in &self.regions {
            ensure!(
                super::is_label(label),
                "regions: {label} is no label such as AWS/US_EAST_1 (AWS, AZURE or GCP)"
            );
        }
        let scheme = self.url.split_once("://").map_or("", |(scheme, _)| scheme);
        let sections = [
            ("s3", self.s3.is_some()),
            ("azure", self.azure.is_some()),
            ("gcs", self.gcs.is_some()),
        ];
        let own = match scheme {
            "file" => return self.check_folder(),
            "s3" => "s3",
            "abfss" => "azure",
            "gs" => "gcs",
            _ => bail!("url: {} begins with none of file:///, s3://, abfss://, gs://", self.url),
        };
        if let Some((other, _)) = sections.iter().find(|(name, given)| *given && *name != own) {
            bail!("{other}: it does not belong to a {scheme}:// location");
        }
        ensure!(self.timeout_ms >= 1_000, "timeout_ms must be at least 1000");
        self.s3.as_ref().map_or(Ok(()), S3::check)
    }

    fn check_folder(&self) -> Result<()> {
        ensure!(self.url.starts_with("file:///"), "url: {} is no file:///PATH", self.url);
        let remote = self.endpoint.is_some()
            || self.allow_http
            || self.ca_file.is_some()
            || self.s3.is_some()
            || self.azure.is_some()
            || self.gcs.is_some();
        ensure!(!remote, "a folder has no endpoint, allow_http, ca_file, s3, azure or gcs");
        Ok(())
    }

    /// How the object store is reached. Files and variables with secrets are read here.
    pub(crate) fn remote(&self) -> Result<Remote> {
        let ca_pem = self.ca_file.as_ref().map(|file| {
            std::fs::read(file).with_context(|| format!("ca_file: cannot read {}", file.display()))
        });
        let protocol = match self.url.split_once("://") {
            Some(("s3", _)) => Protocol::S3(self.s3.clone().unwrap_or_default().access()?),
            Some(("abfss", _)) => Protocol::Azure(self.azure.clone().unwrap_or_default().access()?),
            _ => Protocol::Gcs(self.gcs.clone().unwrap_or_default().access()?),
        };
        Ok(Remote {
            url: self.url.clone(),
            endpoint: self.endpoint.clone(),
            allow_http: self.allow_http,
            ca_pem: ca_pem.transpose()?,
            timeout_ms: self.timeout_ms,
            protocol,
        })
    }
}

impl S3 {
    fn check(&self) -> Result<()> {
        let secret = self.secret_access_key_file.is_some() || self.secret_access_key_env.is_some();
        ensure!(
            self.access_key_id.is_some() == secret,
            "s3.access_key_id and s3.secret_access_key_file (or _env) belong together"
        );
        if let Some(kind) = &self.encryption {
            ensure!(
                ENCRYPTIONS.contains(&kind.as_str()),
                "s3.encryption: {kind} is none of {}",
                ENCRYPTIONS.join(", ")
            );
        }
        let kms = self.encryption.as_ref().is_some_and(|kind| kind.starts_with("aws:kms"));
        ensure!(
            kms || self.kms_key_id.is_none(),
            "s3.kms_key_id needs s3.encryption = \"aws:kms\" or \"aws:kms:dsse\""
        );
        Ok(())
    }

    fn access(self) -> Result<S3Access> {
        let secret = Secret {
            key: "s3.secret_access_key",
            file: self.secret_access_key_file,
            variable: self.secret_access_key_env,
        };
        let token = Secret {
            key: "s3.session_token",
            file: self.session_token_file,
            variable: self.session_token_env,
        };
        let key = match (self.access_key_id, secret.read()?) {
            (Some(id), Some(secret)) => Some(S3Key { id, secret, token: token.read()? }),
            _ => None,
        };
        Ok(S3Access {
            region: self.region,
            virtual_hosted: self.virtual_hosted,
            key,
            encryption: self.encryption,
            kms_key_id: self.kms_key_id,
            checksums: self.checksums,
        })
    }
}

impl Azure {
    fn access(self) -> Result<AzureAccess> {
        let key = Secret {
            key: "azure.account_key",
            file: self.account_key_file,
            variable: self.account_key_env,
        };
        let sas = Secret { key: "azure.sas", file: self.sas_file, variable: self.sas_env };
        let secret = match (key.read()?, sas.read()?) {
            (Some(_), Some(_)) => bail!("azure.account_key and azure.sas exclude each other"),
            (Some(key), None) => Some(AzureSecret::Key(key)),
            (None, Some(sas)) => Some(AzureSecret::Sas(sas)),
            (None, None) => None,
        };
        Ok(AzureAccess { secret })
    }
}

impl Gcs {
    fn access(self) -> Result<GcsAccess> {
        let key = Secret {
            key: "gcs.service_account",
            file: self.service_account_file,
            variable: self.service_account_env,
        };
        let service_account = key.read()?;
        ensure!(
            service_account.is_none() || !self.anonymous,
            "gcs.anonymous and gcs.service_account exclude each other"
        );
        Ok(GcsAccess { service_account, anonymous: self.anonymous })
    }
}

/// Where one secret comes from.
struct Secret {
    key: &'static str,
    file: Option<PathBuf>,
    variable: Option<String>,
}

impl Secret {
    fn read(self) -> Result<Option<SecretString>> {
        let key = self.key;
        let text = match (self.file, self.variable) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => bail!("{key}_file and {key}_env exclude each other"),
            (Some(file), None) => std::fs::read_to_string(&file)
                .with_context(|| format!("{key}_file: cannot read {}", file.display()))?,
            (None, Some(name)) => std::env::var(&name)
                .with_context(|| format!("{key}_env: the variable {name} is not usable"))?,
        };
        ensure!(!text.trim().is_empty(), "{key}: it is empty");
        Ok(Some(SecretString::from(text.trim())))
    }
}
