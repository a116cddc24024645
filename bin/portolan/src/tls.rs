//! TLS from certificate files, for the HTTP listener and the MongoDB listeners.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Tls;

/// Chooses ring for the whole process. Two providers are in the tree, so rustls cannot choose itself.
pub(crate) fn install_provider() {
    // An error means that a provider is installed already, which is all that is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A server configuration from PEM files.
pub(crate) fn server_config(tls: &Tls) -> Result<Arc<ServerConfig>> {
    config_of(tls, rustls::DEFAULT_VERSIONS)
}

/// The same, refusing TLS before 1.3.
pub(crate) fn server_config_tls13(tls: &Tls) -> Result<Arc<ServerConfig>> {
    config_of(tls, &[&rustls::version::TLS13])
}

fn config_of(
    tls: &Tls,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(&tls.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read certificates from {}", tls.cert_file.display()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .with_context(|| format!("cannot read a private key from {}", tls.key_file.display()))?;
    let config = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key do not fit")?;
    Ok(Arc::new(config))
}
