//! Kills the real process in the middle of what operators and upkeep do to an archive (restore, redaction,
//! compaction, expiry, purge), starts it again, and demands that the work is done and every document is
//! where it belongs, byte for byte.
//!
//! `cargo test` kills once for each kind of work, at the step where most is at stake. All steps are killed
//! at by `cargo xtask conformance --only kills`, and some of them also on PostgreSQL, MinIO and FerretDB.

use portolan_archiver::effects;
use portolan_store::scratch;
use reqwest::Method;
use serde_json::json;

use crate::kill_stage::{
    AFTER, BEFORE, COLD_HALF, DAY_MS, Documents, Ground, MORE, Stage, WARM, part,
};
use crate::served::{Api, Process, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Run,
    Restore,
    Redact,
    Compact,
    Expire,
    Purge,
    Sweep,
}

/// Where the process is killed; the first of each kind is the one of `cargo test`.
const KILLS: &[(Work, &[(&str, &str)])] = &[
    (
        Work::Restore,
        &[
            (effects::RESTORE, AFTER),
            (effects::OPERATION_CLAIM, BEFORE),
            (effects::RESTORE_HOLD, BEFORE),
            (effects::RESTORE, BEFORE),
            (effects::OPERATION_PROGRESS, BEFORE),
            (effects::OPERATION_DONE, BEFORE),
        ],
    ),
    (
        Work::Redact,
        &[
            (effects::REDACT, AFTER),
            (effects::OPERATION_CLAIM, BEFORE),
            (effects::REDACTION_REWRITE, BEFORE),
            (effects::REDACTION_REWRITE, AFTER),
            (effects::REDACT, BEFORE),
            (effects::FORGET_HISTORY, BEFORE),
            (effects::FORGET_HISTORY, AFTER),
            (effects::FORGET_TRACES, BEFORE),
            (effects::OPERATION_DONE, BEFORE),
        ],
    ),
    (
        Work::Compact,
        &[
            (effects::COMPACT, AFTER),
            (effects::COMPACTION_REWRITE, BEFORE),
            (effects::COMPACTION_REWRITE, AFTER),
            (effects::OPERATION_START, BEFORE),
            (effects::COMPACT, BEFORE),
            (effects::OPERATION_DONE, BEFORE),
            (effects::UPKEEP, BEFORE),
        ],
    ),
    (
        Work::Expire,
        &[
            (effects::EXPIRE, AFTER),
            (effects::EXPIRY_REWRITE, BEFORE),
            (effects::EXPIRY_REWRITE, AFTER),
            (effects::OPERATION_START, BEFORE),
            (effects::EXPIRE, BEFORE),
            (effects::OPERATION_DONE, BEFORE),
            (effects::UPKEEP, BEFORE),
        ],
    ),
    (
        Work::Purge,
        &[
            (effects::PURGE, AFTER),
            (effects::PURGING, BEFORE),
            (effects::PURGE, BEFORE),
            (effects::PURGED, BEFORE),
        ],
    ),
    (
        Work::Sweep,
        &[(effects::SWEEP, AFTER), (effects::SWEEP, BEFORE), (effects::FORGOTTEN, BEFORE)],
    ),
];

/// The points of these kills.
pub(crate) fn points() -> impl Iterator<Item = &'static str> {
    KILLS.iter().flat_map(|(_, kills)| kills.iter().map(|(point, _)| *point))
}

/// Where the process is killed on each combination of servers: there a stage is built for each kill.
const MATRIX: &[(Work, &str, &str)] = &[
    (Work::Run, effects::COMMIT, AFTER),
    (Work::Run, effects::DELETE, AFTER),
    (Work::Restore, effects::RESTORE, AFTER),
    (Work::Redact, effects::REDACT, AFTER),
    (Work::Compact, effects::COMPACT, AFTER),
    (Work::Purge, effects::PURGE, AFTER),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_is_killed_is_finished() {
    let (dir, ground) = (tempfile::tempdir().expect("a folder"), Ground::default());
    let stage = Stage::build(dir.path(), (29_850, 29_859), &ground).await;
    for (work, kills) in KILLS.iter().filter(|(work, _)| *work != Work::Sweep) {
        let (point, fate) = kills[0];
        stage.reset();
        kill(&stage, &ground, *work, &format!("{point}={fate}")).await;
    }
}

/// Every step of every kind of work, on the default stack.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo xtask conformance --only kills"]
async fn kill_matrix_at_every_step() {
    let (dir, ground) = (tempfile::tempdir().expect("a folder"), Ground::default());
    let stage = Stage::build(dir.path(), (29_860, 29_869), &ground).await;
    let mut count = 0;
    for (work, kills) in KILLS {
        for (point, fate) in *kills {
            stage.reset();
            kill(&stage, &ground, *work, &format!("{point}={fate}")).await;
            count += 1;
        }
    }
    println!("killed at {count} steps of work beside runs");
}

/// Some steps on every combination of SQLite and PostgreSQL, folder and MinIO, sandbox and FerretDB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, MinIO and FerretDB: cargo xtask conformance --only kills"]
async fn kill_matrix_on_every_combination() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (server, s3, ferretdb) = (
        variable(scratch::POSTGRES_VARIABLE),
        variable("PORTOLAN_TEST_S3"),
        variable("PORTOLAN_TEST_FERRETDB"),
    );
    let mut count = 0;
    for combination in 1..8 {
        for (work, point, fate) in MATRIX {
            let mut ground = Ground::default();
            if combination & 1 != 0 {
                ground.postgres = Some(scratch::postgres_url(&server).await);
            }
            ground.s3 = (combination & 2 != 0).then(|| (s3.clone(), format!("kills/{count}")));
            ground.ferretdb =
                (combination & 4 != 0).then(|| (ferretdb.clone(), format!("kills{count}")));
            let dir = tempfile::tempdir().expect("a folder");
            let stage = Stage::build(dir.path(), (29_870, 29_879), &ground).await;
            kill(&stage, &ground, *work, &format!("{point}={fate}")).await;
            count += 1;
            println!("{work:?} was killed at {point} on combination {combination}");
        }
    }
    println!("killed {count} times on 7 combinations");
}

/// Lets the process die at the fault while it works, lets another one go on, and looks at everything.
async fn kill(stage: &Stage, ground: &Ground, work: Work, fault: &str) {
    let context = format!("{work:?}, {fault}");
    if work == Work::Sweep {
        // The first half of a purge lies a day back.
        let environment = Work::Purge.environment(&[]);
        let (process, api) = stage.serve(ground, &borrowed(&environment)).await;
        Work::Purge.ask(stage, &api).await;
        Work::Purge.wait(stage, &api, &process, 0).await;
        process.stop().await;
    }
    let environment = work.environment(&[("PORTOLAN_FAULTS", fault)]);
    let mut log = 0;
    if work.is_asked_for() {
        let (process, api) = stage.serve(ground, &borrowed(&environment)).await;
        work.ask(stage, &api).await;
        log = process.log().len();
        process.dies(&context).await;
    } else {
        // It may die before it answers anybody.
        stage.start(ground, &borrowed(&environment)).dies(&context).await;
    }
    let environment = work.environment(&[]);
    let (process, api) = stage.serve(ground, &borrowed(&environment)).await;
    work.wait(stage, &api, &process, log).await;
    work.check(stage, &api, &context).await;
    process.stop().await;
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

impl Work {
    /// Whether a client asks for it; upkeep does the rest by itself.
    const fn is_asked_for(self) -> bool {
        !matches!(self, Self::Compact | Self::Expire | Self::Sweep)
    }

    /// The settings under which the work is done, and more.
    fn environment(self, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut environment = self.settings();
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        environment
    }

    fn settings(self) -> Vec<(&'static str, String)> {
        let ahead = ("PORTOLAN_CLOCK_AHEAD_MS", (2 * DAY_MS).to_string());
        let no_grace = ("PORTOLAN__ARCHIVER__DELETED_GRACE_MS", "100".to_owned());
        match self {
            Self::Compact => vec![("PORTOLAN__ARCHIVER__COMPACTION_FILES_MIN", "2".to_owned())],
            Self::Expire => vec![ahead],
            Self::Purge => vec![no_grace],
            Self::Sweep => vec![no_grace, ahead],
            Self::Run | Self::Restore | Self::Redact => Vec::new(),
        }
    }

    /// What a client sends.
    async fn ask(self, stage: &Stage, api: &Api) {
        match self {
            Self::Run => {
                stage.insert_more().await;
                let body = json!({ "paused": false });
                api.tell(Method::PATCH, &stage.path(), &body).await;
            }
            Self::Restore => {
                let body = json!({ "filter": r#"{"half": 0}"# });
                api.tell(Method::POST, &stage.own(":restore"), &body).await;
            }
            Self::Redact => {
                let body = json!({ "_id": { "$numberLong": "7" }, "reason": "a test" });
                api.tell(Method::POST, &stage.own(":redact"), &body).await;
            }
            Self::Purge => api.tell(Method::DELETE, &stage.path(), &json!({})).await,
            Self::Compact | Self::Expire | Self::Sweep => {}
        }
    }

    /// Returns when the work is done; what stood in the log before `log` was said by another process.
    async fn wait(self, stage: &Stage, api: &Api, process: &Process, log: usize) {
        match self {
            Self::Run => stage.archived_is(api, 2 * COLD_HALF + MORE).await,
            Self::Restore => drop(stage.done(api, "RESTORE").await),
            Self::Redact => drop(stage.done(api, "REDACT").await),
            Self::Expire => stage.archived_is(api, COLD_HALF).await,
            Self::Compact => {
                until("one file", 90, async || {
                    let shown = api.get(&stage.own("/statistics")).await;
                    (shown["files"] == 1).then_some(())
                })
                .await;
            }
            Self::Purge => {
                let said = "removed the table of a deleted archive";
                until(said, 90, async || process.log()[log..].contains(said).then_some(())).await;
            }
            Self::Sweep => {
                // The deletion cannot be taken back any more, and then there is nothing to take back.
                until("the end of the archive", 90, async || {
                    let (status, _) = api.call(Method::POST, &stage.own(":undelete"), None).await;
                    (status == 404).then_some(())
                })
                .await;
            }
        }
    }

    /// Every document is where it belongs, as it was.
    async fn check(self, stage: &Stage, api: &Api, context: &str) {
        let warm: Documents = part(&stage.all, |n| n >= 2 * COLD_HALF);
        let live = stage.live().await;
        if matches!(self, Self::Purge | Self::Sweep) {
            assert!(live == warm, "{context}: the cluster's own documents");
            return;
        }
        stage.verify(api, context).await;
        let archived = stage.endpoint(api, "archive").await;
        let union = stage.endpoint(api, "clusterAndArchive").await;
        let cold: Documents = part(&stage.all, |n| n < 2 * COLD_HALF);
        match self {
            Self::Restore => {
                let back = part(&stage.all, |n| n >= 2 * COLD_HALF || n % 2 == 0);
                assert!(live == back, "{context}: {} of {} are live", live.len(), back.len());
                assert!(archived == cold && union == stage.all, "{context}: rows stay");
            }
            Self::Redact => {
                let mut left = cold;
                left.remove(&7);
                assert!(live == warm && archived == left, "{context}: {}", archived.len());
            }
            Self::Compact => assert!(live == warm && archived == cold, "{context}"),
            Self::Expire => {
                let young = part(&cold, |n| n % COLD_HALF >= COLD_HALF / 2);
                assert!(live == warm && archived == young, "{context}: {}", archived.len());
            }
            Self::Run => {
                let moved = usize::try_from(2 * COLD_HALF + MORE).expect("few");
                assert!(live == warm && archived.len() == moved, "{context}: {}", archived.len());
                assert_eq!(union.len(), moved + warm.len(), "{context}");
            }
            Self::Purge | Self::Sweep => {}
        }
        assert_eq!(warm.len(), usize::try_from(WARM).expect("few"));
    }
}
