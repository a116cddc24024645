//! What can be changed in a table, on top of which version, and as which actions of the log.

use std::collections::{HashMap, HashSet};

use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, Add, MetadataExt, Remove, Transaction};
use portolan_model::{ArchiveDefinition, ArchiveRules};

use crate::layout::MONTH;
use crate::log::ADOPT;
use crate::marker::{Marker, TXN_COMMITTED, TXN_CONFIRMED, TXN_FENCE};
use crate::{DataFile, LakeError, StagedFile, Version, definition, rules, spec};

/// Files staged longer ago may have been cleaned up by another engine.
pub(crate) const STAGED_MS_MAX: i64 = 24 * 3_600_000;

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
        /// Whether superseded rows leave the table, which a hold forbids.
        supersedes: bool,
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
        /// Whether superseded rows leave the table, which a hold forbids.
        supersedes: bool,
    },
    /// Expired rows leave the table: confirmed rows only, and never under a hold.
    Expire {
        /// A random id by which the commit is found again.
        id: String,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that hold what has not expired of them.
        adds: Vec<StagedFile>,
    },
    /// Small files become few with the same rows: confirmed ones, and no data changes.
    Compact {
        /// A random id by which the commit is found again.
        id: String,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that hold the same rows.
        adds: Vec<StagedFile>,
    },
    /// One document leaves the table: between moves, and never under a hold.
    Redact {
        /// The id of the record of it, by which the commit is found again.
        id: String,
        /// The worker's epoch.
        epoch: i64,
        /// Its token.
        token: String,
        /// Files to leave the table.
        removes: Vec<DataFile>,
        /// Verified files that hold the other rows of them.
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
    /// Writes the archive's rules into the table's properties. It needs no fence, so that a hold can
    /// be placed while a worker is busy: whoever planned a removal on an older version loses its
    /// compare-and-swap and looks again.
    Rules(ArchiveRules),
    /// Writes how the archive is defined into the table's properties, for the case that everything
    /// else is lost. Nothing here depends on it.
    Define(ArchiveDefinition),
    /// Gives the table to another installation. Only an operator's explicit command may do this.
    Own {
        /// The new owner.
        owner: String,
        /// The epoch's number.
        epoch: i64,
        /// Its token.
        token: String,
    },
    /// Says that the rows belong to a collection of another name or UUID. Only an operator's explicit
    /// command may do this.
    Place {
        /// `database.collection`.
        namespace: String,
        /// Its UUID, in hexadecimal digits.
        collection_uuid: Option<String>,
        /// The epoch's number.
        epoch: i64,
        /// Its token.
        token: String,
    },
}

impl Change {
    /// The epoch that the change acts under; `None`: it needs none.
    fn acts_under(&self) -> Option<(i64, &str)> {
        match self {
            Self::Fence { epoch, token }
            | Self::Append { epoch, token, .. }
            | Self::Confirm { epoch, token, .. }
            | Self::Rewrite { epoch, token, .. }
            | Self::Expire { epoch, token, .. }
            | Self::Compact { epoch, token, .. }
            | Self::Redact { epoch, token, .. }
            | Self::Own { epoch, token, .. }
            | Self::Place { epoch, token, .. }
            | Self::Adopt { epoch, token } => Some((*epoch, token)),
            Self::Rules(_) | Self::Define(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Fence { .. } => "fence",
            Self::Append { .. } => "append",
            Self::Confirm { .. } => "confirm",
            Self::Rewrite { .. } => "rewrite",
            Self::Expire { .. } => "expire",
            Self::Compact { .. } => "compact",
            Self::Redact { .. } => "redact",
            Self::Adopt { .. } => ADOPT,
            Self::Rules(_) => "rules",
            Self::Define(_) => "define",
            Self::Own { .. } => "own",
            Self::Place { .. } => "place",
        }
    }

    pub(crate) fn adds(&self) -> &[StagedFile] {
        match self {
            Self::Append { files: adds, .. }
            | Self::Confirm { adds, .. }
            | Self::Rewrite { adds, .. }
            | Self::Expire { adds, .. }
            | Self::Compact { adds, .. }
            | Self::Redact { adds, .. } => adds,
            _ => &[],
        }
    }

    pub(crate) fn removes(&self) -> &[DataFile] {
        match self {
            Self::Confirm { removes, .. }
            | Self::Rewrite { removes, .. }
            | Self::Expire { removes, .. }
            | Self::Compact { removes, .. }
            | Self::Redact { removes, .. } => removes,
            _ => &[],
        }
    }

    pub(crate) fn txns(&self) -> Vec<Transaction> {
        match self {
            Self::Fence { epoch, .. } => vec![Transaction::new(TXN_FENCE, *epoch)],
            Self::Append { seq, .. } => vec![Transaction::new(TXN_COMMITTED, *seq)],
            Self::Confirm { seq, .. } => vec![Transaction::new(TXN_CONFIRMED, *seq)],
            _ => vec![],
        }
    }

    /// What the commit says about itself. A change of rules repeats the epoch that it found, so that
    /// the newest commit always names the epoch in force.
    pub(crate) fn marker(&self, version: &Version) -> Marker {
        let (mut seq, mut id, mut config_version) = (0, String::new(), version.config_version);
        match self {
            Self::Append { seq: number, config_version: own, .. } => {
                (seq, config_version) = (*number, config_version.max(*own));
            }
            Self::Confirm { seq: number, .. } => seq = *number,
            Self::Rewrite { id: own, .. }
            | Self::Expire { id: own, .. }
            | Self::Compact { id: own, .. }
            | Self::Redact { id: own, .. } => id.clone_from(own),
            Self::Rules(rules) => id = rules.version.to_string(),
            Self::Fence { .. }
            | Self::Adopt { .. }
            | Self::Define(_)
            | Self::Own { .. }
            | Self::Place { .. } => {}
        }
        let in_force = (version.fence, version.fence_token.as_deref().unwrap_or_default());
        let (epoch, token) = self.acts_under().unwrap_or(in_force);
        let owner = match self {
            Self::Own { owner, .. } => owner.clone(),
            _ => version.spec.owner.clone(),
        };
        let kind = self.kind().to_owned();
        Marker { kind, owner, epoch, token: token.to_owned(), seq, id, config_version }
    }

    /// Whether the change may be made on top of `version`.
    pub(crate) fn admit(&self, version: &Version, now_ms: i64) -> Result<(), LakeError> {
        let Some((epoch, token)) = self.acts_under() else { return Ok(()) };
        let fence = version.fence;
        if let Self::Fence { .. } = self {
            return if fence < epoch { Ok(()) } else { Err(LakeError::Fenced { fence, epoch }) };
        }
        if fence != epoch || version.fence_token.as_deref() != Some(token) {
            return Err(LakeError::Fenced { fence, epoch });
        }
        if let Self::Adopt { .. } = self {
            return Ok(());
        }
        if let Some(version) = version.foreign {
            return Err(LakeError::ForeignWriter { version });
        }
        self.admit_number(version)?;
        self.admit_removal(version)?;
        self.admit_files(version, now_ms)
    }

    fn admit_number(&self, version: &Version) -> Result<(), LakeError> {
        let (committed, confirmed) = (version.committed, version.confirmed);
        let (admitted, seq) = match self {
            Self::Append { seq, .. } => (committed == confirmed && committed < *seq, *seq),
            Self::Confirm { seq, .. } => (committed == *seq && confirmed < *seq, *seq),
            Self::Redact { .. } => (committed == confirmed, confirmed),
            _ => (true, 0),
        };
        if admitted { Ok(()) } else { Err(LakeError::OpenMove { committed, confirmed, seq }) }
    }

    /// Rows that are archived and nowhere else leave only without a hold, and only confirmed ones.
    fn admit_removal(&self, version: &Version) -> Result<(), LakeError> {
        let takes_away = match self {
            Self::Confirm { supersedes, removes, .. }
            | Self::Rewrite { supersedes, removes, .. } => *supersedes && !removes.is_empty(),
            Self::Expire { .. } | Self::Redact { .. } => true,
            _ => false,
        };
        if let (true, Some(hold)) = (takes_away, &version.spec.rules.hold) {
            return Err(LakeError::Held(hold.reason.clone()));
        }
        let open = |file: &&DataFile| file.seq_max > version.confirmed;
        match self {
            Self::Expire { removes, .. }
            | Self::Compact { removes, .. }
            | Self::Redact { removes, .. }
                if removes.iter().any(|file| open(&file)) =>
            {
                let (committed, confirmed) = (version.committed, version.confirmed);
                Err(LakeError::OpenMove { committed, confirmed, seq: confirmed })
            }
            _ => Ok(()),
        }
    }

    fn admit_files(&self, version: &Version, now_ms: i64) -> Result<(), LakeError> {
        if let Self::Compact { removes, adds, .. } = self {
            let (before, after) = (total(removes.iter().map(|file| file.rows)), adds.iter());
            let after = total(after.map(|file| file.rows));
            if before != after {
                return Err(LakeError::Unverified(format!("{after} rows instead of {before}")));
            }
        }
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

    /// The table properties that the change sets.
    pub(crate) fn properties(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rules(rules) => vec![(rules::PROPERTY, rules::to_property(rules))],
            Self::Define(it) => vec![(definition::PROPERTY, definition::to_property(it))],
            Self::Own { owner, .. } => vec![(spec::OWNER, owner.clone())],
            Self::Place { namespace, collection_uuid, .. } => {
                let uuid = collection_uuid.clone().map(|uuid| (spec::UUID, uuid));
                uuid.into_iter().chain([(spec::NAMESPACE, namespace.clone())]).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The actions of the log entry on top of `table`.
    pub(crate) fn actions(
        &self,
        table: &DeltaTable,
        now_ms: i64,
    ) -> Result<Vec<Action>, LakeError> {
        let properties = self.properties();
        if !properties.is_empty() {
            let mut metadata = table.snapshot()?.metadata().clone();
            for (name, value) in properties {
                let set = metadata.add_config_key(name.to_owned(), value);
                metadata = set.map_err(LakeError::internal)?;
            }
            return Ok(vec![Action::Metadata(metadata)]);
        }
        let data_change = !matches!(self, Self::Compact { .. });
        let removes =
            self.removes().iter().map(|file| Remove { data_change, ..remove(file, now_ms) });
        let adds = self.adds().iter().map(|file| Add { data_change, ..add(file) });
        Ok(removes.map(Action::Remove).chain(adds.map(Action::Add)).collect())
    }
}

fn total(rows: impl Iterator<Item = u64>) -> u64 {
    rows.sum()
}

/// Tag of a data file: the bytes of its documents.
pub(crate) const BYTES_RAW: &str = "portolan.bytesRaw";

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
        tags: file.bytes_raw.map(|bytes| [(BYTES_RAW.to_owned(), Some(bytes.to_string()))].into()),
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
