//! The plan of a query's archive part: which files are read, and what is known of them beforehand.
//!
//! Pruning leaves out files that cannot hold a match. Of the others it may be proved, by one question
//! to the cluster, that none of their documents is there, which spares looking them up one by one.

use std::collections::HashSet;

use portolan_lake::ScanPlan;

use crate::FederationError;
use crate::endpoint::EndpointMode;
use crate::id_range::{self, IdRange};
use crate::judge::Judge;
use crate::pin::Pin;
use crate::query::Query;
use crate::session::{Figures, Session};

/// The planned scan of one pin.
pub(crate) struct Scan {
    pub(crate) pin: usize,
    pub(crate) plan: ScanPlan,
    /// Files whose `_id` range is empty in the cluster.
    pub(crate) proved: HashSet<usize>,
    /// Files whose rows may have newer ones beside them.
    pub(crate) rivalled: HashSet<usize>,
}

impl Scan {
    fn new(pin: usize, plan: ScanPlan, judge: &Judge) -> Self {
        let rivalled = plan.files.iter().filter(|(_, file)| judge.has_rivals(file));
        let rivalled = rivalled.map(|(index, _)| *index).collect();
        Self { pin, plan, proved: HashSet::new(), rivalled }
    }
}

/// Plans the scans of all pins, newest archive first, and proves what can be proved.
pub(crate) async fn plan(
    session: &Session,
    query: &Query,
    pins: &[Pin],
    judge: &Judge,
) -> Result<Vec<Scan>, FederationError> {
    let mut scans: Vec<Scan> = pins
        .iter()
        .enumerate()
        .map(|(pin, pinned)| Scan::new(pin, pinned.plan(query), judge))
        .filter(|scan| scan.plan.files_read > 0)
        .collect();
    if session.mode == EndpointMode::ClusterAndArchive && !scans.is_empty() {
        prove(session, query, judge, &mut scans).await?;
    }
    Ok(scans)
}

/// Asks the cluster for one document in the `_id` range of all files, then of single files. What is
/// proved counts only if nothing was committed between the pins and the proof: then no document can
/// have come into the cluster after the pins and left it before the proof.
async fn prove(
    session: &Session,
    query: &Query,
    judge: &Judge,
    scans: &mut [Scan],
) -> Result<(), FederationError> {
    let files = || scans.iter().flat_map(|scan| scan.plan.files.iter());
    let proved: HashSet<(usize, usize)> =
        if is_empty(session, query, id_range::of_files(files().map(|(_, file)| file))).await? {
            all_files(scans).collect()
        } else {
            prove_singly(session, query, scans).await?
        };
    if proved.is_empty() || !judge.is_current().await? {
        return Ok(());
    }
    Figures::add(&session.figures.files_proved, proved.len());
    for (pin, file) in proved {
        for scan in scans.iter_mut().filter(|scan| scan.pin == pin) {
            scan.proved.insert(file);
        }
    }
    Ok(())
}

fn all_files(scans: &[Scan]) -> impl Iterator<Item = (usize, usize)> + '_ {
    scans.iter().flat_map(|scan| scan.plan.files.iter().map(|(index, _)| (scan.pin, *index)))
}

async fn prove_singly(
    session: &Session,
    query: &Query,
    scans: &[Scan],
) -> Result<HashSet<(usize, usize)>, FederationError> {
    let mut proved = HashSet::new();
    let count: usize = scans.iter().map(|scan| scan.plan.files.len()).sum();
    if count < 2 {
        return Ok(proved);
    }
    for scan in scans {
        for (index, file) in &scan.plan.files {
            if is_empty(session, query, id_range::of_file(file)).await? {
                proved.insert((scan.pin, *index));
            }
        }
    }
    Ok(proved)
}

async fn is_empty(
    session: &Session,
    query: &Query,
    range: Option<IdRange>,
) -> Result<bool, FederationError> {
    let Some(IdRange { low, high }) = range else { return Ok(false) };
    Ok(!session.cluster().await?.any_in_id_range(&query.namespace, &low, &high).await?)
}
