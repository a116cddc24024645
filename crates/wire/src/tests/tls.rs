//! TLS in front of the protocol, with a certificate of its own for `localhost`.

use std::sync::Arc;

use bson::rawdoc;
use portolan_runtime::Runtime;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::client::{Client, document, message};
use super::*;
use crate::frame::{Frame, OP_MSG, read_frame};

const CERTIFICATE: &[u8] = include_bytes!("../../testdata/localhost.pem");
const KEY: &[u8] = include_bytes!("../../testdata/localhost-key.pem");

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(CERTIFICATE).unwrap()
}

fn secured() -> ServerOptions {
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    ServerOptions { tls: Some(Arc::new(config)), ..ServerOptions::default() }
}

fn connector() -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn commands_run_over_tls() {
    let server = serve(secured(), Runtime::system()).await;
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector().connect(name, stream).await.unwrap();
    let body = message(&rawdoc! { "ping": 1, "$db": "admin" });
    let ping = Frame { request_id: 1, response_to: 0, op_code: OP_MSG, body };
    stream.write_all(&ping.encode()).await.unwrap();
    let reply = read_frame(&mut stream, || 1_000).await.unwrap().unwrap();
    assert_eq!(document(&reply.body[5..]).get_f64("ok").unwrap(), 1.0);
}

#[tokio::test]
async fn a_client_without_tls_is_turned_away() {
    let server = serve(secured(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    client.send(OP_MSG, message(&rawdoc! { "ping": 1, "$db": "admin" })).await;
    assert!(client.receive().await.is_none());
}
