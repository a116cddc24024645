//! One process per folder: an exclusive lock on `portolan.lock`, held as long as the process lives.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::FlockOperation;

/// Holds the folder. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// Takes the folder, making it first if it is missing.
pub(crate) fn take(dir: &Path) -> Result<FolderLock> {
    std::fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let path = dir.join("portolan.lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).ok();
        bail!(
            "the folder {} is in use by another Portolan process (pid {}): stop it first, or choose \
             another folder with --dir",
            dir.display(),
            holder.trim()
        );
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(FolderLock { _file: file })
}

/// The process that holds the folder, if one does. Makes nothing.
pub(crate) fn holder(dir: &Path) -> Option<String> {
    let mut file = File::open(dir.join("portolan.lock")).ok()?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let mut holder = String::new();
    file.read_to_string(&mut holder).ok()?;
    Some(holder.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = take(dir.path()).expect("the first");
        let refusal = take(dir.path()).expect_err("the second").to_string();
        assert_eq!(holder(dir.path()), Some(std::process::id().to_string()));
        assert!(refusal.contains("in use by another Portolan process"), "{refusal}");
        drop(held);
        assert_eq!(holder(dir.path()), None);
        take(dir.path()).expect("free again");
    }
}
