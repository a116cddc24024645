//! Kills the real process at effects that it passes only in a situation of their own: a document that came
//! back, a rule that was changed, a run that takes longer than its lease, files that nothing needs. Another
//! process goes on, and every document is where it belongs, byte for byte. (A table that is taken over:
//! `attach`.)

use bson::Document;
use portolan_archiver::effects;
use reqwest::Method;
use serde_json::json;

use crate::kill_stage::{
    AFTER, BEFORE, COLD_HALF, DAY_MS, Documents, Ground, MORE, Stage, WARM, part,
};
use crate::served::{Api, until};
use crate::{kill, kill_operations, kill_recovery};

/// The document that comes back, with other bytes.
const BACK: i64 = 3;
/// The rules that a client sets.
const NEW_EXPIRY_DAYS: i64 = 987;
const NEW_AGE_DAYS: i64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    /// A run takes longer than its lease lives unrenewed.
    Renewed,
    /// A run waits for its cluster.
    Waits,
    /// A process died between a commit and its entry in the journal.
    Unjournalled,
    /// An archived document was inserted again.
    CameBack,
    /// And another archive of the collection moves it.
    CameBackToAnother,
    /// The expiration rule was changed.
    Rule,
    /// The criteria were changed.
    Definition,
    /// Small files became one, two days ago.
    Leftovers,
}

/// Points and fates of the process that dies.
type Faults = &'static [(&'static str, &'static str)];

const KILLS: &[(Situation, Faults)] = &[
    (Situation::Renewed, &[(effects::UPLOAD, "delayed:4000"), (effects::LEASE_RENEW, BEFORE)]),
    (Situation::Waits, &[(effects::RUN_WAIT, BEFORE)]),
    (Situation::Unjournalled, &[(effects::RECONCILE, BEFORE)]),
    (Situation::CameBack, &[(effects::REWRITE, AFTER)]),
    (Situation::CameBackToAnother, &[(effects::SUPERSEDE, AFTER)]),
    (Situation::Rule, &[(effects::RULES, BEFORE)]),
    (Situation::Definition, &[(effects::DEFINE, BEFORE)]),
    (Situation::Leftovers, &[(effects::CLEAN_UP, AFTER)]),
];

/// The other side of the same effects.
const MORE_KILLS: &[(Situation, Faults)] = &[
    (Situation::CameBack, &[(effects::REWRITE, BEFORE)]),
    (Situation::CameBackToAnother, &[(effects::SUPERSEDE, BEFORE)]),
    (Situation::Rule, &[(effects::RULES, AFTER)]),
    (Situation::Definition, &[(effects::DEFINE, AFTER)]),
    (Situation::Leftovers, &[(effects::CLEAN_UP, BEFORE)]),
];

#[test]
fn the_process_is_killed_at_every_effect() {
    let situations = KILLS.iter().filter_map(|(_, faults)| faults.last());
    let mut points: Vec<&str> = situations.map(|(point, _)| *point).collect();
    points.extend(kill::points().chain(kill_operations::points()));
    points.extend(kill_recovery::points().chain([effects::OWN]));
    let missing: Vec<&str> =
        effects::ALL.into_iter().filter(|point| !points.contains(point)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_in_a_situation_of_its_own_goes_on() {
    kill_all((29_840, 29_849), KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: cargo xtask conformance --only kills"]
async fn kill_matrix_in_situations_of_their_own() {
    kill_all((29_880, 29_889), MORE_KILLS).await;
    println!("killed at {} more effects in situations of their own", MORE_KILLS.len());
}

async fn kill_all(ports: (u16, u16), kills: &[(Situation, Faults)]) {
    let dir = tempfile::tempdir().expect("a folder");
    let stage = Stage::build(dir.path(), ports, &Ground::default()).await;
    for (situation, faults) in kills {
        let plan: Vec<String> =
            faults.iter().map(|(point, fate)| format!("{point}={fate}")).collect();
        stage.reset();
        kill(&stage, *situation, &plan.join(",")).await;
    }
}

async fn kill(stage: &Stage, situation: Situation, plan: &str) {
    let (ground, context) = (Ground::default(), format!("{situation:?}, {plan}"));
    situation.prepare(stage).await;
    let mut environment = vec![("PORTOLAN_FAULTS", plan)];
    environment.extend(situation.dying());
    environment.extend(situation.settings());
    if situation.is_asked_for() {
        let (process, api) = stage.serve(&ground, &environment).await;
        situation.ask(stage, &api).await;
        process.dies(&context).await;
    } else {
        stage.start(&ground, &environment).dies(&context).await;
    }
    let (process, api) = stage.serve(&ground, &situation.settings()).await;
    situation.wait(stage, &api).await;
    situation.check(stage, &api, &context).await;
    process.stop().await;
}

impl Situation {
    /// Whether a client brings it about; the rest lies in the folder.
    const fn is_asked_for(self) -> bool {
        !matches!(self, Self::Unjournalled | Self::Leftovers)
    }

    /// Settings of the process that dies alone.
    fn dying(self) -> Option<(&'static str, &'static str)> {
        // A batch of eight is two seconds too many.
        let slow = ("PORTOLAN__ARCHIVER__OPERATIONS_PER_S_MAX", "4");
        (self == Self::Waits).then_some(slow)
    }

    /// Settings of both processes.
    fn settings(self) -> Vec<(&'static str, &'static str)> {
        assert_eq!(2 * DAY_MS, 172_800_000);
        let ahead = ("PORTOLAN_CLOCK_AHEAD_MS", "172800000");
        if self == Self::Leftovers { vec![ahead] } else { Vec::new() }
    }

    /// Earlier processes.
    async fn prepare(self, stage: &Stage) {
        let ground = Ground::default();
        match self {
            Self::Unjournalled => {
                let fault = [("PORTOLAN_FAULTS", "archiver.commit=dies_after")];
                let (process, api) = stage.serve(&ground, &fault).await;
                self.ask(stage, &api).await;
                process.dies("the commit").await;
            }
            Self::Leftovers => {
                let eager = [("PORTOLAN__ARCHIVER__COMPACTION_FILES_MIN", "2")];
                let (process, api) = stage.serve(&ground, &eager).await;
                until("one file", 90, async || {
                    let shown = api.get(&stage.own("/statistics")).await;
                    (shown["files"] == 1).then_some(())
                })
                .await;
                process.stop().await;
            }
            _ => {}
        }
    }

    /// What a client sends.
    async fn ask(self, stage: &Stage, api: &Api) {
        let (path, resumed) = (stage.path(), json!({ "paused": false }));
        match self {
            Self::Renewed | Self::Waits | Self::Unjournalled => {
                stage.insert_more().await;
                api.tell(Method::PATCH, &path, &resumed).await;
            }
            Self::CameBack => {
                stage.insert_one(&again(stage)).await;
                api.tell(Method::PATCH, &path, &resumed).await;
            }
            Self::CameBackToAnother => {
                stage.insert_one(&again(stage)).await;
                api.tell(Method::POST, &stage.archives(), &stage.archive_body()).await;
            }
            Self::Rule => {
                let rule = json!({ "expireAfterDays": NEW_EXPIRY_DAYS });
                api.tell(Method::PATCH, &path, &json!({ "dataExpirationRule": rule })).await;
            }
            Self::Definition => {
                let criteria = json!({
                    "type": "DATE", "dateField": "at", "dateFormat": "ISODATE",
                    "expireAfterDays": NEW_AGE_DAYS,
                });
                api.tell(Method::PATCH, &path, &json!({ "criteria": criteria })).await;
            }
            Self::Leftovers => {}
        }
    }

    /// Returns when the other process has gone on.
    async fn wait(self, stage: &Stage, api: &Api) {
        match self {
            Self::Renewed | Self::Waits | Self::Unjournalled => {
                stage.archived_is(api, 2 * COLD_HALF + MORE).await;
            }
            Self::CameBack => moved(stage, api, &stage.archive).await,
            Self::CameBackToAnother => moved(stage, api, &another(stage, api).await).await,
            Self::Rule => stage.log_says(&format!("expireAfterDays\\\":{NEW_EXPIRY_DAYS}")).await,
            Self::Definition => {
                stage.log_says(&format!("expireAfterDays\\\":{NEW_AGE_DAYS}")).await;
            }
            Self::Leftovers => {
                stage.archived_is(api, COLD_HALF).await;
                // Two files of today's expiry: what it wrote, and what it took out, which stays for a day.
                until("the end of the small files", 90, async || {
                    (stage.data_files() <= 2).then_some(())
                })
                .await;
            }
        }
    }

    async fn check(self, stage: &Stage, api: &Api, context: &str) {
        let cold: Documents = part(&stage.all, |n| n < 2 * COLD_HALF);
        let live = stage.live().await;
        assert!(live == part(&stage.all, |n| n >= 2 * COLD_HALF), "{context}: the cluster's own");
        assert_eq!(live.len(), usize::try_from(WARM).expect("few"));
        stage.verify(api, context).await;
        let archived = stage.endpoint(api, "archive").await;
        let expected = self.archived(stage, cold);
        let difference = archived.len().abs_diff(expected.len());
        let is_more = matches!(self, Self::Renewed | Self::Waits | Self::Unjournalled);
        let known = part(&archived, |n| n < 1_000);
        assert!(known == expected, "{context}: {} of {}", known.len(), expected.len());
        let more = if is_more { usize::try_from(MORE).expect("few") } else { 0 };
        assert_eq!(difference, more, "{context}: documents that came later");
        let union = stage.endpoint(api, "clusterAndArchive").await;
        assert_eq!(union.len(), archived.len() + live.len(), "{context}: both as one");
        self.check_settings(stage, api, context).await;
    }

    /// What is archived of the documents that were cold at first.
    fn archived(self, stage: &Stage, mut cold: Documents) -> Documents {
        match self {
            Self::CameBack | Self::CameBackToAnother => {
                let again = bson::serialize_to_vec(&again(stage)).expect("a document");
                cold.insert(BACK, again);
                cold
            }
            Self::Leftovers => part(&cold, |n| n % COLD_HALF >= COLD_HALF / 2),
            _ => cold,
        }
    }

    async fn check_settings(self, stage: &Stage, api: &Api, context: &str) {
        let shown = api.get(&stage.path()).await;
        match self {
            Self::Rule => {
                let days = &shown["dataExpirationRule"]["expireAfterDays"];
                assert_eq!(*days, NEW_EXPIRY_DAYS, "{context}: {shown}");
            }
            Self::Definition => {
                let days = &shown["criteria"]["expireAfterDays"];
                assert_eq!(*days, NEW_AGE_DAYS, "{context}: {shown}");
            }
            _ => {}
        }
    }
}

/// The document that comes back: as it was archived, but for its text.
fn again(stage: &Stage) -> Document {
    let mut document: Document =
        bson::deserialize_from_slice(&stage.all[&BACK]).expect("a document");
    document.insert("text", "again");
    document
}

/// The archive beside the stage's own, once a process has made it.
async fn another(stage: &Stage, api: &Api) -> String {
    let listed = api.get(&stage.archives()).await;
    let ids = listed["results"].as_array().expect("a list").iter();
    let mut ids = ids.map(|archive| archive["_id"].as_str().expect("an id").to_owned());
    ids.find(|id| *id != stage.archive).expect("another archive")
}

/// Waits until the document that came back left the cluster and no move is open.
async fn moved(stage: &Stage, api: &Api, archive: &str) {
    until("the second move of the document", 90, async || {
        let shown = api.get(&stage.own_of(archive, "/statistics")).await;
        let closed = shown["openMove"] == false && !stage.live().await.contains_key(&BACK);
        closed.then_some(())
    })
    .await;
}
