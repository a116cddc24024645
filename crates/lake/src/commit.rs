//! The commit loop: compare-and-swap on the table's log, decided by reading, never by the answer.
//!
//! An object store may store a log entry and answer with an error, or let a client library send it
//! twice and report our own entry as somebody else's. So no answer counts: after each attempt the
//! table is loaded from scratch, and the change is committed if and only if it is found there.

use std::collections::HashMap;

use crate::log::Loaded;
use crate::marker::Marker;
use crate::{Change, CommitError, LakeError, StagedFile, Table, Version};

/// Attempts of one call before the outcome is reported as unknown.
const ATTEMPTS_MAX: u32 = 8;
/// A call that lasts longer than this stops: its view of the world is too old.
const CALL_MS_MAX: u64 = 3_600_000;
/// Attempts that follow each other at once; later ones wait a little.
const ATTEMPTS_AT_ONCE: u32 = 3;
const WAIT_MS: u64 = 100;
/// A checkpoint is written after so many versions.
pub(crate) const CHECKPOINT_EVERY: i64 = 20;

/// A change that was found in the table's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The newest version of the table when it was found.
    pub version: i64,
    /// Attempts made by this call; 0: it was there already.
    pub attempts: u32,
}

impl Table {
    /// Commits a change, at most once, and returns when it was found in the table's log.
    ///
    /// # Errors
    /// [`LakeError::Fenced`], [`LakeError::OpenMove`], [`LakeError::InputGone`], [`LakeError::Held`],
    /// [`LakeError::ForeignWriter`] and [`LakeError::Stale`]: it is not in the table and this call
    /// will not put it there. [`LakeError::Unknown`]: it may be or may still get there; ask again.
    pub async fn commit(&self, change: &Change) -> Result<Committed, CommitError> {
        let started_ms = self.runtime().boot_ms();
        let (mut attempts, mut answer) = (0, String::new());
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
                    "{kind} was not found after {attempts} attempts; the storage answered: {answer}"
                )));
            }
            if attempts >= ATTEMPTS_AT_ONCE {
                self.runtime().sleep_ms(WAIT_MS).await;
            }
            attempts += 1;
            if let Err(error) = self.attempt(change, &loaded).await {
                answer = error.to_string();
            }
        }
    }

    /// One attempt. Its answer is for people; it decides nothing.
    async fn attempt(&self, change: &Change, loaded: &Loaded) -> Result<(), LakeError> {
        let marker = change.marker(&loaded.version);
        let attempt = self.log().attempt(loaded, change, &marker);
        let answer = self.runtime().effect("lake.commit", attempt).await;
        if let Err(error) = &answer {
            let (kind, on) = (change.kind(), loaded.version.number);
            tracing::warn!(kind, on, %error, "a commit was answered with an error");
        }
        answer
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
            // A newer copy of the rules takes the place of this one.
            Change::Rules(rules) => return Ok(version.spec.rules.version >= rules.version),
            Change::Define(it) => return Ok(version.spec.definition.as_ref() == Some(it)),
            Change::Own { owner, epoch, token } => {
                let ours = version.fence == *epoch && version.fence_token.as_ref() == Some(token);
                return Ok(ours && version.spec.owner == *owner);
            }
            Change::Place { namespace, collection_uuid, epoch, token } => {
                let ours = version.fence == *epoch && version.fence_token.as_ref() == Some(token);
                let spec = &version.spec;
                let there =
                    spec.namespace == *namespace && spec.collection_uuid == *collection_uuid;
                return Ok(ours && there);
            }
            Change::Append { seq, .. } => version.committed >= *seq,
            Change::Confirm { seq, .. } => version.confirmed >= *seq,
            Change::Rewrite { .. }
            | Change::Expire { .. }
            | Change::Compact { .. }
            | Change::Redact { .. } => true,
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
            // Only a saving of time for later loads: without it the log itself is read. Upkeep tries again.
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
