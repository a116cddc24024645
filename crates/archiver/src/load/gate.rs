//! The gate that a look passes before each batch that it reads: it has no run that could say what it waits
//! for, so a look that waits too long ends, and is told as the reason why no run begins.

use portolan_cluster::Cluster;
use portolan_runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::ease::{LOOK_MS, WAIT_MAX_MS};
use super::{Hindrance, Load};
use crate::ArchiverError;

/// What a look asks whether it may read on.
pub(crate) struct Gate<'a> {
    pub(crate) load: &'a Load,
    pub(crate) runtime: &'a Runtime,
    pub(crate) cluster: &'a dyn Cluster,
    pub(crate) shutdown: &'a CancellationToken,
}

impl Gate<'_> {
    /// Waits until the cluster may be read further. What hinders it, when its hours are over or ten minutes
    /// have gone by.
    ///
    /// # Errors
    /// [`ArchiverError::Stopping`].
    pub(crate) async fn pass(&self) -> Result<Option<Hindrance>, ArchiverError> {
        let began_ms = self.runtime.boot_ms();
        loop {
            if let Some(closed) = self.load.closed(self.runtime.now_ms()) {
                return Ok(Some(closed));
            }
            let hindered = self.load.hindrance(self.runtime, self.cluster).await;
            let Some((why, ms)) = hindered else { return Ok(None) };
            if self.runtime.boot_ms().saturating_sub(began_ms) > WAIT_MAX_MS {
                return Ok(Some(why));
            }
            let ms = ms.min(LOOK_MS);
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(ArchiverError::Stopping),
                () = self.runtime.sleep_ms(ms) => self.load.waited(why, ms),
            }
        }
    }
}
