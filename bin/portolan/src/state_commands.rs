//! `portolan backup`, `restore` and `rotate-key`: the commands that work on the control state itself.
//! What is not here: what a backup is and how secrets are sealed (`store`).

use std::fs::File;
use std::io::{BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portolan_runtime::Runtime;
use portolan_store::backup::{self, BackupSummary};
use portolan_store::{Dialect, Store};
use serde_json::json;

use crate::cli::{Backup, Restore, RotateKey};
use crate::config::Config;
use crate::serve::load;
use crate::{instance, keys, lock};

const COMPRESSION: i32 = 3;

/// Writes a backup while the instance runs, or not.
pub(crate) async fn backup(arguments: Backup, runtime: Runtime) -> Result<()> {
    let config = load(&arguments.config)?;
    let target = &arguments.to;
    ensure!(!target.exists(), "{} exists: a backup overwrites nothing", target.display());
    let store = open_as_is(&config, &runtime).await?;
    let partial = with_suffix(target, ".partial");
    let written = write(&store, &partial).await;
    store.close().await;
    let summary = match written {
        Ok(summary) => summary,
        Err(error) => {
            std::fs::remove_file(&partial).ok();
            return Err(error);
        }
    };
    std::fs::rename(&partial, target)
        .with_context(|| format!("cannot write {}", target.display()))?;
    File::open(folder_of(target))?.sync_all()?;
    tell(target, &summary)
}

async fn write(store: &Store, file: &Path) -> Result<BackupSummary> {
    let mut options = File::options();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let opened = opened.with_context(|| format!("cannot write {}", file.display()))?;
    let mut encoder = zstd::stream::write::Encoder::new(opened, COMPRESSION)?;
    encoder.include_checksum(true)?;
    let summary = store.back_up(&mut encoder).await?;
    encoder.finish()?.sync_all()?;
    Ok(summary)
}

/// Restores a backup into an empty control state.
pub(crate) async fn restore(arguments: Restore, runtime: Runtime) -> Result<()> {
    let config = load(&arguments.config)?;
    let _lock = lock::take(&config.dir)?;
    let key = keys::path(&config);
    ensure!(
        key.exists(),
        "put the master key of the backed-up instance at {} first: without it the secrets in the \
         backup do not open",
        key.display()
    );
    let ring = keys::read(&key)?;
    let url = config.state_url()?;
    let fresh = instance::sqlite_file(&url).filter(|file| !file.exists());
    let source = &arguments.from;
    let open = || Ok(BufReader::new(zstd::stream::read::Decoder::new(File::open(source)?)?));
    let restored = backup::restore(&url, ring, runtime, open).await;
    if let (Err(_), Some(file)) = (&restored, fresh) {
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(with_suffix(&file, suffix)).ok();
        }
    }
    let restored = restored.with_context(|| {
        format!("{} was not restored; master key: {}", source.display(), key.display())
    })?;
    tell(source, &restored)
}

/// Changes the master key.
pub(crate) async fn rotate_key(arguments: RotateKey, runtime: Runtime) -> Result<()> {
    let config = load(&arguments.config)?;
    let path = keys::path(&config);
    if arguments.stage {
        keys::read(&path)?;
        keys::stage(&path, &runtime)?;
        return print(&json!({ "masterKey": path, "staged": true }));
    }
    if arguments.drop_old {
        return drop_old(&config, &path, &runtime).await;
    }
    // The state must open with the keys as they are, before they change.
    open_as_is(&config, &runtime).await?.close().await;
    match (arguments.promote, arguments.resume) {
        (true, _) => keys::promote(&path)?,
        (_, true) => {}
        _ => keys::put_first(&path, &runtime)?,
    }
    let store = open_as_is(&config, &runtime).await?;
    let resealed = store.reseal().await;
    let older = store.secrets_under_older_keys().await;
    store.close().await;
    let resealed = resealed.context("not all secrets were sealed anew: run it with --resume")?;
    print(&json!({
        "masterKey": path,
        "resealed": resealed.changed,
        "alreadyCurrent": resealed.current,
        "underOlderKeys": older?,
    }))
}

async fn drop_old(config: &Config, path: &Path, runtime: &Runtime) -> Result<()> {
    // A process that still seals under an old key must not outlive it.
    let _lock = lock::take(&config.dir)?;
    let store = open_as_is(config, runtime).await?;
    let older = store.secrets_under_older_keys().await;
    store.close().await;
    let older = older?;
    ensure!(
        older == 0,
        "{older} secrets are still sealed under older keys: run rotate-key --resume first"
    );
    let dropped = keys::keep_first(path)?;
    print(&json!({ "masterKey": path, "droppedKeys": dropped }))
}

/// The control state as it is, with a master key that opens every secret in it.
pub(crate) async fn open_as_is(config: &Config, runtime: &Runtime) -> Result<Store> {
    let (path, url) = (keys::path(config), config.state_url()?);
    let missing = match Dialect::of_url(&url)? {
        Dialect::Sqlite => instance::sqlite_file(&url).filter(|file| !file.exists()),
        Dialect::Postgres => None,
    };
    if let Some(file) = missing {
        bail!("there is no control state at {}", file.display());
    }
    let store = Store::open_as_is(&url, keys::read(&path)?, runtime.clone()).await;
    let store = store.context("the control state")?;
    store.check_secrets().await.with_context(|| instance::other_key(&path))?;
    Ok(store)
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn tell(file: &Path, summary: &BackupSummary) -> Result<()> {
    print(&json!({
        "file": file,
        "rows": summary.rows,
        "schemaVersion": summary.header.schema,
        "createdAtMs": summary.header.created_at,
        "masterKeyIds": summary.header.key_ids,
    }))
}

fn print(answer: &serde_json::Value) -> Result<()> {
    writeln!(std::io::stdout(), "{answer:#}")?;
    Ok(())
}
