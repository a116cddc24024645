//! The master key file: made at first start, mode 0600. Without it stored secrets are lost.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portolan_runtime::Runtime;
use portolan_security::{KeyRing, MASTER_KEY_BYTES};

use crate::config::Config;

/// Where the key file of an instance is.
pub(crate) fn path(config: &Config) -> PathBuf {
    let default = || config.dir.join("keys").join("master.key");
    config.keys.master_key_file.clone().unwrap_or_else(default)
}

/// Reads the key ring; makes the file when it is missing and no control state exists yet that could
/// need it.
pub(crate) fn open(config: &Config, state_exists: bool, runtime: &Runtime) -> Result<KeyRing> {
    let path = path(config);
    if !path.exists() {
        ensure!(
            !state_exists,
            "the master key {} is missing, but there is control state sealed with it: put the key \
             back (without it stored secrets are lost)",
            path.display()
        );
        create(&path, runtime)?;
    }
    read(&path)
}

/// Reads a key file that only its owner may read.
pub(crate) fn read(path: &Path) -> Result<KeyRing> {
    let mode = std::fs::metadata(path)
        .with_context(|| format!("cannot read the master key {}", path.display()))?
        .permissions()
        .mode();
    ensure!(
        mode & 0o077 == 0,
        "the master key {} can be read by others: chmod 600 it",
        path.display()
    );
    let text = std::fs::read_to_string(path)?;
    KeyRing::parse(&text).with_context(|| format!("the master key {}", path.display()))
}

fn create(path: &Path, runtime: &Runtime) -> Result<()> {
    let folder = path.parent().context("the master key has no folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write the master key {}", path.display()))?;
    file.write_all(KeyRing::file_text(&runtime.random_bytes::<MASTER_KEY_BYTES>()).as_bytes())?;
    file.sync_all()?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        Config { dir: dir.to_owned(), ..Config::default() }
    }

    #[test]
    fn the_key_is_made_once_and_private() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(dir.path());
        open(&config, false, &Runtime::system()).expect("made");
        let first = std::fs::read(path(&config)).expect("there");
        open(&config, true, &Runtime::system()).expect("read");
        assert_eq!(std::fs::read(path(&config)).expect("there"), first);
    }

    #[test]
    fn a_lost_key_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let refusal = open(&config(dir.path()), true, &Runtime::system()).expect_err("refused");
        assert!(refusal.to_string().contains("put the key back"), "{refusal}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(dir.path());
        open(&config, false, &Runtime::system()).expect("made");
        let open_mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path(&config), open_mode).expect("changed");
        assert!(read(&path(&config)).expect_err("refused").to_string().contains("chmod 600"));
    }
}
