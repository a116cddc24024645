//! Kills the real process while an operator helps an archive that cannot help itself: one that is suspended
//! for what another engine did to its table, one whose collection was replaced, one with a damaged file.
//! The operator repeats what he asked for, and every document is where it belongs, byte for byte.

use std::path::PathBuf;

use portolan_archiver::effects;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kill_stage::{AFTER, BEFORE, COLD_HALF, Documents, Ground, MORE, Stage, part};
use crate::served::{Api, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Help {
    /// Another engine wrote files again under other names; the operator accepts it.
    Resume,
    /// The collection was dropped and made anew; the operator says that the new one is meant.
    Reattach,
    /// A file was damaged; a verification finds it.
    Quarantine,
}

const KILLS: &[(Help, &str, &str)] = &[
    (Help::Resume, effects::ADOPT, AFTER),
    (Help::Resume, effects::RESUME, BEFORE),
    (Help::Reattach, effects::PLACE, AFTER),
    (Help::Quarantine, effects::QUARANTINE, BEFORE),
];

/// The other side of the same effects.
const MORE_KILLS: &[(Help, &str, &str)] = &[
    (Help::Resume, effects::ADOPT, BEFORE),
    (Help::Resume, effects::RESUME, AFTER),
    (Help::Reattach, effects::PLACE, BEFORE),
    (Help::Quarantine, effects::QUARANTINE, AFTER),
];

/// The points of the kills of `cargo test`.
pub(crate) fn points() -> impl Iterator<Item = &'static str> {
    KILLS.iter().map(|(_, point, _)| *point)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_that_is_cut_off_is_asked_for_again() {
    kill_all((29_740, 29_749), KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: cargo xtask conformance --only kills"]
async fn kill_matrix_of_recovery() {
    kill_all((29_750, 29_759), MORE_KILLS).await;
    println!("killed at {} more effects of recovery", MORE_KILLS.len());
}

async fn kill_all(ports: (u16, u16), kills: &[(Help, &str, &str)]) {
    let (dir, ground) = (tempfile::tempdir().expect("a folder"), Ground::default());
    let stage = Stage::build(dir.path(), ports, &ground).await;
    for (help, point, fate) in kills {
        stage.reset();
        let fault = format!("{point}={fate}");
        let (process, api) = stage.serve(&ground, &[("PORTOLAN_FAULTS", &fault)]).await;
        let trouble = help.prepare(&stage, &api).await;
        help.ask(&stage, &api).await;
        let context = format!("{help:?}, {fault}");
        process.dies(&context).await;
        let (process, api) = stage.serve(&ground, &[]).await;
        help.repeat(&stage, &api, trouble).await;
        check(&stage, &api, &context).await;
        process.stop().await;
    }
}

/// What has to be put right by hand: a file and its sound bytes.
type Trouble = Option<(PathBuf, Vec<u8>)>;

impl Help {
    /// Makes the trouble, and waits until the process has noticed it.
    async fn prepare(self, stage: &Stage, api: &Api) -> Trouble {
        match self {
            Self::Resume => {
                optimize(stage);
                unpause(stage, api).await;
                state_is(stage, api, "SUSPENDED").await;
                None
            }
            Self::Reattach => {
                stage.make_collection_anew().await;
                unpause(stage, api).await;
                state_is(stage, api, "ORPHANED").await;
                None
            }
            Self::Quarantine => {
                let file = stage.table_files().remove(0);
                let sound = std::fs::read(&file).expect("it is there");
                let mut spoilt = sound.clone();
                spoilt[4..400].fill(0x5a);
                std::fs::write(&file, spoilt).expect("written");
                Some((file, sound))
            }
        }
    }

    /// What the operator asks for.
    async fn ask(self, stage: &Stage, api: &Api) {
        let (what, body) = self.request();
        api.tell(Method::POST, &stage.own(what), &body).await;
    }

    fn request(self) -> (&'static str, Value) {
        match self {
            Self::Resume => (":resume", json!({ "accept": ["FOREIGN_WRITER"] })),
            Self::Reattach => (":reattach", json!({ "otherCollection": true })),
            Self::Quarantine => (":verify", json!({})),
        }
    }

    /// He asks once more, or waits for what goes on by itself; then the archive moves what is cold.
    async fn repeat(self, stage: &Stage, api: &Api, trouble: Trouble) {
        if let Some((file, sound)) = trouble {
            // Asking for a verification while one is under way gives that one.
            stage.done(api, "VERIFY").await;
            quarantined_are(stage, api, 1).await;
            std::fs::write(file, sound).expect("written");
            api.post(&stage.own(":verify"), &json!({})).await;
            quarantined_are(stage, api, 0).await;
        } else {
            let (what, body) = self.request();
            // The lease of the dead process is in the way for its time to live.
            until("the operator's help", 60, async || {
                let (status, answer) = api.call(Method::POST, &stage.own(what), Some(&body)).await;
                assert!(status < 300 || status == 503, "{status} {answer}");
                (status < 300).then_some(())
            })
            .await;
            assert_eq!(api.get(&stage.own(":explain")).await["state"], "PAUSED");
        }
        stage.insert_more().await;
        unpause(stage, api).await;
        stage.archived_is(api, 2 * COLD_HALF + MORE).await;
    }
}

async fn unpause(stage: &Stage, api: &Api) {
    let (status, answer) =
        api.call(Method::PATCH, &stage.path(), Some(&json!({ "paused": false }))).await;
    assert_eq!(status, 200, "{answer}");
}

async fn state_is(stage: &Stage, api: &Api, state: &str) {
    until(state, 60, async || {
        (api.get(&stage.own(":explain")).await["state"] == state).then_some(())
    })
    .await;
}

async fn quarantined_are(stage: &Stage, api: &Api, files: u64) {
    until("the files in quarantine", 60, async || {
        (api.get(&stage.own("/statistics")).await["quarantinedFiles"] == files).then_some(())
    })
    .await;
}

/// Another engine writes the newest file again, under another name.
fn optimize(stage: &Stage) {
    let table = stage.table();
    let log = table.join("_delta_log");
    let entry = |number: u64| log.join(format!("{number:020}.json"));
    let count = (0..).take_while(|number| entry(*number).exists()).count() as u64;
    let add = (0..count).rev().find_map(|number| {
        let text = std::fs::read_to_string(entry(number)).expect("an entry");
        let actions = text.lines().map(|line| serde_json::from_str(line).expect("an action"));
        actions.filter_map(|action: Value| action.get("add").cloned()).next()
    });
    let mut add = add.expect("a file");
    let path = add["path"].as_str().expect("a path").to_owned();
    let copy = path.replace("part-", "foreign-");
    std::fs::copy(table.join(&path), table.join(&copy)).expect("copied");
    (add["path"], add["dataChange"]) = (copy.into(), false.into());
    let remove = json!({ "path": path, "dataChange": false, "deletionTimestamp": 1 });
    let lines = [
        json!({ "commitInfo": { "operation": "OPTIMIZE" } }),
        json!({ "remove": remove }),
        json!({ "add": add }),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    std::fs::write(entry(count), text).expect("written");
}

/// Every document is where it belongs, as it was.
async fn check(stage: &Stage, api: &Api, context: &str) {
    let live = stage.live().await;
    let warm: Documents = part(&stage.all, |n| n >= 2 * COLD_HALF);
    assert!(live == warm, "{context}: the cluster's own");
    stage.verify(api, context).await;
    let archived = stage.endpoint(api, "archive").await;
    let cold: Documents = part(&stage.all, |n| n < 2 * COLD_HALF);
    let known = part(&archived, |n| n < 1_000);
    assert!(known == cold, "{context}: {} of {}", known.len(), cold.len());
    let moved = usize::try_from(2 * COLD_HALF + MORE).expect("few");
    assert_eq!(archived.len(), moved, "{context}");
    let union = stage.endpoint(api, "clusterAndArchive").await;
    assert_eq!(union.len(), moved + warm.len(), "{context}: both as one");
}
