//! Where the data of sandbox clusters lies: each folder has an id for life, and each sandbox cluster
//! the id of the folder that holds it. Replicas leave alone what lies in another one's folder.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portolan_model::{Cluster, ClusterId, ClusterState};
use portolan_runtime::Runtime;
use portolan_store::{Dialect, StoreError, cluster_homes};

use super::{Host, SYSTEM};

const FILE: &str = "home.id";
const ID_BYTES: usize = 12;

/// The id of a folder, made at first use.
pub(super) fn id_of(dir: &Path, runtime: &Runtime) -> Result<String> {
    let path = dir.join(FILE);
    if !path.exists() {
        let id = hex::encode(runtime.random_bytes::<ID_BYTES>());
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let mut file = file.with_context(|| format!("cannot make {}", path.display()))?;
        writeln!(file, "{id}")?;
        file.sync_all()?;
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let id = text.trim();
    let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_id, "{} does not hold the id of a folder", path.display());
    Ok(id.to_owned())
}

impl Host {
    /// The folder of a sandbox cluster's data.
    pub(super) fn sandbox_folder(&self, id: ClusterId) -> PathBuf {
        self.inner.dir.join("clusters").join(id.to_string())
    }

    /// Whether the cluster's data lies in this process's folder. A cluster that is being made, or whose
    /// data was found here, is claimed. An empty one is never opened in place of one that has data
    /// elsewhere: archives would take its documents for lost.
    pub(super) async fn is_home_of(&self, cluster: &Cluster) -> Result<bool, StoreError> {
        let Some(home) = self.inner.home.as_deref() else { return Ok(false) };
        let (store, id) = (&self.inner.store, cluster.id);
        let found_here = self.sandbox_folder(id).exists();
        let may_claim = found_here || cluster.state == ClusterState::Creating;
        // Nobody else can hold data of a control state that lies in this folder.
        let take = found_here && store.dialect() == Dialect::Sqlite;
        let owner = store
            .run_tx("host.home", move |tx| {
                Box::pin(async move {
                    if take {
                        cluster_homes::set(tx, &SYSTEM, id, home).await?;
                    }
                    if may_claim {
                        return cluster_homes::claim(tx, &SYSTEM, id, home).await.map(Some);
                    }
                    cluster_homes::get(tx, &SYSTEM, id).await
                })
            })
            .await?;
        let is_ours = owner.as_deref() == Some(home) && may_claim;
        if owner.as_deref() == Some(home) && !may_claim {
            tracing::error!(
                cluster = %id,
                folder = %self.sandbox_folder(id).display(),
                "the data of a sandbox cluster is missing; it stays down until the folder is back"
            );
        }
        Ok(is_ours)
    }

    /// Whether another folder holds the cluster's data.
    pub(super) async fn lives_elsewhere(&self, id: ClusterId) -> Result<bool, StoreError> {
        let owner = self
            .inner
            .store
            .read_tx("host.home.read", move |tx| Box::pin(cluster_homes::get(tx, &SYSTEM, id)))
            .await?;
        Ok(owner.is_some_and(|owner| Some(owner) != self.inner.home))
    }

    /// Forgets the home of a cluster whose data was removed.
    pub(super) async fn forget_home(&self, id: ClusterId) -> Result<(), StoreError> {
        self.inner
            .store
            .run_tx("host.home.forget", move |tx| Box::pin(cluster_homes::forget(tx, &SYSTEM, id)))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id() {
        let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
        let runtime = Runtime::system();
        let first = id_of(one.path(), &runtime).expect("made");
        assert_eq!(id_of(one.path(), &runtime).expect("read"), first);
        let other = other.expect("a folder");
        assert_ne!(id_of(other.path(), &runtime).expect("made"), first);
        std::fs::write(one.path().join(FILE), "short").expect("written");
        assert!(id_of(one.path(), &runtime).is_err());
    }
}
