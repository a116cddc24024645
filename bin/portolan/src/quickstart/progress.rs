//! What the quickstart has done so far, so that a stopped run goes on instead of starting over.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::summary::write_private;

const FILE: &str = "quickstart.progress.json";

/// The steps that are done, with what they made.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    #[serde(skip)]
    dir: PathBuf,
    /// Organization, key pair and service account.
    pub(super) founded: Option<Founded>,
    /// Name and password of the database user.
    pub(super) account: Option<(String, String)>,
    /// Whether the flights were loaded.
    pub(super) loaded: bool,
    /// The online archive.
    pub(super) archive_id: Option<String>,
}

/// What bootstrapping printed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Founded {
    pub(super) org_id: String,
    pub(super) public_key: String,
    pub(super) private_key: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

impl Progress {
    /// Reads what an earlier run wrote down, if any.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let mut progress: Self = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        dir.clone_into(&mut progress.dir);
        Ok(progress)
    }

    /// Writes down what is done.
    pub(super) fn save(&self) -> Result<()> {
        write_private(&self.dir, FILE, &serde_json::to_string_pretty(self)?)
    }

    /// Removes the file: the summary says all from here on.
    pub(super) fn forget(dir: &Path) {
        std::fs::remove_file(dir.join(FILE)).ok();
    }
}
