//! The time that decides what is cold, what expires and what is purged: the least of our clock, the
//! control database's and the storage's, for what is cold the cluster's, too, and none at all when they are too
//! far apart. A host whose clock jumped a year ahead must not archive or expire a year of documents.

use portolan_cluster::Cluster;
use portolan_lake::Location;

use crate::ArchiverError;
use crate::criteria::{CLOCK_SPREAD_MAX_MS, safe_now_ms};
use crate::scene::Scene;
use crate::worker::Shared;

/// What the clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// The least of them.
    pub(crate) now_ms: i64,
    /// The storage's own: the ages of its objects are counted on it.
    pub(crate) storage_ms: i64,
}

/// Asks all clocks.
///
/// # Errors
/// [`ArchiverError::ClocksSpread`] when they are more than five minutes apart, and those of asking.
pub(crate) async fn ask(shared: &Shared, location: &Location) -> Result<Clocks, ArchiverError> {
    let database_ms = shared.journal.clock_ms().await?;
    let storage_ms = location.clock_ms(&shared.runtime).await?;
    agree(shared.runtime.now_ms(), database_ms, storage_ms)
}

/// The time for what a run moves: the least of all clocks, the cluster's included.
///
/// # Errors
/// As of [`ask`], and [`ArchiverError::ClocksDisagree`] when the cluster's is the one that is off.
pub(crate) async fn of_run(scene: &Scene) -> Result<i64, ArchiverError> {
    let (own_ms, cluster_ms) = (scene.runtime.now_ms(), scene.cluster.clock_ms().await?);
    let database_ms = scene.journal.clock_ms().await?;
    let storage_ms = scene.location.clock_ms(&scene.runtime).await?;
    let clocks = agree(own_ms, database_ms, storage_ms)?;
    Ok(safe_now_ms(own_ms, cluster_ms)?.min(clocks.now_ms))
}

/// The time for a look that moves nothing: without the storage, which would have to write an object for it.
///
/// # Errors
/// As of [`of_run`].
pub(crate) async fn of_look(shared: &Shared, cluster: &dyn Cluster) -> Result<i64, ArchiverError> {
    let (own_ms, cluster_ms) = (shared.runtime.now_ms(), cluster.clock_ms().await?);
    let clocks = agree(own_ms, shared.journal.clock_ms().await?, own_ms)?;
    Ok(safe_now_ms(own_ms, cluster_ms)?.min(clocks.now_ms))
}

fn agree(own_ms: i64, database_ms: i64, storage_ms: i64) -> Result<Clocks, ArchiverError> {
    let all = [own_ms, database_ms, storage_ms];
    let (least, greatest) = (all.into_iter().min(), all.into_iter().max());
    let spread = greatest.zip(least).map_or(0, |(greatest, least)| greatest.saturating_sub(least));
    if spread > CLOCK_SPREAD_MAX_MS {
        return Err(ArchiverError::ClocksSpread { own_ms, database_ms, storage_ms });
    }
    Ok(Clocks { now_ms: least.unwrap_or(own_ms), storage_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_clock_counts_and_a_wrong_one_stops_everything() {
        let clocks = agree(1_000_000, 999_000, 1_100_000).expect("close enough");
        assert_eq!(clocks, Clocks { now_ms: 999_000, storage_ms: 1_100_000 });
        let year_ms = 31_536_000_000;
        for (own, database, storage) in [(year_ms, 0, 0), (0, year_ms, 0), (0, 0, year_ms)] {
            let refused = agree(own, database, storage);
            assert!(matches!(refused, Err(ArchiverError::ClocksSpread { .. })));
        }
    }
}
