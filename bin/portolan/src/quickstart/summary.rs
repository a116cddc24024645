//! `quickstart.json`: what a program needs to use the instance. Its keys are a promise.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::SUMMARY_FILE;

/// The content of `quickstart.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Summary {
    /// Base URL of the API.
    pub(crate) base_url: String,
    pub(crate) org_id: String,
    pub(crate) group_id: String,
    pub(crate) cluster_name: String,
    pub(crate) public_key: String,
    pub(crate) private_key: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) archive_id: String,
    pub(crate) connection_strings: ConnectionStrings,
    /// URI of the archive's table.
    pub(crate) storage: String,
    pub(crate) run: Run,
}

/// With user and password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectionStrings {
    pub(crate) cluster: String,
    pub(crate) archive: String,
    pub(crate) cluster_and_archive: String,
}

/// What the first run moved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) documents: u64,
    /// Raw BSON.
    pub(crate) bytes_read: u64,
    /// In the table's data files.
    pub(crate) bytes_stored: u64,
    pub(crate) files: u64,
    pub(crate) seconds: f64,
    /// Deleted from the cluster; known only right after the run, and not part of the file.
    #[serde(skip)]
    pub(crate) deleted: Option<u64>,
}

impl Summary {
    /// Reads the summary of a folder.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(SUMMARY_FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}; run `portolan quickstart` first", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Renames it into place, readable by the owner alone: it holds keys.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        write_private(dir, SUMMARY_FILE, &serde_json::to_string_pretty(self)?)
    }
}

/// Writes a file of mode 0600 whole or not at all: temporary file, fsync, rename, fsync of the folder.
pub(super) fn write_private(dir: &Path, name: &str, text: &str) -> Result<()> {
    let temporary = dir.join(format!(".{name}.tmp"));
    std::fs::remove_file(&temporary).ok();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(name))?;
    std::fs::File::open(dir)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_keys_are_exactly_the_promised_ones() {
        let summary = Summary {
            base_url: String::new(),
            org_id: String::new(),
            group_id: String::new(),
            cluster_name: String::new(),
            public_key: String::new(),
            private_key: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            archive_id: String::new(),
            connection_strings: ConnectionStrings {
                cluster: String::new(),
                archive: String::new(),
                cluster_and_archive: String::new(),
            },
            storage: String::new(),
            run: Run {
                documents: 0,
                bytes_read: 0,
                bytes_stored: 0,
                files: 0,
                seconds: 0.0,
                deleted: None,
            },
        };
        let dir = tempfile::tempdir().expect("a folder");
        summary.write(dir.path()).expect("written");
        let path = dir.path().join(SUMMARY_FILE);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("read")).expect("JSON");
        let mut keys: Vec<_> = value.as_object().expect("an object").keys().collect();
        keys.sort();
        let expected = "archiveId baseUrl clientId clientSecret clusterName connectionStrings groupId \
                        orgId privateKey publicKey run storage";
        assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
        Summary::read(dir.path()).expect("read back");
    }
}
