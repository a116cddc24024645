//! A damaged file: it is noted and left alone, the care for all others goes on, nothing is deleted on its
//! account, and a verification lets it out again.

use std::path::PathBuf;

use portolan_lake::DataFile;
use portolan_model::ArchiveState;
use portolan_runtime::FaultPlan;
use portolan_store::operations::OperationKind;
use portolan_store::{StoreError, quarantine};

use super::upkeep::{with_rule, with_small_files};
use super::world::{World, flight, flights};

impl World {
    async fn files(&self) -> Vec<DataFile> {
        self.table().await.load().await.expect("a version").files
    }

    fn object(&self, file: &str) -> PathBuf {
        self.table_folder().join(file)
    }

    /// Damages a file; gives back what it was.
    fn spoil(&self, file: &DataFile) -> Vec<u8> {
        let path = self.object(&file.path);
        let sound = std::fs::read(&path).expect("it is there");
        let mut bytes = sound.clone();
        // The pages of `_doc`, which come first.
        bytes[4..400].fill(0x5a);
        std::fs::write(&path, bytes).expect("written");
        sound
    }

    async fn quarantined(&self) -> Vec<String> {
        let store = self.store(FaultPlan::none()).await;
        let id = self.archive;
        let listed = store
            .read_tx::<_, StoreError, _>("test.quarantine", |tx| Box::pin(quarantine::list(tx, id)))
            .await
            .expect("read");
        store.close().await;
        listed.into_iter().map(|file| file.path).collect()
    }

    async fn verify(&mut self) {
        self.queue(OperationKind::Verify, "{}").await;
        self.pass(FaultPlan::none()).await;
    }

    async fn upkeep_is_well(&self) {
        let upkeep = self.upkeep().await.expect("looked after");
        assert_eq!((upkeep.failures, upkeep.last_error), (0, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_stays_while_the_others_expire() {
    let mut world = with_rule(50).await;
    let files = world.files().await;
    // Of this month only some documents are past their time.
    let mixed = files.iter().find(|file| file.month.as_deref() == Some("2023-09")).expect("a file");
    let sound = world.spoil(mixed);
    world.days_pass(1.5).await;
    assert_eq!(world.quarantined().await, std::slice::from_ref(&mixed.path));
    world.upkeep_is_well().await;
    let left = world.files().await;
    assert_eq!(left.iter().map(|file| file.rows).sum::<u64>(), 8, "August went, September stays");
    assert!(left.contains(mixed));
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let preview = worker.preview_expiry(world.archive, None).await.expect("a preview");
    store.close().await;
    assert_eq!(preview.documents, 0, "nor is it read for a preview");

    world.days_pass(40.0).await;
    assert!(
        world.files().await.contains(mixed),
        "nor does it go as a whole when all of it is past"
    );
    assert_eq!(world.objects().await, world.table_files().await, "others were cleaned up");
    assert!(world.object(&mixed.path).exists());
    assert_eq!(world.live().len(), 2, "nothing was deleted on its account");
    let (worker, store) = world.worker(FaultPlan::none()).await;
    let statistics = worker.statistics(world.archive).await.expect("statistics");
    store.close().await;
    assert_eq!(statistics.quarantined_files, 1);

    world.verify().await;
    assert_eq!(world.quarantined().await.len(), 1, "it is as damaged as before");
    std::fs::write(world.object(&mixed.path), sound).expect("written");
    world.verify().await;
    assert!(world.quarantined().await.is_empty());
    world.days_pass(0.5).await;
    assert!(!world.files().await.contains(mixed), "now it goes");
    world.upkeep_is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_small_files_become_one() {
    let mut world = with_small_files().await;
    let files = world.files().await;
    let small: Vec<&DataFile> =
        files.iter().filter(|file| file.month.as_deref() == Some("2023-10")).collect();
    assert_eq!(small.len(), 4);
    world.spoil(small[1]);
    world.days_pass(2.5).await;
    assert_eq!(world.quarantined().await, [small[1].path.clone()]);
    let left = world.files().await;
    assert_eq!(left.len(), files.len() - 2, "three became one");
    assert!(left.contains(small[1]));
    assert_eq!(world.objects().await, left.len());
    world.upkeep_is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_puts_what_it_finds_into_quarantine() {
    let mut world = with_small_files().await;
    let file = world.files().await.remove(0);
    std::fs::remove_file(world.object(&file.path)).expect("removed");
    world.verify().await;
    assert_eq!(world.quarantined().await, [file.path]);
}

/// A document comes back, and grows cold again: the row that it has in the damaged file cannot leave, so that
/// the move stays open and readers see the newer row once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_in_the_way_of_a_run_is_named_and_stops_nothing_else() {
    let mut world = World::with_flights().await;
    let mut all = world.live();
    world.settle().await;
    let files = world.files().await;
    let august =
        files.iter().find(|file| file.month.as_deref() == Some("2023-08")).expect("a file");
    let sound = world.spoil(august);
    let again = flight(9, 83, "it came back");
    all.insert(portolan_lake::identity(&again), again.as_bytes().to_vec());
    world.cluster.insert(&flights(), [again.clone()]).expect("inserted");
    world.cluster.set_down(true);
    world.settle().await;
    assert!(world.job().await.last_error.is_some(), "it fails for another reason first");
    world.cluster.set_down(false);
    world.settle().await;
    assert_eq!(world.quarantined().await, std::slice::from_ref(&august.path));
    let error = world.job().await.last_error.expect("it stands still");
    assert!(error.contains(&august.path) && error.contains("verified"), "{error}");
    assert_eq!(world.state().await, ArchiveState::Idle);
    world.settle().await;
    assert_eq!(world.job().await.last_error, Some(error), "said of every run");

    std::fs::write(world.object(&august.path), sound).expect("written");
    world.verify().await;
    assert!(world.quarantined().await.is_empty());
    world.settle().await;
    assert_eq!(world.job().await.last_error, None);
    let archived = world.archived().await;
    assert_eq!(archived[&portolan_lake::identity(&again)], again.as_bytes());
    world.assert_moved(&all, "each once").await;
}
