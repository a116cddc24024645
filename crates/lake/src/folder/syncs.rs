//! What of a folder was synced. Every sync of a [`DurableFolder`](super::DurableFolder) goes through here; a
//! location that keeps account can say what a loss of power would take now: a file that was not synced with what
//! it holds, or whose name was not synced with the folder that has it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Syncs, and keeps account of it where one was asked for.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    account: Option<Mutex<Account>>,
}

#[derive(Debug, Default)]
struct Account {
    count: u64,
    /// Length of each file when it was synced.
    files: HashMap<PathBuf, u64>,
    /// Names of files and folders that were in their folder when it was synced.
    names: HashSet<PathBuf>,
}

impl Syncs {
    pub(crate) fn counted() -> Self {
        Self { account: Some(Mutex::default()) }
    }

    /// How many files and folders were synced; 0 where no account is kept.
    pub(crate) fn count(&self) -> u64 {
        self.account().map_or(0, |account| account.count)
    }

    /// Syncs what the file at `path` holds.
    pub(super) fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        file.sync_all()?;
        if let Some(mut account) = self.account() {
            account.count += 1;
            account.files.insert(path.to_owned(), file.metadata()?.len());
        }
        Ok(())
    }

    /// Syncs which names the folder at `path` has.
    pub(super) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()?;
        if let Some(mut account) = self.account() {
            account.count += 1;
            for entry in std::fs::read_dir(path)? {
                account.names.insert(entry?.path());
            }
        }
        Ok(())
    }

    /// A file was given another name, under which there may have been another file.
    pub(super) fn named(&self, from: &Path, to: &Path) {
        if let Some(mut account) = self.account() {
            account.names.remove(to);
            match account.files.remove(from) {
                Some(length) => account.files.insert(to.to_owned(), length),
                None => account.files.remove(to),
            };
        }
    }

    /// Whether the file at `path`, somewhere below `root`, outlasts a loss of power, as it is now.
    pub(crate) fn outlasts(&self, root: &Path, path: &Path) -> io::Result<bool> {
        let length = path.metadata()?.len();
        let Some(account) = self.account() else { return Ok(true) };
        let mut names = path.ancestors().take_while(|name| *name != root);
        Ok(account.files.get(path) == Some(&length)
            && names.all(|name| account.names.contains(name)))
    }

    fn account(&self) -> Option<MutexGuard<'_, Account>> {
        Some(self.account.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
