//! From which addresses clients may connect, and stay connected.
//!
//! A refused client gets no byte: its connection is closed as it is opened. What the gate says of an
//! open connection is asked again every second, so that a change reaches it.

use std::net::IpAddr;

use async_trait::async_trait;
use portolan_runtime::Runtime;

/// How long an open connection may go on unasked.
const ASK_AGAIN_MS: u64 = 1_000;

/// Says who may connect. Asked for every connection and then every second, so it must be cheap.
#[async_trait]
pub trait AddressGate: Send + Sync + 'static {
    /// Whether a client at this address may connect, or stay connected.
    async fn admits(&self, address: IpAddr) -> bool;
}

/// Waits until the gate no longer admits an address that it has just admitted.
pub(crate) async fn refused(gate: &dyn AddressGate, address: IpAddr, runtime: &Runtime) {
    loop {
        runtime.sleep_ms(ASK_AGAIN_MS).await;
        if !gate.admits(address).await {
            return;
        }
    }
}
