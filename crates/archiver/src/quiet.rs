//! When a delete or an insert that was sent can have no effect any more. Under a fence (level L3) that is so as
//! soon as the fence was raised; below, only time tells: a statement carries the end of its lease as a deadline,
//! and a transaction that held it may be committed as long as the server lets transactions live.

use portolan_cluster::{Cluster, ClusterError};
use portolan_model::GuardLevel;
use portolan_runtime::Runtime;

use crate::ArchiverOptions;
use crate::criteria::CLOCK_SPREAD_MAX_MS;

/// What `transactionLifetimeLimitSeconds` is by default (MongoDB manual, "Production Considerations" of
/// transactions), for servers that do not tell.
const TRANSACTION_LIFETIME_MS: u64 = 60_000;

/// The clock on which the end of late effects is counted: the cluster's, or ours where nothing at the
/// cluster bounds them.
pub(crate) async fn clock_ms(
    cluster: &dyn Cluster,
    runtime: &Runtime,
    level: GuardLevel,
) -> Result<i64, ClusterError> {
    match level {
        GuardLevel::L0 => Ok(runtime.now_ms()),
        _ => cluster.clock_ms().await,
    }
}

/// From when on, by that clock, what was sent until now can have no effect any more.
pub(crate) async fn from_now_ms(
    cluster: &dyn Cluster,
    runtime: &Runtime,
    options: &ArchiverOptions,
    level: GuardLevel,
) -> Result<i64, ClusterError> {
    let now_ms = clock_ms(cluster, runtime, level).await?;
    if level == GuardLevel::L0 {
        return Ok(now_ms.saturating_add(options.quiet_unguarded_ms));
    }
    let lifetime_ms = match level {
        GuardLevel::L0 | GuardLevel::L1 => 0,
        GuardLevel::L2 | GuardLevel::L3 => {
            let told = cluster.transaction_lifetime_ms().await?;
            told.unwrap_or_default().max(TRANSACTION_LIFETIME_MS)
        }
    };
    let effects_ms = i64::try_from(options.lease_ttl_ms.saturating_add(lifetime_ms));
    let wait_ms = effects_ms.unwrap_or(i64::MAX).saturating_add(options.quiet_margin_ms);
    Ok(now_ms.saturating_add(wait_ms))
}

/// The same for what was sent until `until_ms` by our own clock, which may differ from the cluster's.
pub(crate) async fn since_ms(
    cluster: &dyn Cluster,
    runtime: &Runtime,
    options: &ArchiverOptions,
    (level, until_ms): (GuardLevel, i64),
) -> Result<i64, ClusterError> {
    let clock_ms = clock_ms(cluster, runtime, level).await?;
    let from_now_ms = from_now_ms(cluster, runtime, options, level).await?;
    let passed_ms = clock_ms.saturating_sub(until_ms.saturating_add(CLOCK_SPREAD_MAX_MS));
    Ok(from_now_ms.saturating_sub(passed_ms.max(0)))
}

#[cfg(test)]
mod tests {
    use portolan_cluster::MemoryCluster;

    use super::*;

    #[tokio::test]
    async fn what_may_be_committed_late_is_waited_for() {
        let (runtime, _) = Runtime::manual(1_000_000, 7);
        let cluster = MemoryCluster::with_level(&runtime, GuardLevel::L2);
        let options = ArchiverOptions { lease_ttl_ms: 30_000, ..ArchiverOptions::default() };
        let wait_ms = async |level| {
            let from_ms = from_now_ms(&cluster, &runtime, &options, level).await.expect("a time");
            from_ms - runtime.now_ms()
        };
        assert_eq!(wait_ms(GuardLevel::L0).await, 600_000);
        assert_eq!(wait_ms(GuardLevel::L1).await, 90_000);
        assert_eq!(wait_ms(GuardLevel::L2).await, 150_000);
    }
}
