//! The master key file: made at first start, mode 0600, one key a line, the one that seals first. Without
//! it stored secrets are lost.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portolan_runtime::Runtime;
use portolan_security::{KeyRing, MASTER_KEY_BYTES};
use portolan_store::Store;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// How long a change of the key file may go unnoticed.
const WATCH_MS: u64 = 5_000;

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
    write_new(path, &KeyRing::file_text(&runtime.random_bytes::<MASTER_KEY_BYTES>()))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file =
        file.with_context(|| format!("cannot write the master key {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

/// Adds a new key behind the others: it opens and seals nothing yet, so the file can be copied to every
/// replica before one of them seals with it.
pub(crate) fn stage(path: &Path, runtime: &Runtime) -> Result<()> {
    change(path, |keys| keys.push(new_key(runtime)))
}

/// Puts a new key before the others.
pub(crate) fn put_first(path: &Path, runtime: &Runtime) -> Result<()> {
    change(path, |keys| keys.insert(0, new_key(runtime)))
}

/// Puts the last key, which was staged, before the others.
pub(crate) fn promote(path: &Path) -> Result<()> {
    ensure!(keys_in(path)?.len() > 1, "{} holds no staged key", path.display());
    change(path, |keys| keys.rotate_right(1))
}

/// Removes all keys but the first; how many.
pub(crate) fn keep_first(path: &Path) -> Result<usize> {
    let count = keys_in(path)?.len();
    change(path, |keys| keys.truncate(1))?;
    Ok(count.saturating_sub(1))
}

fn new_key(runtime: &Runtime) -> String {
    hex::encode(runtime.random_bytes::<MASTER_KEY_BYTES>())
}

fn keys_in(path: &Path) -> Result<Vec<String>> {
    read(path)?;
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

/// Replaces the file as a whole: whoever reads it finds the old keys or the new ones.
fn change(path: &Path, edit: impl FnOnce(&mut Vec<String>)) -> Result<()> {
    let mut keys = keys_in(path)?;
    edit(&mut keys);
    let text = format!(
        "# Master keys of this Portolan instance, the one that seals first. Without them stored \
         secrets are lost.\n{}\n",
        keys.join("\n")
    );
    let next = path.with_extension("next");
    std::fs::remove_file(&next).ok();
    write_new(&next, &text)?;
    std::fs::rename(&next, path)
        .with_context(|| format!("cannot replace the master key {}", path.display()))?;
    let folder = path.parent().context("the master key has no folder")?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Lets a running process notice that its master key was changed: soon, and at once when it meets a
/// secret that is sealed under a key which it does not know.
pub(crate) fn watch(config: &Config, store: &Store, runtime: &Runtime, stop: &CancellationToken) {
    let path = path(config);
    let source = path.clone();
    store.set_key_source(Box::new(move || {
        let keys = read(&source);
        keys.map_err(|error| tracing::error!(error = format!("{error:#}"), "the master key")).ok()
    }));
    let (store, timer, stop) = (store.clone(), runtime.clone(), stop.clone());
    runtime.spawn("master key", async move {
        let mut known = std::fs::read(&path).ok();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = timer.sleep_ms(WATCH_MS) => {}
            }
            let found = std::fs::read(&path).ok();
            if found.is_some() && found != known && store.read_keys_again() {
                tracing::info!("the master key was changed");
                known = found;
            }
        }
    });
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
    fn keys_are_staged_promoted_and_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let (config, runtime) = (config(dir.path()), Runtime::system());
        open(&config, false, &runtime).expect("made");
        let path = path(&config);
        let first = keys_in(&path).expect("one");
        stage(&path, &runtime).expect("staged");
        let staged = keys_in(&path).expect("two");
        assert_eq!((staged.len(), &staged[0]), (2, &first[0]));
        promote(&path).expect("promoted");
        assert_eq!(keys_in(&path).expect("two"), [staged[1].clone(), first[0].clone()]);
        put_first(&path, &runtime).expect("a third");
        assert_eq!(keys_in(&path).expect("three")[1..], [staged[1].clone(), first[0].clone()]);
        assert_eq!(keep_first(&path).expect("dropped"), 2);
        assert!(promote(&path).expect_err("nothing staged").to_string().contains("no staged key"));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
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
