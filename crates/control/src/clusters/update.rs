//! Changing a cluster: description, pause, process arguments, restart, pinned version.
//!
//! Each writes down what is wanted and lets [`super::lifecycle`] do it.

use portolan_api_types::cluster::{ClusterChange, ProcessArgsChange, is_tenant, merge_settings};
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{ClusterKind, ClusterState, EpochMs, FcvPin, ProjectId};
use portolan_store::clusters::StoredCluster;
use portolan_store::{Tx, clusters};
use serde_json::{Map, Value};

use super::{FoundCluster, cluster_in, note, refuse_deleting, refuse_flex};
use crate::access::project_in;
use crate::{Caller, Control, ControlError};

/// The longest that a version stays pinned, and how long it does when the client does not say.
const PIN_MAX_MS: i64 = 28 * 86_400_000;

/// What one change does to a cluster that was found and may be changed.
type Change<'a> = &'a (dyn Fn(&StoredCluster) -> Result<StoredCluster, ControlError> + Send + Sync);

impl Control {
    /// Changes a cluster: a merge, as clients send parts.
    ///
    /// # Errors
    /// `CANNOT_UPDATE_PAUSED_CLUSTER`, `CANNOT_UPDATE_AND_PAUSE_CLUSTER`, `CLUSTER_ALREADY_PAUSED`,
    /// `TENANT_CLUSTER_UPDATE_UNSUPPORTED`, `CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API`,
    /// `CLUSTER_ALREADY_REQUESTED_DELETION`, `CLUSTER_NOT_FOUND`, a 400 that names the field, 401
    /// without the role, and the store's.
    pub async fn update_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        change: ClusterChange,
    ) -> Result<FoundCluster, ControlError> {
        let (action, event) = (Action::ClusterUpdate, "CLUSTER_UPDATE_SUBMITTED");
        self.change_cluster(caller, project_id, name, action, event, &|stored| {
            merged(stored, &change)
        })
        .await
    }

    /// Changes process arguments: a merge.
    ///
    /// # Errors
    /// As [`Control::update_cluster`], and `FEATURE_UNSUPPORTED` for an attached cluster.
    pub async fn update_process_args(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        change: ProcessArgsChange,
    ) -> Result<FoundCluster, ControlError> {
        let (action, event) = (Action::ClusterManage, "CLUSTER_PROCESS_ARGS_UPDATE_SUBMITTED");
        self.change_cluster(caller, project_id, name, action, event, &|stored| {
            refuse_attached(stored, "process arguments of attached clusters")?;
            refuse_tenant(stored)?;
            refuse_paused(stored)?;
            let mut wanted = stored.clone();
            let arguments = &mut wanted.life.process_args_json;
            change_json(arguments, |known| {
                known.extend(change.arguments.clone());
                known.retain(|_, value| !value.is_null());
            });
            let tls = Map::from_iter([(
                "advancedConfiguration".to_owned(),
                Value::Object(change.tls.clone()),
            )]);
            change_json(&mut wanted.settings_json, |known| merge_settings(known, tls));
            Ok(wanted)
        })
        .await
    }

    /// Restarts a sandbox cluster: connections end, the data stays.
    ///
    /// # Errors
    /// As [`Control::update_process_args`].
    pub async fn restart_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<FoundCluster, ControlError> {
        let (action, event) = (Action::ClusterManage, "CLUSTER_UPDATE_SUBMITTED");
        self.change_cluster(caller, project_id, name, action, event, &|stored| {
            refuse_attached(stored, "restarting attached clusters")?;
            refuse_tenant(stored)?;
            refuse_paused(stored)?;
            let mut wanted = stored.clone();
            wanted.life.restart_wanted = true;
            Ok(wanted)
        })
        .await
    }

    /// Pins the cluster's feature compatibility version, or sets another end of the pin.
    ///
    /// # Errors
    /// A 400 that names `expirationDate`, and as [`Control::update_process_args`].
    pub async fn pin_version(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        until: Option<EpochMs>,
    ) -> Result<FoundCluster, ControlError> {
        let now_ms = self.runtime.now_ms();
        let until = until.unwrap_or(now_ms + PIN_MAX_MS);
        if until <= now_ms || until > now_ms + PIN_MAX_MS {
            let rule = "must be in the future, at most four weeks from now";
            return Err(Problem::validation("expirationDate", rule).into());
        }
        let (action, event) = (Action::ClusterAdminister, "CLUSTER_UPDATE_SUBMITTED");
        self.change_cluster(caller, project_id, name, action, event, &|stored| {
            refuse_attached(stored, "pinning the version of attached clusters")?;
            refuse_paused(stored)?;
            let pinned = stored.life.fcv_pin.as_ref().filter(|pin| pin.until > now_ms);
            let pinned = pinned.map(|pin| pin.version.clone());
            let current = stored.cluster.version.as_ref().map(|version| version.major());
            let version = pinned.or(current).ok_or_else(|| still_creating(stored))?;
            let mut wanted = stored.clone();
            wanted.life.fcv_pin = Some(FcvPin { version, until });
            Ok(wanted)
        })
        .await
    }

    /// Takes the pin back, if there is one.
    ///
    /// # Errors
    /// As [`Control::update_process_args`].
    pub async fn unpin_version(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<FoundCluster, ControlError> {
        let (action, event) = (Action::ClusterAdminister, "CLUSTER_UPDATE_SUBMITTED");
        self.change_cluster(caller, project_id, name, action, event, &|stored| {
            refuse_attached(stored, "pinning the version of attached clusters")?;
            refuse_paused(stored)?;
            let mut wanted = stored.clone();
            wanted.life.fcv_pin = None;
            Ok(wanted)
        })
        .await
    }

    /// Finds a cluster of the cluster API, changes it, and lets the change be carried out. A change that
    /// changes nothing leaves the cluster alone.
    async fn change_cluster(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        action: Action,
        event: &'static str,
        change: Change<'_>,
    ) -> Result<FoundCluster, ControlError> {
        let stored = self
            .store
            .run_tx("control.clusters.change", |tx| {
                Box::pin(async move {
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let stored = cluster_in(tx, &witness, name).await?;
                    refuse_flex(&stored)?;
                    refuse_deleting(&stored)?;
                    let wanted = change(&stored)?;
                    write_change(tx, caller, &witness, &stored, wanted, event).await
                })
            })
            .await?;
        Ok(self.settle_found(stored))
    }

    /// Lets a change be carried out, and shows the cluster as it is until then.
    pub(super) fn settle_found(&self, stored: StoredCluster) -> FoundCluster {
        if stored.cluster.state != ClusterState::Idle {
            self.settle(stored.cluster.id);
        }
        self.found_cluster(stored)
    }
}

/// Writes a change down; one that changes nothing is none.
pub(super) async fn write_change(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<ProjectScope>,
    stored: &StoredCluster,
    mut wanted: StoredCluster,
    event: &str,
) -> Result<StoredCluster, ControlError> {
    if wanted == *stored {
        return Ok(wanted);
    }
    if wanted.cluster.state == ClusterState::Idle {
        wanted.cluster.state = ClusterState::Updating;
    }
    clusters::update(tx, witness, &wanted).await?;
    wanted.life.change += 1;
    note(tx, caller, &wanted.cluster, event).await?;
    if wanted.cluster.tags != stored.cluster.tags {
        note(tx, caller, &wanted.cluster, "CLUSTER_TAGS_MODIFIED").await?;
    }
    Ok(wanted)
}

/// The cluster with a client's changes.
pub(super) fn merged(
    stored: &StoredCluster,
    change: &ClusterChange,
) -> Result<StoredCluster, ControlError> {
    let wanted = with_changes(stored, change)?;
    let hardware = wanted.cluster.replication_specs_json != stored.cluster.replication_specs_json;
    if hardware || wanted.life.paused != stored.life.paused {
        refuse_attached(stored, "hardware and pauses of attached clusters")?;
        refuse_tenant(stored)?;
    }
    if hardware && is_tenant(&wanted.cluster.replication_specs_json) {
        let what = "turning a dedicated cluster into a shared one";
        return Err(Problem::unsupported(what).at("replicationSpecs", "names TENANT").into());
    }
    check_pause(stored, &wanted, change.paused)?;
    Ok(wanted)
}

/// The changes, whatever the state of the cluster says to them.
pub(super) fn with_changes(
    stored: &StoredCluster,
    change: &ClusterChange,
) -> Result<StoredCluster, ControlError> {
    if change.name.as_ref().is_some_and(|name| *name != stored.cluster.name) {
        let detail = "The attribute name is read-only and cannot be changed by the user.";
        let problem = Problem::new(ErrorCode::AttributeReadOnly, detail);
        return Err(problem.with("name").at("name", "cannot change").into());
    }
    let mut wanted = stored.clone();
    if let Some(tags) = &change.tags {
        wanted.cluster.tags.clone_from(tags);
    }
    if let Some(protected) = change.termination_protection_enabled {
        wanted.cluster.termination_protection_enabled = protected;
    }
    if let Some(paused) = change.paused {
        wanted.life.paused = paused;
    }
    let settings = change.settings.clone();
    change_json(&mut wanted.settings_json, |known| merge_settings(known, settings));
    if change.touches_hardware() {
        let specs = change.apply_hardware(&stored.cluster.replication_specs_json)?;
        let known: Value =
            serde_json::from_str(&stored.cluster.replication_specs_json).unwrap_or_default();
        if specs != known {
            wanted.cluster.replication_specs_json = specs.to_string();
        }
    }
    Ok(wanted)
}

/// Changes a stored JSON object. The text stays what it is where nothing changes.
fn change_json(text: &mut String, change: impl FnOnce(&mut Map<String, Value>)) {
    let known: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let mut changed = known.clone();
    change(&mut changed);
    if changed != known {
        *text = Value::Object(changed).to_string();
    }
}

/// A pause or its end comes alone, and nothing else is changed meanwhile.
fn check_pause(
    stored: &StoredCluster,
    wanted: &StoredCluster,
    asked: Option<bool>,
) -> Result<(), ControlError> {
    let mut otherwise = wanted.clone();
    otherwise.life.paused = stored.life.paused;
    let more = otherwise != *stored;
    match (stored.life.paused, asked) {
        (true, _) if more => Err(paused(stored)),
        (true, Some(true)) => {
            let detail = "Cannot pause a cluster that is already paused.";
            Err(Problem::new(ErrorCode::ClusterAlreadyPaused, detail).into())
        }
        (false, Some(true)) if more => {
            let name = &stored.cluster.name;
            let detail = format!("Cannot update and pause cluster {name} at the same time.");
            let problem = Problem::new(ErrorCode::CannotUpdateAndPauseCluster, detail);
            Err(problem.with(name.clone()).into())
        }
        _ => Ok(()),
    }
}

fn paused(stored: &StoredCluster) -> ControlError {
    let name = &stored.cluster.name;
    let detail = format!("Cannot update cluster {name} while it is paused or being paused.");
    Problem::new(ErrorCode::CannotUpdatePausedCluster, detail).with(name.clone()).into()
}

pub(super) fn refuse_paused(stored: &StoredCluster) -> Result<(), ControlError> {
    if stored.life.paused { Err(paused(stored)) } else { Ok(()) }
}

pub(super) fn refuse_attached(stored: &StoredCluster, what: &str) -> Result<(), ControlError> {
    match stored.cluster.kind {
        ClusterKind::Attached(_) => Err(Problem::unsupported(what).into()),
        ClusterKind::Sandbox { .. } => Ok(()),
    }
}

/// Clusters on shared hardware are only upgraded.
fn refuse_tenant(stored: &StoredCluster) -> Result<(), ControlError> {
    if !is_tenant(&stored.cluster.replication_specs_json) {
        return Ok(());
    }
    let detail = "Cannot update a M0/M2/M5 cluster through the public API.";
    Err(Problem::new(ErrorCode::TenantClusterUpdateUnsupported, detail).into())
}

fn still_creating(stored: &StoredCluster) -> ControlError {
    let name = &stored.cluster.name;
    let detail = format!("Cluster {name} is still being created. Try again when it is IDLE.");
    Problem::new(ErrorCode::ConcurrentModification, detail).with(name.clone()).into()
}

#[cfg(test)]
mod tests;
