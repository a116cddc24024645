//! Backup, restore, key rotation and the pre-flight check, as an operator meets them.

use std::path::Path;

use crate::served::Setting;
use crate::support::{Instance, sample};

/// The configuration of a folder that the quickstart made, or that is to become like it.
fn setting(dir: &Path, more: &str) -> Setting {
    Setting::write(dir, "127.0.0.1", (29_650, 29_659), more)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn copy_key(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("keys")).expect("a folder");
    std::fs::copy(from.join("keys/master.key"), to.join("keys/master.key")).expect("copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_instance_is_backed_up_restored_and_rekeyed() {
    let (dir, sample) = (tempfile::tempdir().expect("a folder"), sample(400));
    let home = dir.path().join("first");
    std::fs::create_dir_all(&home).expect("a folder");
    let running = Instance::start(&home, &sample.path).await;
    let here = setting(&home, "");
    let file = dir.path().join("one.backup");
    let made = here.run(&["backup", "--to", text(&file)]).expect("backed up");
    assert!(made["rows"].as_u64() > Some(20), "{made}");
    let again = here.run(&["backup", "--to", text(&file)]).expect_err("it exists");
    assert!(again.contains("overwrites nothing"), "{again}");

    let trail = here.run(&["audit", "--limit", "1"]).expect("a trail");
    assert!(!trail["operation"].as_str().expect("an operation").is_empty(), "{trail}");
    assert_eq!(trail["outcome"], "DONE");
    let resealed = here.run(&["rotate-key"]).expect("rotated");
    assert!(resealed["resealed"].as_u64() >= Some(3), "{resealed}");
    assert_eq!(resealed["underOlderKeys"], 0);
    let documents = running.documents().await;
    assert!(!documents.archive.is_empty(), "the running instance reads the new key");
    let in_use = here.run(&["rotate-key", "--drop-old"]).expect_err("it runs");
    assert!(in_use.contains("in use by another Portolan process"), "{in_use}");
    let checked = here.run(&["check-config"]).expect("sound").to_string();
    assert!(checked.contains("in use by a running process"), "{checked}");
    running.stop();
    let dropped = here.run(&["rotate-key", "--drop-old"]).expect("dropped");
    assert_eq!(dropped["droppedKeys"], 1);
    let again = Instance::start_again(&home, &sample.path).await;
    assert_eq!(again.documents().await.archive.len(), documents.archive.len());
    again.stop();

    // The backup is older than the new key, so it needs the old one, which is gone from that file.
    restored_elsewhere(&home, dir.path(), &file);
}

fn restored_elsewhere(home: &Path, dir: &Path, file: &Path) {
    let second = dir.join("second");
    let there = setting(&second, "");
    let restore = ["restore", "--from", text(file)];
    let keyless = there.run(&restore).expect_err("no key");
    assert!(keyless.contains("put the master key"), "{keyless}");
    copy_key(home, &second);
    let wrong = there.run(&restore).expect_err("another key");
    assert!(wrong.contains("is not in the key ring"), "{wrong}");
    assert!(!second.join("control.db").exists(), "a refused restore leaves nothing");
    let here = setting(home, "");
    let newer = dir.join("two.backup");
    here.run(&["backup", "--to", text(&newer)]).expect("backed up");
    let whole = std::fs::read(&newer).expect("there");
    let cut = dir.join("cut.backup");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    there.run(&["restore", "--from", text(&cut)]).expect_err("cut off");
    assert!(!second.join("control.db").exists());
    let restore = ["restore", "--from", text(&newer)];
    let restored = there.run(&restore).expect("restored");
    assert!(restored["rows"].as_u64() > Some(20), "{restored}");
    let twice = there.run(&restore).expect_err("not empty");
    assert!(twice.contains("holds control state already"), "{twice}");
    let checked = there.run(&["check-config"]).expect("sound").to_string();
    assert!(checked.contains("secrets open"), "{checked}");
}

#[test]
fn the_preflight_check_names_what_would_stop_a_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = setting(dir.path(), "");
    assert!(here.run(&["check-config"]).expect("sound").to_string().contains("is empty"));
    assert!(!dir.path().join("control.db").exists() && !dir.path().join("keys").exists());
    here.bootstrap();
    let key = dir.path().join("keys/master.key");
    let right = std::fs::read(&key).expect("a key");
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).expect("written");
    let refusal = here.run(&["check-config"]).expect_err("another key");
    assert!(refusal.contains("another master key"), "{refusal}");
    let refusal = here.run(&["backup", "--to", text(&dir.path().join("x"))]).expect_err("refused");
    assert!(refusal.contains("another master key"), "{refusal}");
    std::fs::remove_file(&key).expect("removed");
    let refusal = here.run(&["check-config"]).expect_err("no key");
    assert!(refusal.contains("is missing"), "{refusal}");
    std::fs::write(&key, right).expect("written");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("private");
    let address = here.base_url.trim_start_matches("http://").to_owned();
    let taken = std::net::TcpListener::bind(&address).expect("bound");
    let refusal = here.run(&["check-config"]).expect_err("a port in use");
    assert!(refusal.contains(&address), "{refusal}");
    drop(taken);
    assert!(here.run(&["check-config"]).expect("sound").to_string().contains("is sound"));
    let worker = here.run(&["worker"]).expect_err("SQLite");
    assert!(worker.contains("PostgreSQL"), "{worker}");
}
