//! The commit loop: compare-and-swap on the table's log, decided by reading, never by the answer.
//!
//! An object store may store a log entry and answer with an error, or let a client library send it
//! twice and report our own entry as somebody else's. So no answer counts: after each attempt the
//! table is loaded from scratch, and the change is committed if and only if it is found there.

use std::collections::{HashMap, HashSet};

use deltalake_core::kernel::{Action, Add, Remove, Transaction};

use crate::layout::MONTH;
use crate::log::{ADOPT, Loaded};
use crate::marker::{Marker, TXN_COMMITTED, TXN_CONFIRMED, TXN_FENCE};
use crate::{CommitError, DataFile, LakeError, StagedFile, Table, Version};

/// Attempts of one call before the outcome is reported as unknown.
const ATTEMPTS_MAX: u32 = 8;
/// A call that lasts longer than this stops: its view of the world is too old.
const CALL_MS_MAX: u64 = 3_600_000;
/// Files staged longer ago may have been cleaned up by another engine.
const STAGED_MS_MAX: i64 = 24 * 3_600_000;
/// Attempts that follow each other at once; later ones wait a little.
const ATTEMPTS_AT_ONCE: u32 = 3;
const WAIT_MS: u64 = 100;
/// A checkpoint is written after so many versions.
const CHECKPOINT_EVERY: i64 = 20;

/// One change of a table.
#[derive(Debug, Clone)]
pub enum Change {
    /// Raises the fence: from then on only this epoch may commit.
    Fence {
        /// The epoch's number.
        epoch: i64,
        /// Its random token.
        token: String,
    },
    /// Commits a move.
    Append {
        /// Number of the move.
        seq: i64,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// The verified files.
        files: Vec<StagedFile>,
        /// Criteria version that the move froze.
        config_version: i64,
    },
    /// Confirms a move: kept and superseded rows leave the table.
    Confirm {
        /// Number of the move.
        seq: i64,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that replace them.
        adds: Vec<StagedFile>,
    },
    /// Replaces files outside a move, such as superseded rows in another table of the namespace.
    Rewrite {
        /// A random id by which the commit is found again.
        id: String,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that replace them.
        adds: Vec<StagedFile>,
    },
    /// Accepts what another engine did to the table: it no longer counts as foreign. Only an
    /// operator's explicit command may do this.
    Adopt {
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
    },
}

/// A change that was found in the table's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The newest version of the table when it was found.
    pub version: i64,
    /// Attempts made by this call; 0: it was there already.
    pub attempts: u32,
}

impl Change {
    fn epoch(&self) -> i64 {
        match self {
            Self::Fence { epoch, .. }
            | Self::Append { epoch, .. }
            | Self::Confirm { epoch, .. }
            | Self::Rewrite { epoch, .. }
            | Self::Adopt { epoch, .. } => *epoch,
        }
    }

    fn token(&self) -> &str {
        match self {
            Self::Fence { token, .. }
            | Self::Append { token, .. }
            | Self::Confirm { token, .. }
            | Self::Rewrite { token, .. }
            | Self::Adopt { token, .. } => token,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Fence { .. } => "fence",
            Self::Append { .. } => "append",
            Self::Confirm { .. } => "confirm",
            Self::Rewrite { .. } => "rewrite",
            Self::Adopt { .. } => ADOPT,
        }
    }

    fn adds(&self) -> &[StagedFile] {
        match self {
            Self::Append { files: adds, .. }
            | Self::Confirm { adds, .. }
            | Self::Rewrite { adds, .. } => adds,
            Self::Fence { .. } | Self::Adopt { .. } => &[],
        }
    }

    fn removes(&self) -> &[DataFile] {
        match self {
            Self::Confirm { removes, .. } | Self::Rewrite { removes, .. } => removes,
            _ => &[],
        }
    }

    fn txns(&self) -> Vec<Transaction> {
        match self {
            Self::Fence { epoch, .. } => vec![Transaction::new(TXN_FENCE, *epoch)],
            Self::Append { seq, .. } => vec![Transaction::new(TXN_COMMITTED, *seq)],
            Self::Confirm { seq, .. } => vec![Transaction::new(TXN_CONFIRMED, *seq)],
            Self::Rewrite { .. } | Self::Adopt { .. } => vec![],
        }
    }

    fn marker(&self, version: &Version) -> Marker {
        let (mut seq, mut id, mut config_version) = (0, String::new(), version.config_version);
        match self {
            Self::Append { seq: number, config_version: own, .. } => {
                (seq, config_version) = (*number, config_version.max(*own));
            }
            Self::Confirm { seq: number, .. } => seq = *number,
            Self::Rewrite { id: own, .. } => id.clone_from(own),
            Self::Fence { .. } | Self::Adopt { .. } => {}
        }
        let (kind, owner) = (self.kind().to_owned(), version.spec.owner.clone());
        let (epoch, token) = (self.epoch(), self.token().to_owned());
        Marker { kind, owner, epoch, token, seq, id, config_version }
    }

    /// Whether the change may be made on top of `version`.
    fn admit(&self, version: &Version, now_ms: i64) -> Result<(), LakeError> {
        let (epoch, fence) = (self.epoch(), version.fence);
        if let Self::Fence { .. } = self {
            return if fence < epoch { Ok(()) } else { Err(LakeError::Fenced { fence, epoch }) };
        }
        if fence != epoch || version.fence_token.as_deref() != Some(self.token()) {
            return Err(LakeError::Fenced { fence, epoch });
        }
        if let Self::Adopt { .. } = self {
            return Ok(());
        }
        if let Some(version) = version.foreign {
            return Err(LakeError::ForeignWriter { version });
        }
        self.admit_number(version)?;
        self.admit_files(version, now_ms)
    }

    fn admit_number(&self, version: &Version) -> Result<(), LakeError> {
        let (committed, confirmed) = (version.committed, version.confirmed);
        let (admitted, seq) = match self {
            Self::Append { seq, .. } => (committed == confirmed && committed < *seq, *seq),
            Self::Confirm { seq, .. } => (committed == *seq && confirmed < *seq, *seq),
            _ => (true, 0),
        };
        if admitted { Ok(()) } else { Err(LakeError::OpenMove { committed, confirmed, seq }) }
    }

    fn admit_files(&self, version: &Version, now_ms: i64) -> Result<(), LakeError> {
        let known: HashSet<&str> = version.files.iter().map(|file| file.path.as_str()).collect();
        if let Some(gone) = self.removes().iter().find(|file| !known.contains(file.path.as_str())) {
            return Err(LakeError::InputGone { path: gone.path.clone() });
        }
        for file in self.adds() {
            if known.contains(file.path.as_str()) {
                return Err(LakeError::Conflict(format!("{} is in the table", file.path)));
            }
            if now_ms.saturating_sub(file.staged_at_ms) > STAGED_MS_MAX {
                return Err(LakeError::Stale(format!("{} was staged too long ago", file.path)));
            }
        }
        Ok(())
    }

    fn actions(&self, now_ms: i64) -> Vec<Action> {
        let removes = self.removes().iter().map(|file| Action::Remove(remove(file, now_ms)));
        let adds = self.adds().iter().map(|file| Action::Add(add(file)));
        removes.chain(adds).collect()
    }
}

fn partition_values(month: Option<&String>) -> HashMap<String, Option<String>> {
    month.map(|month| (MONTH.to_owned(), Some(month.clone()))).into_iter().collect()
}

fn add(file: &StagedFile) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: partition_values(file.month.as_ref()),
        size: i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
        modification_time: file.staged_at_ms,
        data_change: true,
        stats: Some(file.stats.clone()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

fn remove(file: &DataFile, now_ms: i64) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change: true,
        deletion_timestamp: Some(now_ms),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_values(file.month.as_ref())),
        size: Some(i64::try_from(file.size_bytes).unwrap_or(i64::MAX)),
        ..Remove::default()
    }
}

impl Table {
    /// Commits a change, at most once, and returns when it was found in the table's log.
    ///
    /// # Errors
    /// [`LakeError::Fenced`], [`LakeError::OpenMove`], [`LakeError::InputGone`],
    /// [`LakeError::ForeignWriter`] and [`LakeError::Stale`]: it is not in the table and this call
    /// will not put it there. [`LakeError::Unknown`]: it may be or may still get there; ask again.
    pub async fn commit(&self, change: &Change) -> Result<Committed, CommitError> {
        let started_ms = self.runtime().boot_ms();
        let mut attempts = 0;
        loop {
            let loaded = self.load_after(attempts).await?;
            if self.is_committed(change, &loaded.version).await.map_err(|e| unknown(attempts, e))? {
                return self.found(loaded, attempts).await;
            }
            change.admit(&loaded.version, self.runtime().now_ms())?;
            if self.runtime().boot_ms().saturating_sub(started_ms) > CALL_MS_MAX {
                return Err(LakeError::Stale("the commit took too long".into()));
            }
            if attempts >= ATTEMPTS_MAX {
                let kind = change.kind();
                return Err(LakeError::Unknown(format!(
                    "{kind} was not found after {attempts} attempts"
                )));
            }
            if attempts >= ATTEMPTS_AT_ONCE {
                self.runtime().sleep_ms(WAIT_MS).await;
            }
            attempts += 1;
            self.attempt(change, &loaded).await;
        }
    }

    /// One attempt. Its answer is logged and otherwise ignored.
    async fn attempt(&self, change: &Change, loaded: &Loaded) {
        let marker = change.marker(&loaded.version);
        let actions = change.actions(self.runtime().now_ms());
        let attempt = self.log().attempt(loaded, actions, change.txns(), &marker);
        if let Err(error) = self.runtime().effect("lake.commit", attempt).await {
            let (kind, on) = (change.kind(), loaded.version.number);
            tracing::warn!(kind, on, %error, "a commit was answered with an error");
        }
    }

    async fn load_after(&self, attempts: u32) -> Result<Loaded, LakeError> {
        self.log().load().await.map_err(|error| unknown(attempts, error))
    }

    /// Whether the change is in the table: its number and its token.
    async fn is_committed(&self, change: &Change, version: &Version) -> Result<bool, LakeError> {
        let reached = match change {
            Change::Fence { epoch, token } => {
                return Ok(version.fence == *epoch && version.fence_token.as_ref() == Some(token));
            }
            Change::Adopt { .. } => return Ok(version.foreign.is_none()),
            Change::Append { seq, .. } => version.committed >= *seq,
            Change::Confirm { seq, .. } => version.confirmed >= *seq,
            Change::Rewrite { .. } => true,
        };
        if !reached {
            return Ok(false);
        }
        let own = change.marker(version);
        let same = |marker: &Marker| {
            marker.kind == own.kind
                && (marker.seq, &marker.token, &marker.id) == (own.seq, &own.token, &own.id)
        };
        Ok(self.log().find(version.number, same).await?.is_some())
    }

    /// A change counts once it was found and will be found again after a loss of power.
    async fn found(&self, loaded: Loaded, attempts: u32) -> Result<Committed, LakeError> {
        let version = loaded.version.number;
        self.log().settle(version).await.map_err(|error| unknown(1, error))?;
        if attempts > 0 && version % CHECKPOINT_EVERY == 0 {
            let checkpoint = self.log().checkpoint(&loaded);
            // Only a saving of time for later loads: without it the log itself is read.
            if let Err(error) = self.runtime().effect("lake.checkpoint", checkpoint).await {
                tracing::warn!(version, %error, "no checkpoint was written");
            }
        }
        Ok(Committed { version, attempts })
    }

    /// The check that permits deleting at the source: from a fresh load, every file is part of the
    /// table and its object has the length and tag that were verified.
    ///
    /// # Errors
    /// [`LakeError::InputGone`] or [`LakeError::Missing`] naming the first file that is not there,
    /// [`LakeError::Unverified`] one that is not as it was; storage errors.
    pub async fn check_present(&self, files: &[StagedFile]) -> Result<(), LakeError> {
        let version = self.load().await?;
        if let Some(version) = version.foreign {
            return Err(LakeError::ForeignWriter { version });
        }
        let known: HashMap<&str, u64> =
            version.files.iter().map(|file| (file.path.as_str(), file.size_bytes)).collect();
        for file in files {
            if known.get(file.path.as_str()) != Some(&file.size_bytes) {
                return Err(LakeError::InputGone { path: file.path.clone() });
            }
            self.verify_object(file).await?;
            self.log().settle_object(&file.path).await?;
        }
        self.log().settle(version.number).await
    }
}

/// After an attempt, not being able to look means not knowing.
fn unknown(attempts: u32, error: LakeError) -> LakeError {
    if attempts == 0 { error } else { LakeError::Unknown(error.to_string()) }
}

#[cfg(test)]
mod tests;
