//! Addresses that may connect, and those that no longer may.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;

use super::client::Client;
use super::*;

/// Open or shut, and slow to say so.
struct Door(AtomicBool);

#[async_trait]
impl AddressGate for Door {
    async fn admits(&self, address: IpAddr) -> bool {
        Runtime::system().sleep_ms(20).await;
        address.is_loopback() && self.0.load(Ordering::SeqCst)
    }
}

async fn serve_behind(door: &Arc<Door>) -> Running {
    let gate: Arc<dyn AddressGate> = door.clone();
    let options = ServerOptions { gate: Some(gate), require_auth: false, ..Default::default() };
    serve(options, Runtime::system()).await
}

#[tokio::test]
async fn a_refused_client_gets_no_byte() {
    let door = Arc::new(Door(AtomicBool::new(false)));
    let server = serve_behind(&door).await;
    let mut client = Client::connect(server.address).await;
    let hello = rawdoc! { "hello": 1, "$db": "admin" };
    client.send(crate::frame::OP_MSG, super::client::message(&hello)).await;
    assert!(client.is_closed().await);
    door.0.store(true, Ordering::SeqCst);
    Client::connect(server.address).await.ping().await;
}

#[tokio::test]
async fn an_open_connection_ends_when_its_address_is_no_longer_allowed() {
    let runtime = Runtime::system();
    let door = Arc::new(Door(AtomicBool::new(true)));
    let server = serve_behind(&door).await;
    let mut client = Client::connect(server.address).await;
    client.ping().await;
    runtime.sleep_ms(1_200).await;
    client.ping().await;
    door.0.store(false, Ordering::SeqCst);
    let closed = runtime.timeout_ms(2_000, client.is_closed()).await;
    assert_eq!(closed, Ok(true));
}
